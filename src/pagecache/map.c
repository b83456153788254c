/*
 * The file as a mappable.
 *
 * A fault gets the pages that it needs, and up to 64 KiB around them where the
 * backend gives them at once; what else is cached next to them is given too, if
 * it is only to be read. A writable translation makes its pages dirty and kept,
 * so it covers no more than that.
 *
 * MM_ACTIVE is held throughout, also across backend calls and waits for claims: see
 * pagecache.h for why nobody who holds a claim on a gap waits for it.
 */
#include "pagecache/internal.h"

#define FILL_AROUND ((uint64_t)64 << 10)

int pagecache_add_mapping(struct pagecache *pc, struct mapping_space *ms, gva_t addr, uint64_t size,
			  fileoff_t off, bool writable)
{
	if (pc->mode == PAGECACHE_SHARED)
		return -ENODEV;
	return mapping_set_add_under(&pc->maps_lock, &pc->maps, ms, addr, size, off, writable);
}

void pagecache_remove_mapping(struct pagecache *pc, struct mapping_space *ms, gva_t addr,
			      uint64_t size, fileoff_t off, bool writable)
{
	bool is_cached;

	mapping_set_remove_under(&pc->maps_lock, &pc->maps, ms, addr, size, off, writable);
	rwlock_read(&pc->data_lock);
	is_cached = pc->cache.count > 0;
	rwlock_read_unlock(&pc->data_lock);
	if (is_cached)
		evict_mark(pc, off, off + size);
}

/* What one call of translate() is about. */
struct request {
	fileoff_t start, need; /* required, as far as the file goes */
	fileoff_t lo, hi;      /* may be filled */
	fileoff_t opt_start, opt_end;
	int access;
	struct translation *out;
	unsigned max, *count;
};

/* Where a fill for the gap at pos should begin. */
static uint64_t gap_start(struct pagecache *pc, uint64_t pos, uint64_t lo)
{
	const struct ivnode *prev;

	rwlock_read(&pc->data_lock);
	prev = ivmap_upper_bound(&pc->cache, pos);
	if (prev)
		lo = MAX(lo, prev->end);
	rwlock_read_unlock(&pc->data_lock);
	return MIN(lo, pos);
}

/* Fills the gap at pos, with what lies around it; if that cannot be had, only what
 * is needed. */
static int fill_around(struct pagecache *pc, const struct request *rq, uint64_t pos)
{
	uint64_t from = gap_start(pc, pos, rq->lo);
	int err;

	if (fill_gap(pc, from, rq->hi, 0, &err) > pos)
		return 0;
	return fill_gap(pc, pos, MAX(rq->need, pos + PAGE_SIZE), 0, &err) > pos ? 0 : err;
}

/* Translations from the piece at start on, as far as the run reaches. */
static void emit_locked(struct pagecache *pc, const struct request *rq)
{
	bool writes = rq->access & MAP_W;
	uint64_t lo = writes ? rq->lo : rq->opt_start, hi = writes ? rq->hi : rq->opt_end;
	const struct segment *s = segment_at(pc, rq->start);
	uint64_t pos = s ? MAX(lo, s->node.start) : 0;

	while (s && s->node.start <= pos && pos < hi && *rq->count < rq->max) {
		rq->out[(*rq->count)++] = (struct translation){
			.start = pos,
			.end = MIN(s->node.end, hi),
			.file = memfile_mapfile(pc->set->mf),
			.offset = s->offset + (pos - s->node.start),
			.perms = MAP_R | MAP_X | (writes ? MAP_W : 0),
		};
		pos = MIN(s->node.end, hi);
		s = segment_of(ivmap_next(&s->node));
	}
}

/* From now on a guest may change these pages at any time. */
static void keep_locked(struct pagecache *pc, const struct request *rq, struct spares *sp)
{
	uint64_t start, end;

	if (!(rq->access & MAP_W) || !*rq->count)
		return;
	start = rq->out[0].start;
	end = rq->out[*rq->count - 1].end;
	dirty_add_locked(pc, start, end, &sp->ranges[0]);
	rangeset_add(&pc->kept, start, end, &sp->ranges[1]);
}

/* Looks at what is cached. Returns how far the required range is. */
static uint64_t look(struct pagecache *pc, struct request *rq, struct spares *sp, bool is_last)
{
	bool writes = rq->access & MAP_W;
	uint64_t limit, until;

	if (writes)
		rwlock_write(&pc->data_lock);
	else
		rwlock_read(&pc->data_lock);
	limit = page_up(atomic_load(&pc->size)); /* it may have shrunk */
	rq->need = MIN(rq->need, limit);
	rq->hi = MIN(rq->hi, limit);
	rq->opt_end = MIN(rq->opt_end, limit);
	until = rq->start < rq->need ? cached_until_locked(pc, rq->start, rq->need) : rq->start;
	if (until > rq->start && (until == rq->need || is_last)) {
		emit_locked(pc, rq);
		keep_locked(pc, rq, sp);
	}
	if (writes)
		rwlock_write_unlock(&pc->data_lock);
	else
		rwlock_read_unlock(&pc->data_lock);
	return until;
}

static int translate(struct pagecache *pc, struct request *rq)
{
	struct spares sp = { 0 };
	uint64_t until;
	int err = rq->access & MAP_W ? spares_get(&sp, 0, 2) : 0;

	if (err)
		return err;
	while ((until = look(pc, rq, &sp, false)) < rq->need) {
		err = fill_around(pc, rq, until);
		if (err) {
			(void)look(pc, rq, &sp, true);
			break;
		}
	}
	spares_put(&sp);
	return err;
}

int pagecache_translate(struct pagecache *pc, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			fileoff_t opt_end, int access, struct translation *out, unsigned max,
			unsigned *count)
{
	struct request rq = {
		.start = start,
		.need = end,
		.lo = MAX(opt_start, start & ~(FILL_AROUND - 1)),
		.hi = MIN(opt_end, (end + FILL_AROUND - 1) & ~(FILL_AROUND - 1)),
		.opt_start = opt_start,
		.opt_end = opt_end,
		.access = access,
		.out = out,
		.max = max,
		.count = count,
	};
	int r;

	*count = 0;
	r = translate(pc, &rq);
	if (r < 0) /* whatever ails the backend */
		return r == -ENOMEM ? -ENOMEM : -EIO;
	if (rq.need < end)
		return -EFAULT;
	/* Out of room in out[]: the caller asks again for the rest. */
	return *count && out[*count - 1].end >= end ? 0 : -ENOMEM;
}

void pagecache_incore(struct pagecache *pc, uint64_t start, uint64_t end, unsigned char *vec)
{
	rwlock_read(&pc->data_lock);
	for (uint64_t at = start; at < end; at += PAGE_SIZE)
		vec[(at - start) / PAGE_SIZE] = segment_at(pc, at) != NULL;
	rwlock_read_unlock(&pc->data_lock);
}
