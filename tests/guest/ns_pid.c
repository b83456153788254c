/* PID namespaces (pid_namespaces(7)): numbers on both sides, the init and its end, /proc
 * inside, nesting. */
#include <limits.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mountns.h"

/* Runs fn as the init of a new namespace; its wait status. */
static int as_init(void (*fn)(void))
{
	int status;
	pid_t pid;

	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL,
			     NULL);
	CHECK(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

static int reaped(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

static void numbers(void)
{
	pid_t pid;

	CHECK_EQ(getpid(), 1);
	CHECK_EQ(syscall(SYS_gettid), 1);
	CHECK_EQ(getppid(), 0);
	CHECK_EQ(getpgid(0), 0); /* a group outside */
	CHECK_EQ(getsid(0), 0);
	pid = fork();
	CHECK(pid == 0 || pid == 2);
	if (pid == 0) {
		CHECK(getpid() == 2 && getppid() == 1 && getpgrp() == 0);
		CHECK(setsid() == 2 && getpgid(2) == 2 && getsid(0) == 2);
		CHECK_ERR(kill(3, 0), ESRCH);
		CHECK_ERR(getpgid(77), ESRCH);
		_exit(7);
	}
	CHECK_EQ(reaped(pid), 7 << 8);
	CHECK_ERR(kill(2, 0), ESRCH);
	/* Numbers rise. */
	pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK(pid == 3 && reaped(pid) == 0);
	CHECK_ERR(kill(-1, SIGTERM), ESRCH); /* nobody else */
	CHECK(setpgid(0, 0) == 0 && getpgrp() == 1);
}

static void *thread_number(void *arg)
{
	(void)arg;
	CHECK_EQ(getpid(), 1);
	return (void *)syscall(SYS_gettid);
}

static void threads(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m;
	pthread_t th;
	void *tid;

	CHECK(pthread_create(&th, NULL, thread_number, NULL) == 0);
	CHECK(pthread_join(th, &tid) == 0 && (long)tid == 2);
	CHECK_ERR(syscall(SYS_tgkill, 1, 5, 0), ESRCH);
	CHECK(syscall(SYS_tgkill, 1, 1, 0) == 0);
	/* The owner of a futex is its number here. */
	CHECK(pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) == 0);
	CHECK(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK) == 0);
	CHECK(pthread_mutex_init(&m, &attr) == 0 && pthread_mutex_lock(&m) == 0);
	CHECK_EQ(pthread_mutex_lock(&m), EDEADLK);
	CHECK(pthread_mutex_unlock(&m) == 0);
}

static int count_of_proc(void)
{
	char line[256];
	int n = 0;
	FILE *f = popen("ls -d /proc/[0-9]*", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		n++;
	pclose(f);
	return n;
}

static void status_line(const char *path, const char *name, const char *want)
{
	FILE *f = fopen(path, "r");
	char line[256];

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) == 0) {
			if (strcmp(line + strlen(name), want) != 0)
				fprintf(stderr, "%s: %s", path, line);
			CHECK(strcmp(line + strlen(name), want) == 0);
			fclose(f);
			return;
		}
	}
	CHECK(!"the line is there");
}

static void proc_inside(void)
{
	char text[64] = "";

	/* The old one does not know us by our number. */
	CHECK(mount("proc", "/proc", "proc", 0, NULL) == 0);
	CHECK(readlink("/proc/self", text, sizeof(text) - 1) == 1 && strcmp(text, "1") == 0);
	CHECK(readlink("/proc/thread-self", text, sizeof(text) - 1) > 0);
	CHECK(strcmp(text, "1/task/1") == 0);
	status_line("/proc/1/status", "Pid:", "\t1\n");
	status_line("/proc/1/status", "PPid:", "\t0\n");
	status_line("/proc/self/status", "NSpid:", "\t1\n");
	CHECK(count_of_proc() <= 3); /* us, the shell, ls */
	CHECK(is_there("/proc/1/task/1") && !is_there("/proc/99"));
}

