/* pidfds: of processes and threads, opened, polled, waited for, signalled, and
 * descriptors taken through them. */
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#include "say.h"
#include "waitfor.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

static int getfd(int pfd, int fd, unsigned fl)
{
	return syscall(SYS_pidfd_getfd, pfd, fd, fl);
}
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static pid_t pid;
static int pf, me;

static int po(pid_t p, unsigned f)
{
	return syscall(SYS_pidfd_open, p, f);
}
static int ps(int fd, int sig, siginfo_t *si, unsigned f)
{
	return syscall(SYS_pidfd_send_signal, fd, sig, si, f);
}
static volatile pid_t ttid;
static volatile int hit;
static pid_t hittid;
static void h(int s)
{
	hittid = gettid();
	hit++;
}
static int tp[2];
static void *thr(void *a)
{
	ttid = gettid();
	char c;
	sigset_t s;
	sigemptyset(&s);
	pthread_sigmask(SIG_SETMASK, &s, 0);
	while (read(tp[0], &c, 1) < 0 && errno == EINTR)
		;
	return 0;
}
static int p[2], q[2];
static char b[8];
static struct stat s1, s2;
static int fd;
static siginfo_t si;

static void of_a_child(void)
{
	pipe(p);
	pipe(q);
	pid = fork();
	if (!pid) {
		int f = open("/etc/passwd", O_RDONLY);
		dup2(f, 77);
		write(p[1], "x", 1);
		read(q[0], b, 1);
		_exit(5);
	}
	read(p[0], b, 1);
	pf = po(pid, 0);
	fd = getfd(pf, 77, 0);
	SAY_OK(fd);
	fstat(fd, &s1);
	stat("/etc/passwd", &s2);
	SAY(s1.st_ino == s2.st_ino);
	SAY(fcntl(fd, F_GETFD));
	SAY(lseek(fd, 10, SEEK_SET));
	close(fd);
	fd = getfd(pf, 77, 0);
	SAY(lseek(fd, 0, SEEK_CUR));
	SAY(getfd(pf, 78, 0));
	SAY(getfd(pf, -1, 0));
	SAY(getfd(pf, 77, 1));
	SAY(getfd(-1, 77, 0));
	SAY(getfd(fd, 77, 0));
	int nb = po(pid, O_NONBLOCK);
	SAY_OK(nb);
	SAY(fcntl(nb, F_GETFL) & O_NONBLOCK);
	SAY(waitid(P_PIDFD, nb, &si, WEXITED));
	SAY(waitid(P_PIDFD, nb, &si, WEXITED | WNOHANG));
	int ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN }, o;
	SAY(epoll_ctl(ep, EPOLL_CTL_ADD, pf, &ev));
	SAY(epoll_wait(ep, &o, 1, 0));
	write(q[1], "x", 1);
	SAY(epoll_wait(ep, &o, 1, 60000));
	printf("ev %x\n", o.events);
	struct pollfd pl = { .fd = pf, .events = POLLIN | POLLOUT | POLLPRI };
	SAY(poll(&pl, 1, 0));
	printf("rev %x\n", pl.revents);
	SAY(getfd(pf, 77, 0));
	SAY(ps(pf, 0, 0, 0));
	SAY(ps(pf, SIGTERM, 0, 0));
	memset(&si, 0, sizeof si);
	SAY(waitid(P_PIDFD, pf, &si, WEXITED | WNOWAIT));
	printf("%d %d %d\n", si.si_code, si.si_status, si.si_pid == pid);
	SAY(poll(&pl, 1, 0));
	printf("rev %x\n", pl.revents);
	SAY(waitid(P_PIDFD, pf, &si, WEXITED));
	SAY(poll(&pl, 1, 0));
	printf("rev %x\n", pl.revents);
	SAY(ps(pf, 0, 0, 0));
	SAY(getfd(pf, 77, 0));
	SAY(waitid(P_PIDFD, pf, &si, WEXITED));
	SAY(waitid(P_PIDFD, nb, &si, WEXITED));
	SAY(po(pid, 0));
	SAY(read(pf, b, 1));
	SAY(write(pf, b, 1));
}

