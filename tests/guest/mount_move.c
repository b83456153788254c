/* mount(2) with MS_MOVE and recursive binds: what is seen where afterwards, and the
 * errors. Natively in a mount namespace of its own. */
#include "mountns.h"

static void new_tmpfs(const char *at, const char *file)
{
	CHECK(mount("none", at, "tmpfs", 0, NULL) == 0);
	touch(file);
}

/* How many lines of mountinfo speak of a mount point that ends like that. */
static int shown(const char *suffix)
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[4096], want[256];
	int n = 0;

	CHECK(f);
	snprintf(want, sizeof(want), "%s%s ", tmpdir, suffix);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, want) != NULL;
	fclose(f);
	return n;
}

/* a with a/f, a/sub mounted on it with a/sub/g. */
static void build(void)
{
	new_tmpfs("a", "a/f");
	CHECK(mkdir("a/sub", 0700) == 0 && mkdir("a/other", 0700) == 0);
	new_tmpfs("a/sub", "a/sub/g");
	CHECK(mkdir("a/sub/deep", 0700) == 0);
	new_tmpfs("a/sub/deep", "a/sub/deep/h");
}

static void moves(void)
{
	char cwd[4096], want[4096];
	int fd = open("a/sub", O_RDONLY | O_DIRECTORY);

	CHECK(fd >= 0);
	CHECK(mount("a", "b", NULL, MS_MOVE, NULL) == 0);
	CHECK(!is_there("a/f") && is_there("b/f") && is_there("b/sub/g") &&
	      is_there("b/sub/deep/h"));
	CHECK_EQ(shown("/a"), 0);
	CHECK_EQ(shown("/b"), 1);
	CHECK_EQ(shown("/b/sub/deep"), 1);
	/* Who is inside moves along. */
	CHECK(fchdir(fd) == 0 && getcwd(cwd, sizeof(cwd)));
	snprintf(want, sizeof(want), "%s/b/sub", tmpdir);
	CHECK(strcmp(cwd, want) == 0);
	CHECK(is_there("../f") && chdir("../..") == 0 && is_there("b/f") && close(fd) == 0);
	/* The place is free again, for a file too, and onto a mount it stacks. */
	CHECK(rmdir("a") == 0 && mkdir("a", 0700) == 0);
	new_tmpfs("a", "a/under");
	CHECK(mount("b", "a", NULL, MS_MOVE, NULL) == 0);
	CHECK(is_there("a/f") && !is_there("a/under"));
	CHECK(mount("a", "b", NULL, MS_MOVE, NULL) == 0);
	CHECK(is_there("a/under") && umount("a") == 0);
	CHECK(mount("b", "a", NULL, MS_MOVE, NULL) == 0);
}

static void move_errors(void)
{
	CHECK_ERR(mount("a/other", "b", NULL, MS_MOVE, NULL), EINVAL); /* no mount */
	CHECK_ERR(mount("a", "a/other", NULL, MS_MOVE, NULL), ELOOP);
	CHECK_ERR(mount("a", "a/sub/deep", NULL, MS_MOVE, NULL), ELOOP);
	CHECK_ERR(mount("a", "a", NULL, MS_MOVE, NULL), ELOOP);
	CHECK_ERR(mount("a", "file", NULL, MS_MOVE, NULL), EINVAL);
	/* Peers of its parent would keep theirs. */
	CHECK(mount(NULL, "a", NULL, MS_SHARED, NULL) == 0);
	CHECK_ERR(mount("a/sub", "b", NULL, MS_MOVE, NULL), EINVAL);
	CHECK(mount(NULL, "a", NULL, MS_PRIVATE, NULL) == 0);
	CHECK_ERR(mount(NULL, "b", NULL, MS_MOVE, NULL), EINVAL);
	CHECK_ERR(mount("", "b", NULL, MS_MOVE, NULL), EINVAL);
	CHECK_ERR(mount((char *)1, "b", NULL, MS_MOVE, NULL), EFAULT);
	CHECK_ERR(mount("nowhere", "b", NULL, MS_MOVE, NULL), ENOENT);
	CHECK_ERR(mount("a", "nowhere", NULL, MS_MOVE, NULL), ENOENT);
}

