/* User namespaces (user_namespaces(7)): maps and who may write them, ids on both sides,
 * capabilities over what belongs to the namespace, nesting. */
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <grp.h>

#include "mountns.h"

static int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), r, err;

	if (fd < 0)
		return -1;
	r = (int)write(fd, text, strlen(text));
	err = errno;
	close(fd);
	errno = err;
	return r < 0 ? -1 : 0;
}

static int write_own(const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	return write_to(path, text);
}

static void reads(const char *name, const char *want)
{
	char path[64], got[512] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, got, sizeof(got) - 1) >= 0 && close(fd) == 0);
	if (strcmp(got, want) != 0)
		fprintf(stderr, "%s: \"%s\", not \"%s\"\n", name, got, want);
	CHECK(strcmp(got, want) == 0);
}

static uint64_t effective_caps(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	CHECK(syscall(SYS_capget, &h, d) == 0);
	return d[0].effective | (uint64_t)d[1].effective << 32;
}

/* ---- an unprivileged user's ---- */

static void become_user(void)
{
	CHECK(setgroups(0, NULL) == 0 && setresgid(1000, 1000, 1000) == 0);
	CHECK(setresuid(1000, 1000, 1000) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
}

static void before_maps(void)
{
	struct stat st;

	become_user();
	CHECK_EQ(effective_caps(), 0);
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK_EQ(getuid(), 65534);
	CHECK_EQ(getegid(), 65534);
	CHECK(effective_caps() & 1ull << CAP_SYS_ADMIN);
	reads("uid_map", "");
	reads("setgroups", "allow\n");
	CHECK(stat("/", &st) == 0 && st.st_uid == 65534 && st.st_gid == 65534);
	/* No id means anything yet. */
	CHECK_ERR(setuid(0), EINVAL);
	CHECK_ERR(setgid(1000), EINVAL);
	CHECK_ERR(setgroups(0, NULL), EPERM);
	CHECK_ERR(chown("file", 0, -1), EINVAL);
}

static void maps_of_a_user(void)
{
	become_user();
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK_ERR(write_own("uid_map", "0 1001 1\n"), EPERM); /* somebody else */
	CHECK_ERR(write_own("uid_map", "0 1000 2\n"), EPERM);
	CHECK_ERR(write_own("uid_map", "nonsense\n"), EINVAL);
	CHECK_ERR(write_own("uid_map", "0 1000\n"), EINVAL);
	CHECK_ERR(write_own("uid_map", "0 1000 0\n"), EINVAL);
	CHECK_ERR(write_own("uid_map", "4294967295 1000 1\n"), EINVAL);
	CHECK_ERR(write_own("uid_map", "0 1000 1\n0 1000 1\n"), EINVAL);
	/* Without "deny" a group could be dropped that keeps one out. */
	CHECK_ERR(write_own("gid_map", "0 1000 1\n"), EPERM);
	CHECK(write_own("uid_map", "0 1000 1\n") == 0);
	CHECK_ERR(write_own("uid_map", "0 1000 1\n"), EPERM); /* once */
	CHECK_ERR(write_own("setgroups", "maybe"), EINVAL);
	CHECK(write_own("setgroups", "deny\n") == 0);
	reads("setgroups", "deny\n");
	CHECK_ERR(write_own("setgroups", "allow"), EPERM);
	CHECK(write_own("gid_map", "7 1000 1") == 0);
	reads("uid_map", "         0       1000          1\n");
	reads("gid_map", "         7       1000          1\n");
	CHECK_EQ(getuid(), 0);
	CHECK_EQ(getgid(), 7);
	CHECK_ERR(setgroups(0, NULL), EPERM);
	CHECK_ERR(setuid(1), EINVAL);
	CHECK(setuid(0) == 0);
}

/* What root is there: over its own things, not over the host's. */
static void capabilities(void)
{
	struct stat st;
	int fd;

	become_user();
	CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS) == 0);
	CHECK(write_own("uid_map", "0 1000 1") == 0);
	CHECK(write_own("setgroups", "deny") == 0 && write_own("gid_map", "0 1000 1") == 0);
	CHECK(sethostname("inner", 5) == 0);
	CHECK(mount("none", "dir", "tmpfs", 0, NULL) == 0);
	touch("dir/mine");
	CHECK(stat("dir/mine", &st) == 0 && st.st_uid == 0 && st.st_gid == 0);
	CHECK_ERR(mknod("dir/null", S_IFCHR | 0666, 0x103), EPERM);
	CHECK(mknod("dir/fifo", S_IFIFO | 0666, 0) == 0);
	CHECK_ERR(chown("dir/mine", 1, 1), EINVAL);
	/* Ids that mean nothing here: no capability helps. */
	CHECK(stat("root_only", &st) == 0 && st.st_uid == 65534);
	CHECK_ERR(open("root_only", O_RDONLY), EACCES);
	CHECK_ERR(chmod("root_only", 0777), EPERM);
	CHECK_ERR(chown("root_only", 0, 0), EPERM);
	CHECK_ERR(kill(getppid(), 0), EPERM);
	/* What came from outside stays as it is. */
	CHECK_ERR(umount("/proc"), EINVAL);
	CHECK_ERR(mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL), EPERM);
	CHECK(chroot("dir") == 0);
	CHECK_ERR(unshare(CLONE_NEWUSER), EPERM); /* not from a changed root */
	fd = open("/mine", O_RDONLY);
	CHECK(fd >= 0 && close(fd) == 0);
}

