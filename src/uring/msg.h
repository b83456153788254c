/* MSG_RING, and io_uring_register(2) without a ring. */
#pragma once

#include "uring/internal.h"

long register_without_ring(struct task *t, unsigned opcode, gva_t arg, unsigned nr);
