/* IORING_REGISTER_PERSONALITY: credentials that requests may name. */
#pragma once

#include "uring/req.h"

/* The caller's credentials under a new number. -ENOMEM; -EBUSY: no number is left. */
long personality_register(struct ring *r, const struct cred *cred);
long personality_unregister(struct ring *r, unsigned id); /* -EINVAL */
/* A reference, or NULL. */
const struct cred *personality_get(struct ring *r, unsigned id);
void personalities_destroy(struct ring *r);
