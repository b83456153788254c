/*
 * The host descriptors that the kernel holds for its guests. Each lives in a
 * struct hostfd and nowhere else, and all are on one list, so that a dump, a
 * leak check or a snapshot finds every one.
 */
#pragma once

#include "base/list.h"
#include "base/refcount.h"

struct hostfd {
	int fd;           /* [I] */
	const char *what; /* [I] borrowed for ever: a literal, such as "memory file" */
	struct refcount refs;
	struct list link; /* [list lock] */
};

/* Takes fd: it is closed by the last hostfd_put(), or at once on -ENOMEM.
 * Returns a reference. */
int hostfd_create(int fd, const char *what, struct hostfd **out) MUST_CHECK;
/* Takes another reference; returns h. */
struct hostfd *hostfd_get(struct hostfd *h);
/* NULL is allowed. The last one closes the descriptor. */
void hostfd_put(struct hostfd *h);

/* Calls fn for each, under the list's lock (LOCK_HOSTFD): fn may take no lock
 * above it and must not put. */
void hostfd_for_each(void (*fn)(const struct hostfd *h, void *arg), void *arg);