/* ---- root's, with ranges ---- */

/* A child in a namespace of its own that waits for its maps. */
static pid_t child_with_maps(const char *uids, const char *gids, void (*fn)(int), int arg)
{
	int ready[2], go[2];
	char path[64], c;
	pid_t pid;

	CHECK(pipe(ready) == 0 && pipe(go) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWUSER) == 0);
		CHECK(write(ready[1], "x", 1) == 1 && read(go[0], &c, 1) == 1);
		fn(arg);
		_exit(0);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	CHECK(write_to(path, uids) == 0);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	CHECK(write_to(path, gids) == 0);
	CHECK(write(go[1], "x", 1) == 1);
	close(ready[0]), close(ready[1]), close(go[0]), close(go[1]);
	return pid;
}

static void ids_inside(int arg)
{
	gid_t groups[2] = { 3, 65534 };
	struct stat st;

	(void)arg;
	CHECK_EQ(getuid(), 5);
	CHECK(setresgid(10, 11, 12) == 0 && setgroups(2, groups) == -1 && errno == EINVAL);
	CHECK(setgroups(1, groups) == 0);
	CHECK_EQ(getgroups(2, groups), 1);
	CHECK_EQ(groups[0], 3);
	CHECK_ERR(setresuid(20, -1, -1), EINVAL);
	CHECK(chown("file", 19, 7) == 0);
	CHECK(stat("file", &st) == 0 && st.st_uid == 19 && st.st_gid == 7);
	CHECK(setresuid(0, 0, 0) == 0 && setresuid(1, 2, 3) == 0); /* as root goes, so do these */
	CHECK_EQ(geteuid(), 2);
	CHECK_ERR(setresuid(4, 4, 4), EPERM);
	reads("uid_map", "         5          0          1\n         6     100006         14\n"
			 "         0     100000          5\n");
}

static void ranges(void)
{
	struct stat st;
	int status;
	pid_t pid = child_with_maps("5 0 1\n6 100006 14\n0 100000 5\n",
				    "5 0 1\n6 200006 14\n0 200000 5", ids_inside, 0);

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	CHECK(stat("file", &st) == 0 && st.st_uid == 100019 && st.st_gid == 200007);
	CHECK(chown("file", 0, 0) == 0);
}

static void sends_credentials(int fd)
{
	struct ucred uc = { getpid(), 4, 6 };
	char control[CMSG_SPACE(sizeof(uc))] = { 0 }, c = 'x';
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	socklen_t size = sizeof(uc);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_CREDENTIALS;
	h->cmsg_len = CMSG_LEN(sizeof(uc));
	memcpy(CMSG_DATA(h), &uc, sizeof(uc));
	CHECK(sendmsg(fd, &m, 0) == 1);
	uc.uid = 1000; /* nobody here */
	memcpy(CMSG_DATA(h), &uc, sizeof(uc));
	CHECK_ERR(sendmsg(fd, &m, 0), EINVAL);
	/* The peer's: outside of the map. */
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &size) == 0);
	CHECK(uc.uid == 65534 && uc.gid == 65534);
}

