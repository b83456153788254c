/*
 * All page caches of a sandbox: how much may be dirty, and two threads.
 *
 *	writeback   writes back what has been dirty for long, and when much is dirty,
 *	            the oldest first
 *	readahead   reads what streams will want next
 *
 * A file with dirty pages is on the list `dirty_files` and holds a reference on
 * its owner, so that whoever takes it off the list under the lock can use it.
 *
 * Throttling. A writer that finds the hard limit exceeded first writes back pages
 * of its own file; if that does not help, it waits a moment for others'. Pages in
 * write-back count like dirty ones: if it fails, that is what they are again. A
 * file whose pages cannot be written gets errors instead (write.c), so that no
 * writer waits for a dead backend.
 */
#include <stdlib.h>
#include <time.h>

#include "base/fault.h"
#include "base/park.h"
#include "host/host.h"
#include "pagecache/internal.h"

#define MIB ((uint64_t)1 << 20)
#define SECOND ((uint64_t)1000000000)
#define RETRY_NS (SECOND / 2)
#define FLUSH_STEP (8 * MIB)
#define THROTTLE_STEP (4 * MIB)
#define THROTTLE_WAIT (SECOND / 10)
#define THROTTLE_ROUNDS 5

static uint64_t now_ns(void)
{
	return host_clock_ns(CLOCK_MONOTONIC);
}

/* ---- the books ---- */

uint64_t pagecache_set_dirty(const struct pagecache_set *set)
{
	return atomic_load(&set->dirty);
}

bool set_is_over(const struct pagecache_set *set)
{
	return atomic_load(&set->dirty) + atomic_load(&set->writing) > set->limits.hard;
}

static void kick(struct worker *w)
{
	atomic_fetch_add(&w->kick, 1);
	park_wake(&w->kick, 1);
}

void set_dirty_grew(struct pagecache_set *set, uint64_t bytes)
{
	uint64_t before = atomic_fetch_add(&set->dirty, bytes);

	if (before <= set->limits.background && before + bytes > set->limits.background)
		kick(&set->flusher);
}

static void made_progress(struct pagecache_set *set)
{
	atomic_fetch_add(&set->progress, 1);
	if (atomic_load(&set->throttled))
		park_wake(&set->progress, UINT32_MAX);
}

void set_dirty_shrank(struct pagecache_set *set, uint64_t bytes)
{
	if (!bytes)
		return;
	atomic_fetch_sub(&set->dirty, bytes);
	made_progress(set);
}

void set_write_begins(struct pagecache_set *set, uint64_t bytes)
{
	atomic_fetch_add(&set->writing, bytes);
}

void set_write_ended(struct pagecache_set *set, uint64_t bytes)
{
	atomic_fetch_sub(&set->writing, bytes);
	made_progress(set);
}

void set_file_dirtied(struct pagecache *pc)
{
	struct pagecache_set *set = pc->set;
	bool was_empty;

	mutex_lock(&set->lock);
	was_empty = list_empty(&set->dirty_files);
	pc->dirty_since = now_ns();
	pc->retry_at = 0;
	list_push_back(&set->dirty_files, &pc->dirty_link);
	mutex_unlock(&set->lock);
	if (was_empty)
		kick(&set->flusher);
}

void set_file_cleaned(struct pagecache *pc)
{
	mutex_lock(&pc->set->lock);
	list_del(&pc->dirty_link);
	mutex_unlock(&pc->set->lock);
}

/* ---- the write-back thread ---- */

/* The first file whose time has come, with a reference; *next: when the next one's
 * will have. */
static struct pagecache *pick(struct pagecache_set *set, uint64_t now, bool hurry, uint64_t *next)
{
	struct pagecache *found = NULL;

	*next = PARK_FOREVER;
	mutex_lock(&set->lock);
	list_for_each(pc, &set->dirty_files, struct pagecache, dirty_link) {
		uint64_t due = hurry ? 0 : pc->dirty_since + set->limits.age_ns;

		due = MAX(due, pc->retry_at);
		if (due <= now) {
			found = pc;
			break;
		}
		*next = MIN(*next, due);
	}
	if (found) {
		list_del(&found->dirty_link);
		list_push_back(&set->dirty_files, &found->dirty_link);
		found->ops->get(found->owner);
	}
	mutex_unlock(&set->lock);
	return found;
}

/* What is left is as good as new; after an error, or when all of it was claimed,
 * there is no hurry to try again. */
static void put_back(struct pagecache *pc, bool hurry, uint64_t before, int err)
{
	uint64_t now = now_ns(), cached, dirty;

	pagecache_count(pc, &cached, &dirty);
	mutex_lock(&pc->set->lock);
	if (!hurry)
		pc->dirty_since = now;
	pc->retry_at = err || dirty >= before ? now + RETRY_NS : 0;
	mutex_unlock(&pc->set->lock);
}

/* One step. Returns until when there is nothing to do. */
static uint64_t flush_some(struct pagecache_set *set)
{
	bool hurry = atomic_load(&set->dirty) > set->limits.background;
	uint64_t next, cached, dirty;
	struct pagecache *pc = pick(set, now_ns(), hurry, &next);
	const struct pagecache_ops *ops;
	void *owner;
	int err;

	if (!pc)
		return next;
	ops = pc->ops;
	owner = pc->owner;
	pagecache_count(pc, &cached, &dirty);
	err = writeback_range(pc, 0, FILE_END, hurry ? FLUSH_STEP : UINT64_MAX, true);
	put_back(pc, hurry, dirty, err);
	dirty_done(pc);
	ops->put(owner);
	return 0;
}

