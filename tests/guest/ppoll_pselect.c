/* poll, ppoll, select, pselect6: readiness, timeouts and what is left of them,
 * masks that hold for the call, restarts, only revents written, errors. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "disturb.h"

static volatile sig_atomic_t handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void poll_readiness(void)
{
	struct pollfd p[4];
	int fd[2];

	CHECK(pipe(fd) == 0);
	memset(p, 0, sizeof(p));
	p[0] = (struct pollfd){ fd[0], POLLIN, 0x7fff };
	p[1] = (struct pollfd){ fd[1], POLLOUT, 0x7fff };
	p[2] = (struct pollfd){ -1, POLLIN, 0x7fff };
	p[3] = (struct pollfd){ 999, POLLIN, 0x7fff };
	CHECK_EQ(poll(p, 4, 1000), 2);
	CHECK_EQ(p[0].revents, 0);
	CHECK_EQ(p[1].revents, POLLOUT);
	CHECK_EQ(p[2].revents, 0);
	CHECK_EQ(p[3].revents, POLLNVAL);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EQ(poll(p, 1, -1), 1);
	CHECK_EQ(p[0].revents, POLLIN);
	close(fd[1]);
	CHECK_EQ(poll(p, 1, 0), 1);
	CHECK_EQ(p[0].revents, POLLIN | POLLHUP);
	close(fd[0]);
	CHECK_EQ(poll(p, 1, 0), 1);
	CHECK_EQ(p[0].revents, POLLNVAL);
}

static void poll_timeouts(void)
{
	double start = now();
	struct timespec ts = { 0, 30000000 };
	struct pollfd p;
	int fd[2];

	CHECK(pipe(fd) == 0);
	p = (struct pollfd){ fd[0], POLLIN, 0 };
	CHECK_EQ(poll(&p, 1, 30), 0);
	CHECK(now() - start >= 0.029);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(poll(NULL, 0, 10), 0);
	start = now();
	CHECK_EQ(syscall(SYS_ppoll, &p, 1, &ts, NULL, 0), 0);
	CHECK(now() - start >= 0.029);
	CHECK(ts.tv_sec == 0 && ts.tv_nsec == 0);
	close(fd[1]);
	ts.tv_sec = 1000;
	CHECK_EQ(syscall(SYS_ppoll, &p, 1, &ts, NULL, 0), 1);
	CHECK(ts.tv_sec >= 800 && ts.tv_sec <= 1000);
	close(fd[0]);
}

static void poll_errors(void)
{
	struct timespec bad = { 0, 1000000000 };
	struct rlimit r;
	struct pollfd p = { 0, POLLIN, 0 };
	sigset_t set;

	sigemptyset(&set);
	CHECK_ERR(syscall(SYS_poll, 1, 1, 0), EFAULT);
	CHECK(getrlimit(RLIMIT_NOFILE, &r) == 0);
	if (r.rlim_cur < 0x40000000)
		CHECK_ERR(syscall(SYS_poll, &p, 0x7fffffff, 0), EINVAL);
	CHECK_ERR(syscall(SYS_ppoll, &p, 1, &bad, NULL, 0), EINVAL);
	CHECK_ERR(syscall(SYS_ppoll, &p, 1, NULL, &set, 4), EINVAL);
	CHECK_ERR(syscall(SYS_ppoll, &p, 1, NULL, 1, 8), EFAULT);
	CHECK_ERR(syscall(SYS_ppoll, &p, 1, 1, NULL, 0), EFAULT);
}

/* Only revents is written: a page that can be read alone gives EFAULT, and the
 * fields before it stay. */
static void poll_many(void)
{
	struct pollfd p[500];
	int fd[2];

	CHECK(pipe(fd) == 0);
	for (int i = 0; i < 500; i++)
		p[i] = (struct pollfd){ i % 2 ? fd[0] : fd[1], POLLIN | POLLOUT, 0 };
	CHECK_EQ(poll(p, 500, -1), 250);
	for (int i = 0; i < 500; i++)
		CHECK_EQ(p[i].revents, i % 2 ? 0 : POLLOUT);
	close(fd[0]);
	close(fd[1]);
}

static void alarm_in(int ms)
{
	struct itimerval it = { { 0, 0 }, { 0, ms * 1000 } };

	CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
}

