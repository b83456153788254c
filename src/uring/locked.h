/* Memory that io_uring keeps from being given back counts against a user's
 * RLIMIT_MEMLOCK, over all processes. */
#pragma once

#include "task/task.h"

struct locked_charge {
	uint64_t pages;
	uint32_t uid;
};

/* -ENOMEM: beyond the limit. CAP_IPC_LOCK: nothing is counted. */
int locked_charge(struct task *t, uint64_t pages, struct locked_charge *out) MUST_CHECK;
void locked_uncharge(struct locked_charge *c); /* a zeroed one is allowed */
