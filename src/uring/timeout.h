/* Times, and timers of requests. */
#pragma once

#include "uring/req.h"

/* A time by IORING_TIMEOUT_* flags as a CLOCK_MONOTONIC deadline. */
uint64_t uring_deadline(uint32_t flags, uint64_t ns);
/* The guest's timespec. -EFAULT, -EINVAL: negative. */
int uring_timespec(struct task *t, gva_t user, uint64_t *ns) MUST_CHECK;
/* Starts the timer of a TIMEOUT whose op_timeout is filled. -ENOMEM, -ECANCELED. */
int timeout_start(struct req *req) MUST_CHECK;
/* Another time for one that runs: 0, -ENOENT, -EALREADY. */
int timeout_change(struct ring *r, uint64_t user_data, uint8_t opcode, uint64_t deadline_ns);
