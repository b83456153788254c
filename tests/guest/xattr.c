/* Extended attributes, through names, links and descriptors. */
#include <sys/xattr.h>

#include "tmpdir.h"

static int has_name(const char *list, ssize_t size, const char *name)
{
	for (const char *at = list; at < list + size; at += strlen(at) + 1) {
		if (strcmp(at, name) == 0)
			return 1;
	}
	return 0;
}

int main(void)
{
	char buf[64], long_name[300] = "user.", list[4096];
	int fd;
	ssize_t n;

	tmpdir_enter();
	fd = tmpdir_file("f", "");
	if (setxattr("f", "user.a", "one", 3, 0) < 0 && errno == EOPNOTSUPP)
		SKIP("/tmp has no user attributes");
	CHECK_EQ(getxattr("f", "user.a", NULL, 0), 3);
	CHECK_EQ(getxattr("f", "user.a", buf, sizeof(buf)), 3);
	CHECK(memcmp(buf, "one", 3) == 0);
	CHECK_EQ(fgetxattr(fd, "user.a", buf, sizeof(buf)), 3);
	CHECK_EQ(lgetxattr("f", "user.a", buf, sizeof(buf)), 3);
	CHECK_ERR(getxattr("f", "user.a", buf, 2), ERANGE);
	CHECK_ERR(getxattr("f", "user.b", buf, sizeof(buf)), ENODATA);
	CHECK_ERR(getxattr("missing", "user.a", buf, sizeof(buf)), ENOENT);
	CHECK_ERR(fgetxattr(-1, "user.a", buf, sizeof(buf)), EBADF);
	CHECK_ERR(getxattr("f", "nonsense", buf, sizeof(buf)), EOPNOTSUPP);
	CHECK_ERR(getxattr("f", "", buf, sizeof(buf)), ERANGE);
	memset(long_name + 5, 'n', sizeof(long_name) - 6);
	CHECK_ERR(setxattr("f", long_name, "x", 1, 0), ERANGE);
	CHECK_ERR(setxattr("f", "user.a", "two", 3, XATTR_CREATE), EEXIST);
	CHECK_ERR(setxattr("f", "user.b", "two", 3, XATTR_REPLACE), ENODATA);
	CHECK_ERR(setxattr("f", "user.b", "two", 3, 8), EINVAL);
	CHECK(fsetxattr(fd, "user.b", "", 0, XATTR_CREATE) == 0);
	CHECK_EQ(getxattr("f", "user.b", buf, sizeof(buf)), 0);
	n = listxattr("f", list, sizeof(list));
	CHECK(n > 0 && has_name(list, n, "user.a") && has_name(list, n, "user.b"));
	CHECK_EQ(listxattr("f", NULL, 0), n);
	CHECK_EQ(flistxattr(fd, list, sizeof(list)), n);
	CHECK_ERR(listxattr("f", list, 3), ERANGE);
	CHECK(removexattr("f", "user.a") == 0);
	CHECK_ERR(removexattr("f", "user.a"), ENODATA);
	CHECK(fremovexattr(fd, "user.b") == 0);
	/* A symlink has none; what it leads to has. */
	CHECK(symlink("f", "l") == 0);
	CHECK(setxattr("l", "user.c", "3", 1, 0) == 0);
	CHECK_EQ(getxattr("f", "user.c", buf, sizeof(buf)), 1);
	CHECK_ERR(lsetxattr("l", "user.c", "3", 1, 0), EPERM);
	CHECK_ERR(lgetxattr("l", "user.c", buf, sizeof(buf)), ENODATA);
	return 0;
}
