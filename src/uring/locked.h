/*
 * Memory that io_uring keeps from being given back (rings, registered buffers) counts
 * against RLIMIT_MEMLOCK of the user who made the ring, over all processes; unless that
 * user's task had CAP_IPC_LOCK then.
 *
 * Lock: one for the table of users (LOCK_URING_POOL), taken and dropped inside.
 */
#pragma once

#include "task/task.h"

/* Whose memory a ring's is. */
struct locked_user {
	bool counts;
	uint32_t uid;
};

struct locked_charge {
	uint64_t pages;
	uint32_t uid;
};

struct locked_user locked_user_of(const struct task *t);
/* t: who asks, whose limit it is. -ENOMEM: beyond it. */
int locked_charge(const struct locked_user *u, struct task *t, uint64_t pages,
		  struct locked_charge *out) MUST_CHECK;
void locked_uncharge(struct locked_charge *c); /* a zeroed one is allowed */
