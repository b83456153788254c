/* IORING_REGISTER_RESIZE_RINGS. */
#pragma once

#include "uring/internal.h"

/* New rings of other sizes, with what is in the old ones. The caller has the token. */
long resize_rings(struct ring *r, struct task *t, gva_t arg);
