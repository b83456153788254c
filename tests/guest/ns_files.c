/* /proc/[pid]/ns and nsfs: numbers, types, ioctls, binds that keep a namespace alive;
 * setns(2) into UTS namespaces. Natively in namespaces of its own. */
#include <linux/nsfs.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include "mountns.h"

static const struct {
	const char *name;
	int type;
} kinds[] = {
	{ "cgroup", 0x02000000 },  { "ipc", CLONE_NEWIPC }, { "mnt", CLONE_NEWNS },
	{ "net", CLONE_NEWNET },   { "pid", CLONE_NEWPID }, { "pid_for_children", CLONE_NEWPID },
	{ "user", CLONE_NEWUSER }, { "uts", CLONE_NEWUTS }, { "time", 0x80 },
};

static int ns_open(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static void links_and_files_agree(void)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		char path[64], text[64] = "", want[64], fdpath[64], fdtext[64] = "";
		int fd = ns_open(kinds[i].name);
		struct statfs sfs;
		struct stat st;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i].name);
		CHECK(readlink(path, text, sizeof(text) - 1) > 0);
		CHECK(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0444);
		snprintf(want, sizeof(want), ":[%lu]", (unsigned long)st.st_ino);
		CHECK(strstr(text, want) && strncmp(text, kinds[i].name, 3) == 0);
		snprintf(fdpath, sizeof(fdpath), "/proc/self/fd/%d", fd);
		CHECK(readlink(fdpath, fdtext, sizeof(fdtext) - 1) > 0);
		CHECK(strcmp(text, fdtext) == 0);
		CHECK_EQ(ioctl(fd, NS_GET_NSTYPE), kinds[i].type);
		CHECK(fstatfs(fd, &sfs) == 0 && sfs.f_type == 0x6e736673);
		CHECK_ERR(ioctl(fd, _IO(0xb7, 0x7f)), ENOTTY);
		CHECK_ERR(open(path, O_RDWR), EPERM);
		CHECK(close(fd) == 0);
	}
}

