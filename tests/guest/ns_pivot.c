/* pivot_root(2): what is where afterwards, for everybody, and each error. Natively in a
 * mount namespace of its own. */
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mountns.h"

static int pivot(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static void new_root(void)
{
	CHECK(mount("none", "root", "tmpfs", 0, NULL) == 0);
	make_dirs("root/old", "root/dir", NULL);
	touch("root/is_new");
}

static void put_aside(void)
{
	new_root();
	CHECK(chdir("root") == 0 && pivot(".", "old") == 0);
	/* Who was at the old root is at the new one. */
	CHECK(is_there("/is_new") && is_there("/old/proc/self") && is_there("is_new"));
	CHECK(chdir("/") == 0 && umount2("/old", MNT_DETACH) == 0);
	CHECK(!is_there("/old/proc"));
	CHECK(rmdir("/old") == 0);
	CHECK(chdir("..") == 0 && is_there("is_new"));
}

/* The idiom of pivot_root(2) that needs no directory for the old root. */
static void over_itself(void)
{
	new_root();
	CHECK(chdir("root") == 0 && pivot(".", ".") == 0);
	CHECK(umount2(".", MNT_DETACH) == 0);
	CHECK(is_there("/is_new") && chdir("/") == 0 && is_there("is_new"));
	CHECK(!is_there("/proc/self"));
}

/* Another process with the same root and namespace changes with it. */
static void for_all(void)
{
	int go[2], status;
	pid_t pid;
	char c;

	CHECK(unshare(CLONE_NEWNS) == 0 && pipe(go) == 0);
	new_root();
	CHECK(chdir("/") == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(read(go[0], &c, 1) == 1);
		CHECK(is_there("/is_new") && is_there("is_new"));
		_exit(0);
	}
	CHECK(chdir(tmpdir) == 0 && chdir("root") == 0 && pivot(".", "old") == 0);
	CHECK(write(go[1], "x", 1) == 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void errors(void)
{
	new_root();
	CHECK(mkdir("plain", 0755) == 0);
	CHECK_ERR(pivot("nowhere", "root/old"), ENOENT);
	CHECK_ERR(pivot("root", "root/nowhere"), ENOENT);
	CHECK_ERR(pivot("file", "root/old"), ENOTDIR);
	CHECK_ERR(pivot("root", "root/is_new"), ENOTDIR);
	CHECK_ERR(pivot("root", (char *)1), EFAULT);
	CHECK_ERR(pivot("root/dir", "root/old"), EINVAL); /* no mount */
	/* No mount, or the old place not below the new root; on the root's own mount that
	 * is found first. */
	CHECK(pivot("plain", "plain") == -1 && (errno == EINVAL || errno == EBUSY));
	CHECK(pivot("root", "plain") == -1 && (errno == EINVAL || errno == EBUSY));
	CHECK_ERR(pivot("/", "/"), EBUSY);
	/* Not where it would propagate. */
	CHECK(mount(NULL, "root", NULL, MS_SHARED, NULL) == 0);
	CHECK_ERR(pivot("root", "root/old"), EINVAL);
	CHECK(mount(NULL, "root", NULL, MS_PRIVATE, NULL) == 0);
	CHECK(mount("none", "root/dir", "tmpfs", 0, NULL) == 0);
	CHECK(mkdir("root/dir/old", 0755) == 0);
	CHECK(mount(NULL, "root", NULL, MS_SHARED, NULL) == 0);
	CHECK_ERR(pivot("root/dir", "root/dir/old"), EINVAL);
	CHECK(mount(NULL, "root", NULL, MS_PRIVATE, NULL) == 0);
	/* The caller's root must be a mount's. */
	CHECK(chroot(tmpdir) == 0);
	CHECK_ERR(pivot("/root", "/root/old"), EINVAL);
}

static void unprivileged(void)
{
	new_root();
	CHECK(setuid(65534) == 0);
	CHECK_ERR(pivot("root", "root/old"), EPERM);
	CHECK_ERR(pivot("nowhere", "nowhere"), EPERM);
}

static void alone(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		CHECK(unshare(CLONE_NEWNS) == 0);
		fn();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	mountns_enter();
	tmpdir_enter();
	make_dirs("root", NULL);
	touch("file");
	alone(put_aside);
	alone(over_itself);
	alone(for_all);
	alone(errors);
	alone(unprivileged);
	CHECK(is_there("file"));
	return 0;
}
