/* A child that disturbs us while we sleep in a call that must not notice. */
#pragma once

#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "waitfor.h"

struct disturbance {
	volatile int *count, *over; /* shared with the child */
	pid_t pid;
};

/* The child does it to us again and again while we sleep, and counts how often. */
static inline void disturb_begin(struct disturbance *d, void (*how)(pid_t))
{
	pid_t self = getpid();

	d->count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(d->count != MAP_FAILED);
	d->over = d->count + 1;
	d->pid = fork();
	CHECK(d->pid >= 0);
	if (d->pid != 0)
		return;
	while (!*d->over) {
		if (thread_sleeps_in(self, -1)) {
			how(self);
			++*d->count;
		}
		usleep(1000);
	}
	_exit(0);
}

static inline void disturb_end(struct disturbance *d)
{
	int status;

	*d->over = 1;
	while (waitpid(d->pid, &status, 0) < 0)
		CHECK_EQ(errno, EINTR);
	CHECK_EQ(status, 0);
	munmap((void *)(uintptr_t)d->count, 4096);
}

/* The statement, until it has been disturbed often while it ran. */
#define DISTURBED(d, ...)                                  \
	do {                                               \
		int disturb_count;                         \
		do {                                       \
			disturb_count = *(d)->count;       \
			__VA_ARGS__;                       \
		} while (*(d)->count < disturb_count + 3); \
	} while (0)

static inline void stop_and_continue(pid_t pid)
{
	kill(pid, SIGSTOP);
	usleep(10000);
	kill(pid, SIGCONT);
}
