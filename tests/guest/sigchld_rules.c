/* SIGCHLD: what it carries, when it is sent, and what ignoring it means for wait. */
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

static volatile int n;
static siginfo_t last[64];
static void h(int s, siginfo_t *si, void *u)
{
	last[n % 64] = *si;
	n++;
}
static void set(int fl, void *f)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | fl };
	if (f == SIG_IGN || f == SIG_DFL) {
		sa.sa_handler = f;
		sa.sa_flags = fl;
	} else
		sa.sa_sigaction = h;
	sigaction(SIGCHLD, &sa, 0);
	n = 0;
}
static void show(pid_t p)
{
	for (int i = 0; i < n; i++)
		printf(" [code %d status %d pid %d uid %d]", last[i].si_code, last[i].si_status,
		       last[i].si_pid == p, last[i].si_uid);
	printf("\n");
	n = 0;
	fflush(stdout);
}
static pid_t kid(int how)
{
	pid_t p = fork();
	if (!p) {
		signal(SIGCHLD, SIG_DFL);
		switch (how) {
		case 0:
			_exit(3);
		case 1:
			pause();
			_exit(0);
		case 2:
			abort();
		case 3:
			usleep(50000);
			_exit(4);
		case 4:
			raise(SIGSTOP);
			_exit(5);
		}
	}
	return p;
}
static void w(void)
{
	usleep(30000);
}
/* Until p has ended or stopped, or is gone altogether. */
static void until(pid_t p, int what)
{
	siginfo_t si;

	waitid(P_PID, (id_t)p, &si, what | WNOWAIT);
}
static void until_gone(pid_t p)
{
	WAIT_UNTIL(kill(p, 0) != 0);
}
/* Signals to be shown have time to come. */
static void await(int count)
{
	WAIT_UNTIL(n >= count);
}
static int s;
static pid_t p;
static struct rusage ru;
static sigset_t m, o;

static void first_part(void)
{
	sigemptyset(&m);
	sigaddset(&m, SIGCHLD);
	set(0, h);
	p = kid(0);
	await(1);
	show(p);
	SAY(waitpid(p, &s, 0) == p);
	p = kid(1);
	kill(p, SIGTERM);
	await(1);
	show(p);
	reap(p);
	{
		struct rlimit rl = { 0, 0 };
		setrlimit(RLIMIT_CORE, &rl);
	}
	p = kid(2);
	await(1);
	show(p);
	printf("%x\n", reap(p));
	p = kid(1);
	kill(p, SIGSTOP);
	await(1);
	show(p);
	kill(p, SIGCONT);
	await(1);
	show(p);
	kill(p, SIGKILL);
	await(1);
	show(p);
	reap(p);
	set(SA_NOCLDSTOP, h);
	p = kid(1);
	kill(p, SIGSTOP);
	until(p, WSTOPPED);
	w();
	show(p);
	SAY(waitpid(p, &s, WUNTRACED) == p);
	kill(p, SIGCONT);
	w();
	show(p);
	kill(p, SIGKILL);
	await(1);
	show(p);
	reap(p);
	set(SA_NOCLDWAIT, h);
	p = kid(0);
	await(1);
	show(p);
	SAY(waitpid(p, &s, 0));
	SAY(wait(&s));
	set(SA_NOCLDWAIT, h);
	p = kid(3);
	SAY(waitpid(p, &s, 0));
	show(p);
	set(0, SIG_IGN);
	p = kid(0);
	until_gone(p);
	SAY(kill(p, 0));
	SAY(waitpid(p, &s, 0));
	p = kid(3);
	SAY(wait(&s));
	p = kid(1);
	kill(p, SIGSTOP);
	SAY(waitpid(p, &s, WUNTRACED) == p);
	kill(p, SIGKILL);
	SAY(waitpid(p, &s, 0));
}

/* What has ended before SIGCHLD is ignored can be waited for. */
static void ignored_after_it_ended(void)
{
	set(0, SIG_DFL);
	p = kid(0);
	until(p, WEXITED);
	set(0, SIG_IGN);
	SAY(waitpid(p, &s, 0) == p);
}

/* Blocked, pending, then ignored. */
static void blocked_pending_then_ignored(void)
{
	set(0, h);
	sigprocmask(SIG_BLOCK, &m, &o);
	p = kid(0);
	until(p, WEXITED);
	pid_t p2 = kid(0);
	until(p2, WEXITED);
	sigset_t pe;
	sigpending(&pe);
	SAY(sigismember(&pe, SIGCHLD));
	sigprocmask(SIG_SETMASK, &o, 0);
	SAY(n);
	show(p);
	reap(p);
	reap(p2);
	sigprocmask(SIG_BLOCK, &m, &o);
	set(0, SIG_DFL);
	p = kid(0);
	until(p, WEXITED);
	sigpending(&pe);
	SAY(sigismember(&pe, SIGCHLD));
	reap(p);
	sigpending(&pe);
	SAY(sigismember(&pe, SIGCHLD));
	set(0, SIG_IGN);
	sigpending(&pe);
	SAY(sigismember(&pe, SIGCHLD));
	sigprocmask(SIG_SETMASK, &o, 0);
}

/* Exec keeps ignored. */
static void exec_keeps_ignored(void)
{
	set(0, SIG_IGN);
	p = fork();
	if (!p) {
		execl("/bin/sh", "sh", "-c", "sleep 0.01; exit 7", NULL);
	}
	SAY(waitpid(p, &s, 0));
	set(0, SIG_DFL);
}

/* A stop is reported once, WNOWAIT apart. */
static void one_report_of_a_stop(void)
{
	p = kid(4);
	siginfo_t si;
	SAY(waitid(P_PID, p, &si, WSTOPPED | WNOWAIT));
	SAY(waitid(P_PID, p, &si, WSTOPPED));
	SAY(waitid(P_PID, p, &si, WSTOPPED | WNOHANG));
	kill(p, SIGSTOP);
	w();
	memset(&si, 0, sizeof si);
	SAY(waitid(P_PID, p, &si, WSTOPPED | WNOHANG));
	SAY(si.si_pid);
	kill(p, SIGCONT);
	printf("%x\n", reap(p));
}

/* What is stopped does not stop again; SIGTERM waits for SIGCONT. */
static void stopped_once(void)
{
	p = kid(1);
	kill(p, SIGSTOP);
	SAY(waitpid(p, &s, WUNTRACED) == p);
	kill(p, SIGTERM);
	kill(p, SIGSTOP);
	w();
	SAY(waitpid(p, &s, WNOHANG | WUNTRACED));
	kill(p, SIGCONT);
	printf("%x\n", reap(p));
}

/* Children rusage. */
static void children_rusage(void)
{
	p = fork();
	if (!p) {
		volatile long x = 0;
		struct timespec a, b;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
		do {
			for (int i = 0; i < 100000; i++)
				x++;
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
		} while ((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec < 60000000);
		_exit(0);
	}
	wait4(p, &s, 0, &ru);
	SAY(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec >= 50000);
	getrusage(RUSAGE_CHILDREN, &ru);
	SAY(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec >= 50000);
	SAY(ru.ru_maxrss > 100);
	SAY(waitid(P_ALL, 0, NULL, WEXITED));
}

int main(void)
{
	first_part();
	ignored_after_it_ended();
	blocked_pending_then_ignored();
	exec_keeps_ignored();
	one_report_of_a_stop();
	stopped_once();
	children_rusage();
	return 0;
}
