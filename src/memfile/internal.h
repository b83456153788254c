/* What the files of memfile/ share. */
#pragma once

#include "base/ivmap.h"
#include "base/list.h"
#include "base/lock.h"
#include "host/host.h"
#include "host/thread.h"
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

	_Atomic uint64_t handed_out; /* [a] the sum of allocated, and dirty_bytes */

	/* evict.c */
	struct list evict_queue;              /* [l] struct evictable, least recently used first */
	uint64_t evictable;                   /* [l] bytes in the queue */
	struct memfile_evict_owner *evicting; /* [l] whose evict() runs */
	uint32_t evictor;                     /* [l] the thread that evicts; 0: none */
	atomic_uint evict_turns;              /* [a] grows as one ends: what others sleep on */

	/* pressure.c */
	memfile_pressure_fn *pressure; /* [I] once guests run */
	void *pressure_arg;            /* [I] */
	struct host_thread watcher;
	atomic_bool is_watched; /* [a] the thread runs */
	atomic_bool is_resting; /* [a] the watcher sleeps until it is woken */
	atomic_bool is_ending;  /* [a] */
	atomic_uint looks;      /* [a] grows to wake the watcher */
};

/* How much below the limit eviction begins, and how far it goes. */
#define RELIEF_FRACTION 32u
/* What is kept on either side of the limit: below it from files in memory, above it
 * for faults until a victim is gone. */
#define RESERVE_FRACTION 16u

/* The references of the live range at offset, and where it ends. */
unsigned memfile_refs(struct memfile *mf, uint64_t offset, uint64_t *end);

/* More was handed out. */
void pressure_note(struct memfile *mf);
void pressure_fini(struct memfile *mf);
