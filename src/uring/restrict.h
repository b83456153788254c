/* IORING_REGISTER_RESTRICTIONS: what a ring may be used for once it is enabled. */
#pragma once

#include "uring/req.h"
#include "task/task.h"

struct restrictions;

/* The list at arg; replaces r's, which must be disabled. */
long restrictions_register(struct ring *r, struct task *t, gva_t arg, unsigned nr);
bool restrictions_allow_sqe(const struct restrictions *rs, const struct io_uring_sqe *sqe);
bool restrictions_allow_register(const struct restrictions *rs, unsigned opcode);
