/* What a signal does to a blocked call: SA_RESTART or EINTR, for read, wait,
 * nanosleep, futex, poll, pause. */
#include <poll.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static volatile sig_atomic_t hits;

static void handler(int sig)
{
	(void)sig;
	hits++;
}

static void install(int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sa.sa_flags = flags;
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	hits = 0;
}

/* A child that signals us soon, writes a byte later, and ends. */
static pid_t poke(int fd, int times)
{
	pid_t self = getpid(), pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		for (int i = 0; i < times; i++) {
			usleep(20000);
			kill(self, SIGUSR1);
		}
		usleep(20000);
		if (fd >= 0)
			CHECK(write(fd, "x", 1) == 1);
		_exit(0);
	}
	return pid;
}

static void reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		CHECK_EQ(errno, EINTR);
	CHECK_EQ(status, 0);
}

static void pipe_read(void)
{
	int fds[2];
	pid_t pid;
	char c;

	CHECK(pipe(fds) == 0);
	install(SA_RESTART);
	pid = poke(fds[1], 3);
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(hits, 3);
	reap(pid);
	install(0);
	pid = poke(fds[1], 1);
	CHECK_ERR(read(fds[0], &c, 1), EINTR);
	CHECK_EQ(hits, 1);
	CHECK_EQ(read(fds[0], &c, 1), 1);
	reap(pid);
}

static void wait_child(void)
{
	int status;
	pid_t pid;

	install(SA_RESTART);
	pid = poke(-1, 2);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(hits, 2);
	install(0);
	pid = poke(-1, 1);
	CHECK_ERR(waitpid(pid, &status, 0), EINTR);
	reap(pid);
}

static long elapsed_ms(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - from->tv_sec) * 1000 + (now.tv_nsec - from->tv_nsec) / 1000000;
}

/* Never restarted when a handler ran; the rest is told. */
static void sleeping(void)
{
	struct timespec ts = { 5, 0 }, left = { 0, 0 }, start;
	pid_t pid;

	install(SA_RESTART);
	pid = poke(-1, 1);
	CHECK_ERR(nanosleep(&ts, &left), EINTR);
	CHECK(left.tv_sec == 4 && left.tv_nsec > 0);
	reap(pid);
	/* Without a handler it goes on to the same end. */
	signal(SIGUSR1, SIG_IGN);
	pid = poke(-1, 2);
	clock_gettime(CLOCK_MONOTONIC, &start);
	ts = (struct timespec){ 0, 100000000 };
	CHECK(nanosleep(&ts, NULL) == 0);
	CHECK(elapsed_ms(&start) >= 99);
	reap(pid);
}

/* A stop and continue interrupts without a handler: restart_syscall. */
static void stopped_while_sleeping(void)
{
	struct timespec start, ts = { 0, 200000000 };
	pid_t self = getpid(), pid = fork();

	if (pid == 0) {
		usleep(30000);
		kill(self, SIGSTOP);
		usleep(30000);
		kill(self, SIGCONT);
		_exit(0);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	CHECK(nanosleep(&ts, NULL) == 0);
	CHECK(elapsed_ms(&start) >= 199);
	CHECK(elapsed_ms(&start) < 2000);
	reap(pid);
}

static void polling(void)
{
	pid_t pid;

	install(SA_RESTART);
	pid = poke(-1, 1);
	CHECK_ERR(poll(NULL, 0, 5000), EINTR);
	reap(pid);
	pid = poke(-1, 1);
	CHECK_ERR(pause(), EINTR);
	reap(pid);
}

static void futex_waiting(void)
{
	struct timespec ts = { 5, 0 };
	int word = 1;
	pid_t pid;

	install(0);
	pid = poke(-1, 1);
	CHECK_ERR(syscall(SYS_futex, &word, FUTEX_WAIT, 1, NULL, NULL, 0), EINTR);
	reap(pid);
	pid = poke(-1, 1);
	CHECK_ERR(syscall(SYS_futex, &word, FUTEX_WAIT, 1, &ts, NULL, 0), EINTR);
	reap(pid);
}

int main(void)
{
	pipe_read();
	wait_child();
	sleeping();
	stopped_while_sleeping();
	polling();
	futex_waiting();
	return 0;
}
