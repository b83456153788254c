/*
 * Host threads of the kernel process: one per guest task, and a few helpers.
 * They inherit the creator's signal mask.
 */
#pragma once

#include <pthread.h>

#include "base/base.h"

/* Enough for the deepest kernel path; a guard page lies below it. */
#define HOST_THREAD_STACK (256u * 1024)

struct host_thread {
	pthread_t handle;
};

/* Starts fn(arg). name (copied) is cut to 15 characters; stack_size 0 means
 * HOST_THREAD_STACK. -EAGAIN or -ENOMEM. The thread must be joined or detached. */
int host_thread_create(struct host_thread *t, const char *name, size_t stack_size,
		       void (*fn)(void *arg), void *arg) MUST_CHECK;
/* Waits until it has ended. */
void host_thread_join(struct host_thread *t);
/* It frees itself at its end; t may go away at once. */
void host_thread_detach(struct host_thread *t);
