/* What the files of memfile/ share. */
#pragma once

#include "base/ivmap.h"
#include "base/list.h"
#include "base/lock.h"
#include "host/host.h"
#include "memfile/memfile.h"

/* [I] immutable, [l] lock, [a] atomic */
struct memfile {
	struct mapfile file;
	struct mutex lock; /* LOCK_MEMFILE */
	int fd;            /* [I] */
	uint8_t *base;     /* [I] the whole file, mapped */
	uint64_t size;     /* [I] */
	uint64_t limit;    /* [I] */

	struct ivmap ranges;  /* [l] all that cannot be handed out */
	struct list dirty;    /* [l] oldest first */
	uint64_t dirty_bytes; /* [l] */
	struct list spares;   /* [l] */
	unsigned nspares;     /* [l] */

	uint64_t allocated[MEMFILE_KINDS]; /* [l] */
	_Atomic uint64_t peak;             /* [a] of use, as far as it was looked at */

	struct list owners;                   /* [l] least recently used first */
	struct memfile_evict_owner *evicting; /* [l] whose evict() runs */
	uint32_t evictor;                     /* [l] the thread that runs it */
	atomic_uint evict_turns;              /* [a] grows as one ends: what fini sleeps on */
};
