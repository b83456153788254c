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
#include "disturb.h"

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

/* A child that signals us whenever we sleep in call nr, as often as told. When we sleep
 * again it writes a byte, if it has where to, or ends, for which we wait then. */
static pid_t poke(int fd, int times, long nr)
{
	pid_t self = getpid(), pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		for (int i = 0; i < times; i++) {
			wait_asleep(self, nr);
			kill(self, SIGUSR1);
		}
		if (fd >= 0) {
			wait_asleep(self, nr);
			CHECK(write(fd, "x", 1) == 1);
		} else {
			wait_asleep(self, SYS_wait4);
		}
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
	pid = poke(fds[1], 3, SYS_read);
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(hits, 3);
	reap(pid);
	install(0);
	pid = poke(fds[1], 1, SYS_read);
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
	pid = poke(-1, 2, SYS_wait4);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(hits, 2);
	install(0);
	pid = poke(-1, 1, SYS_wait4);
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
	struct timespec ts = { 1000, 0 }, left = { 0, 0 }, start;
	pid_t pid;

	install(SA_RESTART);
	pid = poke(-1, 1, SYS_clock_nanosleep);
	clock_gettime(CLOCK_MONOTONIC, &start);
	CHECK_ERR(nanosleep(&ts, &left), EINTR);
	CHECK(left.tv_sec < 1000);
	CHECK(left.tv_sec * 1000 + left.tv_nsec / 1000000 + 1 + elapsed_ms(&start) >= 1000000);
	reap(pid);
}

static void send_ignored(pid_t pid)
{
	kill(pid, SIGUSR1);
}

/* What no handler sees leaves a sleep as it is, or interrupts it to be continued by
 * restart_syscall: it ends when it is due, however often that happens. If it began anew
 * each time it would never end. */
static void undisturbed(void (*how)(pid_t))
{
	struct timespec start, ts = { 0, 200000000 };
	struct disturbance d;

	signal(SIGUSR1, SIG_IGN);
	disturb_begin(&d, how);
	DISTURBED(&d, clock_gettime(CLOCK_MONOTONIC, &start); CHECK(nanosleep(&ts, NULL) == 0);
		  CHECK(elapsed_ms(&start) >= 199));
	disturb_end(&d);
}

static void polling(void)
{
	pid_t pid;

	install(SA_RESTART);
	pid = poke(-1, 1, SYS_poll);
	CHECK_ERR(poll(NULL, 0, 60000), EINTR);
	reap(pid);
	pid = poke(-1, 1, SYS_pause);
	CHECK_ERR(pause(), EINTR);
	reap(pid);
}

static void futex_waiting(void)
{
	struct timespec ts = { 1000, 0 };
	int word = 1;
	pid_t pid;

	install(0);
	pid = poke(-1, 1, SYS_futex);
	CHECK_ERR(syscall(SYS_futex, &word, FUTEX_WAIT, 1, NULL, NULL, 0), EINTR);
	reap(pid);
	pid = poke(-1, 1, SYS_futex);
	CHECK_ERR(syscall(SYS_futex, &word, FUTEX_WAIT, 1, &ts, NULL, 0), EINTR);
	reap(pid);
}

int main(void)
{
	pipe_read();
	wait_child();
	sleeping();
	undisturbed(send_ignored);
	undisturbed(stop_and_continue);
	polling();
	futex_waiting();
	return 0;
}