static void proc_outside(void)
{
	char path[64], want[64];
	int go[2], status;
	pid_t pid;
	char c;

	CHECK(pipe(go) == 0);
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		_exit(read(go[0], &c, 1) == 1 ? 0 : 1);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	snprintf(want, sizeof(want), "\t%d\t1\n", pid);
	status_line(path, "NSpid:", want);
	CHECK(write(go[1], "x", 1) == 1 && waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	close(go[0]), close(go[1]);
}

/* ---- the init ---- */

static volatile sig_atomic_t caught;

static void on_signal(int signo)
{
	caught = signo;
}

static void init_is_spared(void)
{
	pid_t pid;

	CHECK(kill(1, SIGTERM) == 0 && kill(1, SIGKILL) == 0 && kill(1, SIGSTOP) == 0);
	CHECK(raise(SIGINT) == 0);
	pid = fork();
	if (pid == 0)
		_exit(kill(1, SIGKILL) == 0 && kill(getppid(), SIGHUP) == 0 ? 0 : 1);
	CHECK_EQ(reaped(pid), 0);
	CHECK(signal(SIGTERM, on_signal) != SIG_ERR);
	pid = fork();
	if (pid == 0)
		_exit(kill(1, SIGTERM) == 0 ? 0 : 1);
	CHECK_EQ(reaped(pid), 0);
	CHECK_EQ(caught, SIGTERM);
}

static void crashes(void)
{
	__asm__ volatile("movl $0, 8");
}

static siginfo_t info;

static void on_info(int signo, siginfo_t *si, void *uc)
{
	(void)signo;
	(void)uc;
	info = *si;
}

static void waits_for_signal(void)
{
	struct sigaction sa = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };

	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	while (!info.si_signo)
		usleep(1000);
	CHECK(info.si_signo == SIGUSR1 && info.si_pid == 0); /* from outside */
}

static void from_outside(void)
{
	int status;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		waits_for_signal();
		_exit(3);
	}
	CHECK(kill(pid, SIGTERM) == 0); /* no handler */
	do {
		CHECK(kill(pid, SIGUSR1) == 0);
		usleep(2000);
	} while (waitpid(pid, &status, WNOHANG) == 0);
	CHECK_EQ(status, 3 << 8);
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		for (;;)
			pause();
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK_EQ(reaped(pid), SIGKILL);
}

static void adopts(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0) {
			while (getppid() != 1)
				usleep(1000);
			_exit(9);
		}
		_exit(0);
	}
	CHECK_EQ(reaped(pid), 0);
	CHECK(wait(&status) == 3);
	CHECK_EQ(status, 9 << 8);
}

static int pipe_fds[2];

/* What it leaves behind dies before it. */
static void leaves_others(void)
{
	close(pipe_fds[0]);
	for (int i = 0; i < 3; i++) {
		if (fork() == 0) {
			signal(SIGTERM, SIG_IGN);
			for (;;)
				pause();
		}
	}
	_exit(5);
}

static void end_of_init(void)
{
	char c;

	CHECK(pipe(pipe_fds) == 0);
	CHECK_EQ(as_init(leaves_others), 5 << 8);
	close(pipe_fds[1]);
	CHECK_EQ(read(pipe_fds[0], &c, 1), 0); /* all its other ends are closed */
	close(pipe_fds[0]);
}

/* ---- unshare, setns ---- */

static void unshares(void)
{
	struct stat own, active, children;
	int status;
	pid_t pid, mine = getpid();

	CHECK(stat("/proc/self/ns/pid", &own) == 0);
	CHECK(unshare(CLONE_NEWPID) == 0);
	CHECK(getpid() == mine);
	CHECK(stat("/proc/self/ns/pid", &active) == 0 && active.st_ino == own.st_ino);
	CHECK_ERR(unshare(CLONE_NEWPID), EINVAL);
	/* No thread any more: it would be in another namespace. */
	CHECK_ERR(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, NULL, NULL, NULL,
			  NULL),
		  EINVAL);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(getpid(), 1);
		for (;;)
			pause();
	}
	CHECK(stat("/proc/self/ns/pid_for_children", &children) == 0);
	CHECK(children.st_ino != own.st_ino);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	CHECK_ERR(fork(), ENOMEM); /* its init has ended */
}

