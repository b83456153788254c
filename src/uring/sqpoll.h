/*
 * IORING_SETUP_SQPOLL: a thread of ours that submits for the rings of one process, so
 * that a program submits by storing to memory. It spins while there is something to
 * do, and for the idle time after that; then it says so (IORING_SQ_NEED_WAKEUP) and
 * sleeps until io_uring_enter() wakes it.
 */
#pragma once

#include "uring/internal.h"

/* By params: makes the ring's thread, or shares another ring's (ATTACH_WQ). 0 too when
 * the ring has none. The thread sees the ring at once. */
int sqpoll_setup(struct task *t, struct ring *r, const struct io_uring_params *p) MUST_CHECK;
/* The ring is closed; the last one ends the thread. */
void sqpoll_remove(struct ring *r);
/* The ring is freed. */
void sqpoll_free(struct ring *r);
/* The process of t ends, or becomes another program: its threads end. => sleeps */
void sqpoll_leave(struct task *t, bool is_exec);
bool sqpoll_is_gone(const struct ring *r);
void sqpoll_wake(struct ring *r);
/* Sleeps until the submission queue has room, or a signal. */
void sqpoll_wait_room(struct ring *r, struct waiter *w);
/* For fdinfo: the thread's number and CPU; -1. */
int sqpoll_pid(const struct ring *r);