/* A blocked signal ends ppoll, whose mask lets it in; the old mask is back. */
static void masks(void)
{
	struct timespec ts = { 60, 0 };
	sigset_t block, none, cur;
	fd_set set;

	signal(SIGALRM, on_signal);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	CHECK(sigprocmask(SIG_BLOCK, &block, NULL) == 0);
	handled = 0;
	alarm_in(20);
	CHECK_EQ(ppoll(NULL, 0, &ts, &none), -1);
	CHECK_EQ(errno, EINTR);
	CHECK_EQ(handled, 1);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &cur) == 0);
	CHECK(sigismember(&cur, SIGALRM));

	alarm_in(20);
	FD_ZERO(&set);
	CHECK_EQ(pselect(0, &set, NULL, NULL, &ts, &none), -1);
	CHECK_EQ(errno, EINTR);
	CHECK_EQ(handled, 2);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &cur) == 0);
	CHECK(sigismember(&cur, SIGALRM));

	/* Pending already, and something is ready: either may win, not both lost. */
	raise(SIGALRM);
	CHECK_EQ(handled, 2);
	ts.tv_sec = 0;
	CHECK(ppoll(NULL, 0, &ts, NULL) == 0);
	CHECK_EQ(handled, 2);
	CHECK(sigprocmask(SIG_UNBLOCK, &block, NULL) == 0);
	CHECK_EQ(handled, 3);
}

/* A handler ends them even with SA_RESTART; a stop and continue does not, and the time
 * goes on meanwhile. */
static void restarts(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct timeval tv = { 60, 0 };
	struct disturbance d;
	double start;
	pid_t pid;

	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	pid = signal_when_asleep(SIGALRM, SYS_poll, 1);
	CHECK_ERR(poll(NULL, 0, 60000), EINTR);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	pid = signal_when_asleep(SIGALRM, -1, 1);
	CHECK_ERR(select(0, NULL, NULL, NULL, &tv), EINTR);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	disturb_begin(&d, stop_and_continue);
	DISTURBED(&d, start = now(); CHECK_EQ(poll(NULL, 0, 200), 0);
		  CHECK(now() - start >= 0.199));
	DISTURBED(&d, start = now(); tv = (struct timeval){ 0, 200000 };
		  CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0); CHECK(now() - start >= 0.199));
	disturb_end(&d);
}

static void select_sets(void)
{
	struct timeval tv = { 1000, 0 };
	fd_set in, out, ex;
	int fd[2];

	CHECK(pipe(fd) == 0);
	CHECK_EQ(dup2(fd[0], 70), 70);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(fd[0], &in);
	FD_SET(70, &in);
	FD_SET(fd[1], &out);
	FD_SET(fd[0], &ex);
	CHECK_EQ(select(71, &in, &out, &ex, &tv), 1);
	CHECK(tv.tv_sec >= 800 && tv.tv_sec <= 1000);
	CHECK(!FD_ISSET(fd[0], &in) && !FD_ISSET(70, &in));
	CHECK(FD_ISSET(fd[1], &out) && !FD_ISSET(fd[0], &ex));
	CHECK_EQ(write(fd[1], "x", 1), 1);
	FD_SET(fd[0], &in);
	FD_SET(70, &in);
	CHECK_EQ(select(71, &in, &out, NULL, NULL), 3);
	CHECK(FD_ISSET(fd[0], &in) && FD_ISSET(70, &in) && FD_ISSET(fd[1], &out));
	close(fd[1]);
	FD_ZERO(&in);
	FD_SET(70, &in);
	CHECK_EQ(select(71, &in, NULL, NULL, NULL), 1);
	close(70);
	close(fd[0]);
}

static void select_errors(void)
{
	struct timeval tv = { 0, 20000 }, bad = { -1, 0 };
	double start = now();
	fd_set in;
	int fd = dup(0);

	CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
	CHECK(now() - start >= 0.019);
	CHECK(tv.tv_sec == 0 && tv.tv_usec == 0);
	close(fd);
	FD_ZERO(&in);
	FD_SET(fd, &in);
	tv = (struct timeval){ 0, 0 };
	CHECK_ERR(select(fd + 1, &in, NULL, NULL, &tv), EBADF);
	CHECK_ERR(select(-1, NULL, NULL, NULL, &tv), EINVAL);
	CHECK_ERR(select(0, NULL, NULL, NULL, &bad), EINVAL);
	CHECK_ERR(syscall(SYS_select, 1, 1, NULL, NULL, &tv), EFAULT);
	CHECK_ERR(syscall(SYS_select, 0, NULL, NULL, NULL, 1), EFAULT);
	CHECK_ERR(syscall(SYS_pselect6, 0, NULL, NULL, NULL, NULL, 1), EFAULT);
}

int main(void)
{
	poll_readiness();
	poll_timeouts();
	poll_errors();
	poll_many();
	masks();
	restarts();
	select_sets();
	select_errors();
	return 0;
}