static void binds(void)
{
	/* One mount alone, and with all that is in it. */
	CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0);
	CHECK(is_there("b/f") && !is_there("b/sub/g"));
	CHECK(umount("b") == 0);
	CHECK(mount("a", "b", NULL, MS_BIND | MS_REC, NULL) == 0);
	CHECK(is_there("b/f") && is_there("b/sub/g") && is_there("b/sub/deep/h"));
	CHECK_EQ(shown("/b"), 1);
	CHECK_EQ(shown("/b/sub"), 1);
	CHECK_EQ(shown("/b/sub/deep"), 1);
	touch("b/sub/deep/new");
	CHECK(is_there("a/sub/deep/new"));
	/* The copies are mounts of their own. */
	CHECK_ERR(umount("b"), EBUSY);
	CHECK(umount("b/sub/deep") == 0);
	CHECK(is_there("a/sub/deep/h") && !is_there("b/sub/deep/h"));
	CHECK(umount2("b", MNT_DETACH) == 0);
	CHECK(!is_there("b/f") && is_there("a/sub/g"));
	/* A part: only what is mounted in it. */
	CHECK(mount("a/other", "b", NULL, MS_BIND | MS_REC, NULL) == 0);
	CHECK_EQ(shown("/b"), 1);
	CHECK_EQ(shown("/b/sub"), 0);
	CHECK(umount("b") == 0);
	/* Into itself: what was there before. */
	CHECK(mount("a", "a/other", NULL, MS_BIND | MS_REC, NULL) == 0);
	CHECK(is_there("a/other/sub/deep/h") && !is_there("a/other/other/f"));
	CHECK(umount2("a/other", MNT_DETACH) == 0);
	CHECK(mount("file", "file2", NULL, MS_BIND | MS_REC, NULL) == 0);
	CHECK(umount("file2") == 0);
}

static void bind_errors(void)
{
	CHECK_ERR(mount("a", "file", NULL, MS_BIND | MS_REC, NULL), ENOTDIR);
	CHECK_ERR(mount("file", "b", NULL, MS_BIND, NULL), ENOTDIR);
	CHECK_ERR(mount(NULL, "b", NULL, MS_BIND | MS_REC, NULL), EINVAL);
	CHECK_ERR(mount("", "b", NULL, MS_BIND, NULL), EINVAL);
	CHECK_ERR(mount("nowhere", "b", NULL, MS_BIND | MS_REC, NULL), ENOENT);
}

/* A detached mount takes no mount, gives none, and goes nowhere. */
static void detached(void)
{
	int fd;

	new_tmpfs("b", "b/x");
	CHECK(mkdir("b/dir", 0700) == 0);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0 && chdir("b") == 0);
	CHECK(umount2(".", MNT_DETACH) == 0);
	/* Linux says ENOENT since it looks whether the place is mounted first. */
	CHECK(mount("none", "dir", "tmpfs", 0, NULL) == -1);
	CHECK(errno == EINVAL || errno == ENOENT);
	CHECK(mount("dir", "dir", NULL, MS_BIND, NULL) == -1);
	CHECK(errno == EINVAL || errno == ENOENT);
	CHECK_ERR(mount(".", tmpdir, NULL, MS_MOVE, NULL), EINVAL);
	CHECK_ERR(mount(".", tmpdir, NULL, MS_BIND | MS_REC, NULL), EINVAL);
	CHECK(fchdir(fd) == 0 && close(fd) == 0);
}

/* Many mounts upon each other, gone at once. */
static void stack(void)
{
	CHECK(mount("none", "b", "tmpfs", 0, NULL) == 0);
	for (int i = 0; i < 300; i++)
		CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0);
	CHECK(mkdir("c", 0700) == 0 && mount(".", "c", NULL, MS_BIND | MS_REC, NULL) == 0);
	CHECK_EQ(shown("/c/b"), shown("/b"));
	CHECK(umount2("c", MNT_DETACH) == 0);
	for (int i = 0; i < 300; i++)
		CHECK(umount("b") == 0);
	CHECK(umount("b") == 0);
	CHECK_ERR(umount("b"), EINVAL);
}

int main(void)
{
	mountns_enter();
	tmpdir_enter();
	CHECK(mkdir("a", 0700) == 0 && mkdir("b", 0700) == 0);
	touch("file");
	touch("file2");
	build();
	moves();
	move_errors();
	binds();
	bind_errors();
	detached();
	stack();
	CHECK(umount2("a", MNT_DETACH) == 0);
	return 0;
}
