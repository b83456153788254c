/* Waiting for others without a guess at how long they take. A test may stand still at
 * any line for seconds: what another thread or process has come to is seen in /proc or
 * in a word that it writes, never assumed after a sleep.
 *
 *	WAIT_UNTIL(hits == 3);         what others will do, however long it takes
 *	wait_asleep(tid, SYS_read);    it sleeps in that call (-1: in any)
 *	wait_state(pid, "T");          what /proc/PID/stat shows
 *
 * All of them end the test, with the line, after 40 seconds. */
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WAIT_LIMIT_S 40
#define WAIT_FAILED 99 /* check.h's CHECK_FAILED */

/* The time of CLOCK_MONOTONIC: for lower bounds. */
static inline long long wait_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static inline void wait_a_little(long long since, const char *file, int line, const char *what)
{
	static const struct timespec ms = { 0, 1000000 };

	if (wait_now_ns() - since > WAIT_LIMIT_S * 1000000000ll) {
		fprintf(stderr, "%s:%d: waited in vain: %s\n", file, line, what);
		_exit(WAIT_FAILED);
	}
	nanosleep(&ms, NULL); /* a handler may end it */
}

#define WAIT_UNTIL(cond)                                                      \
	do {                                                                  \
		long long wait_since = wait_now_ns();                         \
		while (!(cond))                                               \
			wait_a_little(wait_since, __FILE__, __LINE__, #cond); \
	} while (0)

/* The file /proc/TID/task/TID/NAME; empty when there is none, or none to be read. */
static inline void wait_read_proc(pid_t tid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", tid, tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	buf[n < 0 ? 0 : n] = 0;
}

/* R, S, D, T, Z as proc_pid_stat(5) has them; 0: there is no such thread. */
static inline char thread_state(pid_t tid)
{
	char buf[256], *end;

	wait_read_proc(tid, "stat", buf, sizeof(buf));
	end = strrchr(buf, ')');
	return end ? end[2] : 0;
}

/* It sleeps, in that call if nr >= 0. Not everybody may read "syscall" of others. */
static inline int thread_sleeps_in(pid_t tid, long nr)
{
	char buf[256];

	if (thread_state(tid) != 'S')
		return 0;
	if (nr < 0)
		return 1;
	wait_read_proc(tid, "syscall", buf, sizeof(buf));
	return !buf[0] || (buf[0] >= '0' && buf[0] <= '9' && atol(buf) == nr);
}

#define wait_asleep(tid, nr) WAIT_UNTIL(thread_sleeps_in(tid, nr))
#define wait_state(tid, letters) WAIT_UNTIL(thread_state(tid) && strchr(letters, thread_state(tid)))
/* Its number is free again: reaped, or a thread that has ended altogether. */
#define wait_gone(tid) WAIT_UNTIL(!thread_state(tid))

/* Until the handler of sig has counted to n: a signal that comes between a look at the
 * count and a pause() would be slept through. */
static inline void wait_signals(int sig, const volatile sig_atomic_t *count, int n)
{
	sigset_t block, old;

	sigemptyset(&block);
	sigaddset(&block, sig);
	sigprocmask(SIG_BLOCK, &block, &old);
	block = old;
	sigdelset(&block, sig);
	while (*count < n)
		sigsuspend(&block);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* Until n sleep on the word: moved to itself, they are counted and left asleep. flags:
 * FUTEX_PRIVATE_FLAG or 0. */
#define wait_futex(word, n, flags) \
	WAIT_UNTIL(syscall(SYS_futex, word, FUTEX_REQUEUE | (flags), 0, 1000ul, word, 0) >= (n))

/* A child that sends the signal to the caller, once that sleeps in call nr, `times`
 * times over, and ends with 0. It knows the end of each sleep by the state alone, which
 * is no longer S once the signal is sent. */
static inline pid_t signal_when_asleep(int sig, long nr, int times)
{
	pid_t to = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	while (times--) {
		wait_asleep(to, nr);
		kill(to, sig);
	}
	_exit(0);
}