static void credentials_are_translated(void)
{
	char control[CMSG_SPACE(sizeof(struct ucred))], c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int sv[2], on = 1, status;
	struct cmsghdr *h;
	struct ucred uc;
	pid_t pid;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
	CHECK(setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	pid = child_with_maps("0 100000 10", "0 200000 10", sends_credentials, sv[1]);
	CHECK(recvmsg(sv[0], &m, 0) == 1);
	h = CMSG_FIRSTHDR(&m);
	CHECK(h && h->cmsg_type == SCM_CREDENTIALS);
	memcpy(&uc, CMSG_DATA(h), sizeof(uc));
	CHECK(uc.pid == pid && uc.uid == 100004 && uc.gid == 200006);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static siginfo_t got;

static void on_signal(int signo, siginfo_t *si, void *uc)
{
	(void)signo;
	(void)uc;
	got = *si;
}

static void signals_parent(int arg)
{
	(void)arg;
	CHECK(setresuid(3, 3, 3) == 0);
	_exit(kill(getppid(), SIGUSR1) == -1 && errno == EPERM ? 0 : 1);
}

/* The exit of a child in a namespace, with its ids as the parent knows them. */
static void siginfo_is_translated(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	siginfo_t si;
	pid_t pid;

	CHECK(sigaction(SIGCHLD, &sa, NULL) == 0);
	pid = child_with_maps("0 100000 10", "0 200000 10", signals_parent, 0);
	CHECK(waitid(P_PID, (id_t)pid, &si, WEXITED) == 0);
	CHECK_EQ(si.si_status, 0);
	CHECK_EQ(si.si_uid, 100003);
	CHECK(got.si_signo == SIGCHLD && got.si_uid == 100003);
	CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
}

/* ---- owners, joining, nesting ---- */

static void owners(void)
{
	int user = open("/proc/self/ns/user", O_RDONLY), uts, inner, up;
	struct stat a, b;
	uid_t uid;

	become_user();
	CHECK(unshare(CLONE_NEWUSER | CLONE_NEWUTS) == 0);
	uts = open("/proc/self/ns/uts", O_RDONLY);
	inner = open("/proc/self/ns/user", O_RDONLY);
	up = ioctl(uts, NS_GET_USERNS);
	CHECK(up >= 0 && fstat(up, &a) == 0 && fstat(inner, &b) == 0 && a.st_ino == b.st_ino);
	CHECK(ioctl(inner, NS_GET_OWNER_UID, &uid) == 0 && uid == 65534);
	CHECK_ERR(ioctl(inner, NS_GET_PARENT), EPERM);  /* above what is in sight */
	CHECK_ERR(setns(inner, CLONE_NEWUSER), EINVAL); /* one's own */
	CHECK_ERR(setns(user, CLONE_NEWUSER), EPERM);
}

static void joins_childs(void)
{
	int ready[2], go[2], status, fd;
	char path[64], c;
	pid_t pid;

	CHECK(pipe(ready) == 0 && pipe(go) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWUSER | CLONE_NEWUTS) == 0);
		CHECK(write_own("uid_map", "0 0 1") == 0);
		CHECK(write(ready[1], "x", 1) == 1 && read(go[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && ioctl(fd, NS_GET_PARENT) >= 0);
	CHECK(setns(fd, CLONE_NEWUSER) == 0);
	CHECK(getuid() == 0 && getgid() == 65534);
	CHECK(effective_caps() & 1ull << CAP_SYS_ADMIN);
	snprintf(path, sizeof(path), "/proc/%d/ns/uts", pid);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && setns(fd, CLONE_NEWUTS) == 0 && sethostname("both", 4) == 0);
	CHECK(write(go[1], "x", 1) == 1 && waitpid(pid, &status, 0) == pid && status == 0);
}

static void nests(void)
{
	int depth = 0;

	while (unshare(CLONE_NEWUSER) == 0) {
		CHECK(write_own("uid_map", "0 0 1") == 0);
		CHECK(write_own("setgroups", "deny") == 0 || depth > 0);
		CHECK(write_own("gid_map", "0 0 1") == 0);
		depth++;
		CHECK(depth < 100);
	}
	CHECK_EQ(errno, ENOSPC);
	CHECK_EQ(depth, 33);
}

static int child_of_clone(void *arg)
{
	(void)arg;
	CHECK(getuid() == 65534 && (effective_caps() & 1ull << CAP_SYS_ADMIN));
	return 0;
}

static void clone_flags(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	char *top = stack + sizeof(stack);
	int status;
	pid_t pid;

	CHECK_ERR(clone(child_of_clone, top, CLONE_NEWUSER | CLONE_FS | SIGCHLD, NULL), EINVAL);
	CHECK_ERR(clone(child_of_clone, top,
			CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, NULL),
		  EINVAL);
	become_user();
	pid = clone(child_of_clone, top, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | SIGCHLD,
		    NULL);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(getuid(), 1000);
	CHECK_ERR(clone(child_of_clone, top, CLONE_NEWNS | SIGCHLD, NULL), EPERM);
}

/* The bits of a program count only for ids that mean something here. */
static void runs_setuid_programs(void)
{
	become_user();
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(write_own("uid_map", "1000 1000 1") == 0);
	execl("./suid", "suid", "reports", NULL);
	_exit(1);
}

static void copy_self(const char *to)
{
	char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_CREAT | O_WRONLY, 0755);
	ssize_t n;

	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK(write(out, buf, (size_t)n) == n);
	CHECK(fchmod(out, 04755) == 0);
	CHECK(close(in) == 0 && close(out) == 0);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "reports") == 0)
		return geteuid() == 1000 ? 0 : CHECK_FAILED;
	mountns_enter();
	tmpdir_enter();
	if (fork() == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
	else {
		int status;

		wait(&status);
		if (status)
			SKIP("no user namespaces here");
	}
	CHECK(chmod(".", 0755) == 0);
	make_dirs("dir", NULL);
	CHECK(chmod("dir", 0777) == 0);
	touch("file");
	touch("root_only");
	copy_self("suid");
	in_child(before_maps);
	in_child(maps_of_a_user);
	in_child(capabilities);
	ranges();
	credentials_are_translated();
	siginfo_is_translated();
	in_child(owners);
	in_child(joins_childs);
	in_child(nests);
	in_child(clone_flags);
	in_child(runs_setuid_programs);
	return 0;
}
