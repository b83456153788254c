#include "host/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/fault.h"
#include "host/proc.h"

#define NAME_SIZE 16

/* Sanitizers put red zones and shadow frames on the stack. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_MIN_SIZE (1024u * 1024)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STACK_MIN_SIZE (1024u * 1024)
#endif
#endif
#ifndef STACK_MIN_SIZE
#define STACK_MIN_SIZE (64u * 1024)
#endif

/* Handed from the creator to the thread, which frees it. */
struct start {
	void (*fn)(void *arg);
	void *arg;
	char name[NAME_SIZE];
};

static void *run(void *raw)
{
	struct start start = *(struct start *)raw;

	free(raw);
	(void)host_prctl(PR_SET_NAME, (unsigned long)start.name, 0, 0, 0);
	start.fn(start.arg);
	return NULL;
}

static int create_with_stack(struct host_thread *t, size_t stack_size, struct start *start)
{
	pthread_attr_t attr;
	int err;

	if (pthread_attr_init(&attr) != 0)
		return -ENOMEM;
	err = pthread_attr_setstacksize(&attr, MAX(stack_size, (size_t)STACK_MIN_SIZE));
	/* What libc does when a thread begins and ends: */
	/* host: clone3 clone mmap mprotect munmap madvise brk futex exit */
	/* host: rt_sigprocmask set_robust_list rseq sched_getaffinity */
	if (err == 0)
		err = pthread_create(&t->handle, &attr, run, start);
	pthread_attr_destroy(&attr);
	return -err;
}

int host_thread_create(struct host_thread *t, const char *name, size_t stack_size,
		       void (*fn)(void *arg), void *arg)
{
	struct start *start;
	int err;

	if (FAULT_POINT("host.thread"))
		return -EAGAIN;
	start = malloc(sizeof(*start));
	if (!start)
		return -ENOMEM;
	start->fn = fn;
	start->arg = arg;
	snprintf(start->name, sizeof(start->name), "%s", name);
	err = create_with_stack(t, stack_size ? stack_size : HOST_THREAD_STACK, start);
	if (err != 0)
		free(start);
	return err;
}

void host_thread_join(struct host_thread *t)
{
	int err = pthread_join(t->handle, NULL);

	if (err != 0)
		panic("joining a host thread failed: %d", err);
}

void host_thread_detach(struct host_thread *t)
{
	int err = pthread_detach(t->handle);

	if (err != 0)
		panic("detaching a host thread failed: %d", err);
}