static void joins(void)
{
	int ns, own = open("/proc/self/ns/pid", O_RDONLY), status, up;
	struct stat a, b;
	char path[64];
	pid_t init, pid;

	init = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (init == 0)
		for (;;)
			pause();
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", init);
	ns = open(path, O_RDONLY);
	CHECK(ns >= 0 && setns(ns, CLONE_NEWPID) == 0);
	up = ioctl(ns, NS_GET_PARENT);
	CHECK(up >= 0 && fstat(up, &a) == 0 && fstat(own, &b) == 0 && a.st_ino == b.st_ino);
	pid = fork();
	if (pid == 0) {
		CHECK(getpid() == 2 && getppid() == 0 && kill(1, 0) == 0);
		CHECK_ERR(setns(own, CLONE_NEWPID), EINVAL); /* up: never */
		_exit(0);
	}
	CHECK_EQ(reaped(pid), 0);
	CHECK(setns(own, CLONE_NEWPID) == 0); /* one's own */
	CHECK(kill(init, SIGKILL) == 0 && waitpid(init, &status, 0) == init);
}

/* Goes down until it is refused; how deep that was. */
static void goes_deeper(void)
{
	for (int depth = 1;; depth++) {
		pid_t pid =
			(pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);

		if (pid < 0) {
			CHECK_EQ(errno, ENOSPC);
			_exit(depth);
		}
		if (pid > 0)
			_exit(reaped(pid) >> 8);
		CHECK_EQ(getpid(), 1);
	}
}

/* As deep as 32, less where the test itself is natively. */
static void nests(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		goes_deeper();
	CHECK(reaped(pid) >> 8 <= 32);
}

/* ---- numbers that travel ---- */

static int sock[2];

static void sends_its_number(void)
{
	struct ucred uc = { 1, 0, 0 };
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
	CHECK(sendmsg(sock[1], &m, 0) == 1);
	CHECK(getsockopt(sock[1], SOL_SOCKET, SO_PEERCRED, &uc, &size) == 0 && uc.pid == 0);
	CHECK(read(sock[1], &c, 1) == 1);
}

static void credentials(void)
{
	char control[CMSG_SPACE(sizeof(struct ucred))], c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct ucred uc;
	int on = 1;
	pid_t pid;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sock) == 0);
	CHECK(setsockopt(sock[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		sends_its_number();
		_exit(0);
	}
	CHECK(recvmsg(sock[0], &m, 0) == 1);
	memcpy(&uc, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(uc));
	CHECK_EQ(uc.pid, pid);
	CHECK(write(sock[0], "x", 1) == 1);
	CHECK_EQ(reaped(pid), 0);
}

static void unprivileged(void)
{
	CHECK(setuid(65534) == 0);
	CHECK_ERR(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL), EPERM);
	CHECK_ERR(unshare(CLONE_NEWPID), EPERM);
}

static void clone_flags(void)
{
	CHECK_ERR(syscall(SYS_clone, CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, NULL,
			  NULL, NULL, NULL),
		  EINVAL);
	CHECK_ERR(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL), EINVAL);
}

int main(void)
{
	mountns_enter();
	tmpdir_enter();
	if (syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL) == 0)
		_exit(0);
	if (wait(NULL) < 0)
		SKIP("no PID namespaces here");
	CHECK_EQ(as_init(numbers), 0);
	CHECK_EQ(as_init(threads), 0);
	CHECK_EQ(as_init(proc_inside), 0);
	proc_outside();
	CHECK_EQ(as_init(init_is_spared), 0);
	CHECK_EQ(as_init(crashes) & 0x7f, SIGSEGV);
	CHECK_EQ(as_init(clone_flags), 0);
	from_outside();
	CHECK_EQ(as_init(adopts), 0);
	end_of_init();
	in_child(unshares);
	in_child(joins);
	nests();
	credentials();
	in_child(unprivileged);
	return 0;
}