/* Self. */
static void self(void)
{
	me = po(getpid(), 0);
	SAY_OK(me);
	SAY_OK(getfd(me, 0, 0));
	SAY(poll(&(struct pollfd){ .fd = me, .events = POLLIN }, 1, 0));
	SAY(waitid(P_PIDFD, me, &si, WEXITED));
	signal(SIGUSR1, h);
	SAY(ps(me, SIGUSR1, 0, 0));
	SAY(hit);
	SAY(ps(me, 65, 0, 0));
	SAY(ps(me, -1, 0, 0));
	SAY(ps(me, SIGUSR1, 0, 99));
	memset(&si, 0, sizeof si);
	si.si_signo = SIGUSR1;
	si.si_code = SI_QUEUE;
	SAY(ps(me, SIGUSR1, &si, 0));
	si.si_signo = SIGUSR2;
	SAY(ps(me, SIGUSR1, &si, 0));
	SAY(ps(me, SIGUSR1, (void *)8, 0));
	si.si_signo = SIGUSR1;
	si.si_code = SI_USER;
	SAY(ps(me, SIGUSR1, &si, 0));
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	pf = po(pid, 0);
	SAY(ps(pf, SIGUSR1, &si, 0));
	si.si_code = SI_TKILL;
	SAY(ps(pf, SIGUSR1, &si, 0));
	SAY(ps(pf, SIGKILL, 0, 0));
	printf("st %x\n", reap(pid));
}

/* Threads. */
static void threads(void)
{
	pthread_t t;
	pipe(tp);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_create(&t, 0, thr, 0);
	while (!ttid)
		usleep(100);
	SAY(po(ttid, 0));
	int tf = po(ttid, PIDFD_THREAD);
	SAY_OK(tf);
	if (tf >= 0) {
		hit = 0;
		SAY(ps(tf, SIGUSR1, 0, 0));
		WAIT_UNTIL(hit);
		SAY(hit);
		SAY(hittid == ttid);
		SAY(ps(tf, SIGUSR1, 0, 1));
		WAIT_UNTIL(hit >= 2);
		SAY(hittid == ttid);
		pthread_sigmask(SIG_BLOCK, &set, 0);
		SAY(ps(tf, SIGUSR1, 0, 2));
		WAIT_UNTIL(hit >= 3);
		SAY(hit);
		SAY(poll(&(struct pollfd){ .fd = tf, .events = POLLIN }, 1, 0));
		write(tp[1], "x", 1);
		pthread_join(t, 0);
		wait_gone(ttid);
		struct pollfd q2 = { .fd = tf, .events = POLLIN };
		SAY(poll(&q2, 1, 60000));
		printf("%x\n", q2.revents);
		SAY(ps(tf, SIGUSR1, 0, 0));
		SAY(waitid(P_PIDFD, tf, &si, WEXITED));
	}
	pthread_sigmask(SIG_UNBLOCK, &set, 0);
	hit = 0;
	SAY(ps(me, SIGUSR1, 0, 1));
	SAY(hit);
	SAY(ps(me, SIGUSR1, 0, 3));
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		if (!fork()) {
			pause();
		}
		write(p[1], "x", 1);
		pause();
	}
	read(p[0], b, 1);
	pf = po(pid, 0);
	SAY(ps(pf, SIGKILL, 0, 4));
	printf("%x\n", reap(pid));
}

/* Fdinfo. */
static void fdinfo(void)
{
	char path[64];
	sprintf(path, "/proc/self/fdinfo/%d", me);
	FILE *f = fopen(path, "r");
	char l[200];
	while (fgets(l, 200, f))
		if (!strncmp(l, "Pid:", 4))
			printf("pid line %d\n", atoi(l + 4) == getpid());
}

/* Permission. */
static void permission(void)
{
	pid = fork();
	if (!pid) {
		pause();
	}
	pf = po(pid, 0);
	if (!fork()) {
		setuid(65534);
		SAY(getfd(pf, 0, 0));
		SAY(ps(pf, SIGTERM, 0, 0));
		SAY(ps(pf, 0, 0, 0));
		SAY(ps(pf, SIGCONT, 0, 0));
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	kill(pid, 9);
	reap(pid);
	SAY(syscall(SYS_pidfd_open, 0, 0));
	SAY(po(1, 0) >= 0);
}

int main(void)
{
	of_a_child();
	self();
	threads();
	fdinfo();
	permission();
	return 0;
}