static void flusher_main(void *arg)
{
	struct pagecache_set *set = arg;

	while (!atomic_load(&set->is_ending)) {
		unsigned turn = atomic_load(&set->flusher.kick);
		uint64_t next = flush_some(set);

		if (next && !atomic_load(&set->is_ending))
			(void)park_wait(&set->flusher.kick, turn, next);
	}
}

/* ---- the read-ahead thread ---- */

void set_read_later(struct pagecache *pc, uint64_t start, uint64_t end)
{
	struct pagecache_set *set = pc->set;
	bool fits;

	mutex_lock(&set->lock);
	fits = set->job_count < READ_QUEUE && !atomic_load(&set->is_ending);
	if (fits) {
		pc->ops->get(pc->owner);
		set->jobs[(set->job_first + set->job_count++) % READ_QUEUE] =
			(struct read_job){ pc, start, end };
	}
	mutex_unlock(&set->lock);
	if (fits)
		kick(&set->reader);
}

static bool take_job(struct pagecache_set *set, struct read_job *job)
{
	bool has;

	mutex_lock(&set->lock);
	has = set->job_count > 0;
	if (has) {
		*job = set->jobs[set->job_first];
		set->job_first = (set->job_first + 1) % READ_QUEUE;
		set->job_count--;
	}
	mutex_unlock(&set->lock);
	return has;
}

static void run_job(const struct read_job *job)
{
	struct pagecache *pc = job->pc;
	uint64_t pos = job->start;
	int err = 0;

	while (pos < job->end && !err && !atomic_load(&pc->set->is_ending)) {
		uint64_t until = fill_gap(pc, pos, page_up(job->end), FILL_YIELDS, &err);

		if (until == pos)
			break; /* the end of the file */
		pos = until;
	}
	pc->ops->put(pc->owner);
}

static void reader_main(void *arg)
{
	struct pagecache_set *set = arg;
	struct read_job job;

	for (;;) {
		unsigned turn = atomic_load(&set->reader.kick);

		while (take_job(set, &job))
			run_job(&job);
		if (atomic_load(&set->is_ending))
			return;
		(void)park_wait(&set->reader.kick, turn, PARK_FOREVER);
	}
}

/* ---- throttling, sync ---- */

void set_throttle(struct pagecache *pc)
{
	struct pagecache_set *set = pc->set;

	if (likely(!set_is_over(set)))
		return;
	for (int i = 0; i < THROTTLE_ROUNDS && set_is_over(set); i++) {
		unsigned turn = atomic_load(&set->progress);
		int err = writeback_range(pc, 0, FILE_END, THROTTLE_STEP, true);

		if (err || !set_is_over(set))
			break;
		if (atomic_load(&set->progress) != turn)
			continue;
		atomic_fetch_add(&set->throttled, 1);
		(void)park_wait(&set->progress, turn, now_ns() + THROTTLE_WAIT);
		atomic_fetch_sub(&set->throttled, 1);
	}
	dirty_done(pc);
}

static struct pagecache *next_to_sync(struct pagecache_set *set, const void *group, unsigned turn)
{
	struct pagecache *found = NULL;

	mutex_lock(&set->lock);
	list_for_each(pc, &set->dirty_files, struct pagecache, dirty_link) {
		if (pc->sync_turn == turn || (group && pc->group != group))
			continue;
		found = pc;
		pc->sync_turn = turn;
		pc->ops->get(pc->owner);
		break;
	}
	mutex_unlock(&set->lock);
	return found;
}

int pagecache_set_sync(struct pagecache_set *set, const void *group)
{
	struct pagecache *pc;
	unsigned turn;
	int first = 0;

	mutex_lock(&set->lock);
	turn = ++set->sync_turn;
	mutex_unlock(&set->lock);
	while ((pc = next_to_sync(set, group, turn))) {
		const struct pagecache_ops *ops = pc->ops;
		void *owner = pc->owner;
		int err = pagecache_flush(pc, 0, FILE_END);

		first = first ? first : err;
		ops->put(owner);
	}
	return first;
}

/* ---- life ---- */

static struct pagecache_limits default_limits(const struct memfile *mf)
{
	uint64_t memory = memfile_limit(mf);

	return (struct pagecache_limits){
		.background = MIN(memory / 16, 64 * MIB),
		.hard = MIN(memory / 8, 256 * MIB),
		.age_ns = 5 * SECOND,
		.readahead = 2 * MIB,
	};
}

int pagecache_set_create(struct memfile *mf, const struct pagecache_limits *limits,
			 struct pagecache_set **out)
{
	struct pagecache_set *set = FAULT_POINT("pagecache.set") ? NULL : calloc(1, sizeof(*set));

	*out = set;
	if (!set)
		return -ENOMEM;
	set->mf = mf;
	set->limits = limits ? *limits : default_limits(mf);
	mutex_init(&set->lock, LOCK_PAGECACHE);
	list_init(&set->dirty_files);
	return 0;
}

static int start(struct pagecache_set *set, struct worker *w, const char *name, void (*fn)(void *))
{
	int r = w->is_started ? 0 : host_thread_create(&w->thread, name, 0, fn, set);

	w->is_started = r == 0;
	return r;
}

int set_start_threads(struct pagecache_set *set)
{
	int r;

	mutex_lock(&set->lock);
	r = start(set, &set->flusher, "writeback", flusher_main);
	if (r == 0)
		r = start(set, &set->reader, "readahead", reader_main);
	mutex_unlock(&set->lock);
	return r;
}

static void stop(struct worker *w)
{
	if (!w->is_started)
		return;
	kick(w);
	host_thread_join(&w->thread);
}

void pagecache_set_destroy(struct pagecache_set *set)
{
	if (!set)
		return;
	atomic_store(&set->is_ending, true);
	stop(&set->flusher);
	stop(&set->reader);
	ASSERT(list_empty(&set->dirty_files) && !set->job_count);
	free(set);
}