static void owners_and_parents(void)
{
	int uts, user = ns_open("user"), owner;
	struct stat a, b;
	uid_t uid = 12345;

	CHECK(unshare(CLONE_NEWUTS) == 0);
	uts = ns_open("uts");
	owner = ioctl(uts, NS_GET_USERNS);
	CHECK(owner >= 0 && fstat(owner, &a) == 0 && fstat(user, &b) == 0);
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	CHECK_EQ(fcntl(owner, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(ioctl(uts, NS_GET_PARENT), EINVAL);
	CHECK_ERR(ioctl(uts, NS_GET_OWNER_UID, &uid), EINVAL);
	CHECK(ioctl(user, NS_GET_OWNER_UID, &uid) == 0 && uid == 0);
	CHECK(close(uts) == 0 && close(user) == 0 && close(owner) == 0);
}

static void name_is(const char *want)
{
	char got[65];

	CHECK(gethostname(got, sizeof(got)) == 0);
	if (strcmp(got, want) != 0)
		fprintf(stderr, "host name %s, not %s\n", got, want);
	CHECK(strcmp(got, want) == 0);
}

static void uts_namespaces(void)
{
	char file[256] = "";
	struct utsname u;
	int first, second, fd;

	CHECK(unshare(CLONE_NEWUTS) == 0);
	CHECK(sethostname("first", 5) == 0 && setdomainname("dom", 3) == 0);
	first = ns_open("uts");
	CHECK(unshare(CLONE_NEWUTS) == 0);
	name_is("first"); /* a copy */
	CHECK(sethostname("second", 6) == 0);
	second = ns_open("uts");
	CHECK(setns(first, CLONE_NEWUTS) == 0);
	name_is("first");
	CHECK(uname(&u) == 0 && strcmp(u.domainname, "dom") == 0);
	CHECK_ERR(setns(second, CLONE_NEWIPC), EINVAL);
	CHECK(setns(second, 0) == 0);
	name_is("second");
	fd = open("/proc/sys/kernel/hostname", O_RDWR);
	CHECK(fd >= 0 && read(fd, file, sizeof(file)) == 7 && strcmp(file, "second\n") == 0);
	CHECK(pwrite(fd, "third\n", 6, 0) == 6);
	name_is("third");
	CHECK(close(fd) == 0 && close(first) == 0 && close(second) == 0);
}

/* A child by clone(2) with its own; ours stays. */
static int child_names(void *arg)
{
	(void)arg;
	CHECK(sethostname("child", 5) == 0);
	name_is("child");
	return 0;
}

static void by_clone(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int status;
	pid_t pid;

	CHECK(unshare(CLONE_NEWUTS) == 0 && sethostname("parent", 6) == 0);
	pid = clone(child_names, stack + sizeof(stack), CLONE_NEWUTS | CLONE_NEWNS | SIGCHLD, NULL);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	name_is("parent");
	CHECK_ERR(clone(child_names, stack + sizeof(stack), CLONE_NEWNS | CLONE_FS | SIGCHLD, NULL),
		  EINVAL);
}

/* A bound file keeps its namespace, and is what it was. */
static void binds_keep_alive(void)
{
	char line[4096], want[64];
	struct stat st;
	int fd, status;
	pid_t pid;

	touch("uts");
	pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWUTS) == 0 && sethostname("bound", 5) == 0);
		CHECK(mount("/proc/self/ns/uts", "uts", NULL, MS_BIND, NULL) == 0);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(unshare(CLONE_NEWUTS) == 0 && sethostname("outside", 7) == 0);
	fd = open("uts", O_RDONLY);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK(mountinfo_of("uts", line));
	snprintf(want, sizeof(want), " uts:[%lu] ", (unsigned long)st.st_ino);
	CHECK(strstr(line, want) && strstr(line, " nsfs "));
	CHECK(setns(fd, CLONE_NEWUTS) == 0);
	name_is("bound");
	CHECK(close(fd) == 0 && umount("uts") == 0);
	/* A mount namespace cannot hold itself. */
	CHECK_ERR(mount("/proc/self/ns/mnt", "uts", NULL, MS_BIND, NULL), EINVAL);
}

static void by_pidfd(void)
{
	int go[2], ready[2], status, pidfd;
	pid_t pid;
	char c;

	CHECK(pipe(go) == 0 && pipe(ready) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWUTS | CLONE_NEWNS) == 0 && sethostname("target", 6) == 0);
		CHECK(mount("none", "dir", "tmpfs", 0, NULL) == 0);
		touch("dir/there");
		CHECK(write(ready[1], "x", 1) == 1 && read(go[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(pidfd >= 0);
	CHECK_ERR(setns(pidfd, 0), EINVAL);
	CHECK_ERR(setns(pidfd, CLONE_FS), EINVAL);
	CHECK(setns(pidfd, CLONE_NEWUTS | CLONE_NEWNS) == 0);
	name_is("target");
	CHECK(chdir(tmpdir) == 0 && is_there("dir/there"));
	CHECK(write(go[1], "x", 1) == 1 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_ERR(setns(pidfd, CLONE_NEWUTS), ESRCH);
}

static void errors(void)
{
	CHECK_ERR(unshare(0x1), EINVAL);
	CHECK_ERR(unshare(CLONE_PARENT), EINVAL);
	CHECK(setuid(65534) == 0);
	CHECK_ERR(unshare(CLONE_NEWUTS), EPERM);
	CHECK_ERR(unshare(CLONE_NEWNS), EPERM);
	CHECK_ERR(sethostname("x", 1), EPERM);
	CHECK_ERR(setns(ns_open("uts"), 0), EPERM);
}

int main(void)
{
	mountns_enter();
	tmpdir_enter();
	make_dirs("dir", NULL);
	links_and_files_agree();
	in_child(owners_and_parents);
	in_child(uts_namespaces);
	in_child(by_clone);
	in_child(binds_keep_alive);
	in_child(by_pidfd);
	in_child(errors);
	return 0;
}
