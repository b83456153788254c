/*
 * The memory limit.
 *
 * Guests touch memory without asking us: the host gives them pages of the
 * memory file. So use can be held against the limit only by looking at it. Two
 * look:
 *
 *	allocations   memfile_over_limit(), before something new is handed out
 *	the watcher   a thread of its own, while more is handed out than the limit
 *	              allows to be used: before that, nothing can go wrong
 *
 * The watcher sleeps until even the fastest guest could not have used up what
 * was left when it last looked. Shortly below the limit it begins to evict;
 * when that is not enough, the kernel above is asked to make guests use less.
 *
 *	0 ------------------------------- start of eviction --- limit --->
 *	   look again after (limit - use) / FILL_RATE    evict    | ask
 */
#include "memfile/internal.h"

#include "base/log.h"
#include "base/park.h"

/* Guests fill memory no faster than this, in bytes a millisecond. */
#define FILL_RATE ((uint64_t)8 << 20)
#define LOOK_MIN_MS 2u
#define LOOK_MAX_MS 1000u
/* After a request to the kernel: a killed process needs time to go. */
#define AFTER_REQUEST_MS 10u
#define NS_PER_MS ((uint64_t)1000000)

/* From here on the watcher evicts. */
static uint64_t eviction_start(const struct memfile *mf)
{
	return mf->limit - mf->limit / RELIEF_FRACTION;
}

/* Whether what is handed out could fill the file so far that we must look. */
static bool must_watch(const struct memfile *mf)
{
	return atomic_load(&mf->handed_out) > eviction_start(mf);
}

/* Looks once; returns the time until the next look, in ms. */
static uint64_t look(struct memfile *mf)
{
	uint64_t used = memfile_used(mf), start = eviction_start(mf), ms;

	if (used > start) {
		(void)memfile_evict(mf, used - start + mf->limit / RELIEF_FRACTION);
		used = memfile_used(mf);
	}
	/* Another thread may have been at it, for less: now it is our turn. */
	if (used > mf->limit && !memfile_relieve(mf)) {
		used = MAX(memfile_used(mf), mf->limit);
		mf->pressure(mf->pressure_arg, used - mf->limit);
		return AFTER_REQUEST_MS;
	}
	used = MIN(memfile_used(mf), mf->limit);
	/* Nothing to evict and not yet over: no use in looking without a pause. */
	ms = (mf->limit - used) / FILL_RATE;
	return MIN(MAX(ms, (uint64_t)LOOK_MIN_MS), (uint64_t)LOOK_MAX_MS);
}

/*
 *	watcher                          pressure_note()
 *	  turn = looks                     handed_out grew
 *	  is_resting = true                is_resting?
 *	  must_watch()? goes on             looks++, wake  (B)
 *	  sleeps while looks == turn  (A)
 */
static void watcher_main(void *arg)
{
	struct memfile *mf = arg;

	while (!atomic_load(&mf->is_ending)) {
		unsigned turn = atomic_load(&mf->looks);
		uint64_t until = PARK_FOREVER;

		atomic_store(&mf->is_resting, true);
		if (must_watch(mf)) {
			atomic_store(&mf->is_resting, false);
			until = host_clock_ns(CLOCK_MONOTONIC) + look(mf) * NS_PER_MS;
		}
		(void)park_wait(&mf->looks, turn, until); /* (A) */
	}
}

/* The watcher is a thread that most sandboxes never need: it starts with the
 * first use of it. */
static void start(struct memfile *mf)
{
	if (atomic_exchange(&mf->is_watched, true))
		return;
	if (host_thread_create(&mf->watcher, "memory", 0, watcher_main, mf) == 0)
		return;
	log_warn("memory limit: no thread to watch it; tried again");
	atomic_store(&mf->is_watched, false);
}

void pressure_note(struct memfile *mf)
{
	if (likely(!must_watch(mf)) || !mf->pressure)
		return;
	if (!atomic_load(&mf->is_watched)) {
		start(mf);
	} else if (atomic_load(&mf->is_resting)) {
		atomic_store(&mf->is_resting, false);
		atomic_fetch_add(&mf->looks, 1); /* (B) pairs with (A) */
		park_wake(&mf->looks, 1);
	}
}

void memfile_watch(struct memfile *mf, memfile_pressure_fn *fn, void *arg)
{
	ASSERT(!mf->pressure && fn);
	mf->pressure_arg = arg;
	mf->pressure = fn;
	pressure_note(mf);
}

void pressure_fini(struct memfile *mf)
{
	if (!atomic_load(&mf->is_watched))
		return;
	atomic_store(&mf->is_ending, true);
	atomic_fetch_add(&mf->looks, 1);
	park_wake(&mf->looks, 1);
	host_thread_join(&mf->watcher);
}
