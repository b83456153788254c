/*
 * Dirty pages to the backend.
 *
 * One piece at a time: a dirty run is claimed, taken out of the dirty sets, its
 * writable mappings are taken away, and then it is written. In this order,
 * because whoever stores to it after that makes it dirty again:
 *
 *	write-back                          a store through a mapping
 *	  claim, not dirty any more           the mapping is still there: the bytes
 *	  mappings taken away                 are in the page before it is read
 *	                                      it is gone: fault, translate(): dirty
 *	  backend reads the page
 *	  failed: dirty again
 *	  claim dropped
 *
 * Meanwhile reads and cached writes go on; a write makes the page dirty again.
 */
#include "pagecache/internal.h"

struct piece {
	struct claim claim;
	struct block blk[IO_BLOCKS];
	unsigned count;
	uint64_t from, to;
	bool was_kept;
	struct spares sp;
};

void mappings_forget(struct pagecache *pc, uint64_t start, uint64_t end, bool private_too)
{
	mutex_lock(&pc->maps_lock);
	mapping_set_invalidate(&pc->maps, start, end, private_too);
	mutex_unlock(&pc->maps_lock);
}

/* The next dirty run that nobody claims; false: there is none. */
static bool find_piece_relock(struct pagecache *pc, struct piece *p, uint64_t pos, uint64_t end,
			      bool skips)
{
	while (rangeset_first(&pc->dirty, pos, end, &p->from, &p->to)) {
		const struct ivnode *claim = ivmap_lower_bound(&pc->claims, p->from);

		p->to = MIN(p->to, p->from + IO_MAX);
		if (!claim || claim->start > p->from) {
			p->to = claim ? MIN(p->to, claim->start) : p->to;
			return true;
		}
		if (skips)
			pos = claim->end;
		else
			claim_wait_relock(pc);
	}
	return false;
}

static void begin_piece_locked(struct pagecache *pc, struct piece *p)
{
	uint64_t size = atomic_load(&pc->size), n;

	p->to = p->from + blocks_locked(pc, p->from, p->to - p->from, p->blk, IO_BLOCKS, &p->count);
	n = MIN(p->to, size) - p->from;
	/* Only what is in the file: the last block is the one that ends past it. */
	p->blk[p->count - 1].size -= (p->to - p->from) - n;
	p->was_kept = rangeset_intersects(&pc->kept, p->from, p->to);
	set_write_begins(pc->set, p->to - p->from);
	dirty_remove_locked(pc, p->from, p->to, &p->sp);
	claim_take_locked(pc, &p->claim, p->from, p->to);
	p->claim.is_writeback = true;
	pc->writebacks++;
}

static int write_piece(struct pagecache *pc, struct piece *p)
{
	uint64_t done;
	int err;

	if (p->was_kept)
		mappings_forget(pc, p->from, p->to, false);
	done = backend_write(pc, p->blk, p->count, p->from, 0, &err);
	rwlock_write(&pc->data_lock);
	if (err)
		dirty_add_locked(pc, page_down(p->from + done), p->to, &p->sp.ranges[2]);
	pc->writebacks--;
	claim_drop_locked(pc, &p->claim);
	rwlock_write_unlock(&pc->data_lock);
	atomic_store(&pc->last_result, err);
	set_write_ended(pc->set, p->to - p->from);
	if (err)
		errseq_set(&pc->errors, err);
	return err;
}

int writeback_range(struct pagecache *pc, uint64_t start, uint64_t end, uint64_t bytes, bool skips)
{
	uint64_t pos = page_down(start), done = 0;
	int err = 0;

	while (pos < end && done < bytes && !err) {
		struct piece p;
		bool found;

		err = spares_get(&p.sp, 0, 3);
		if (err)
			break;
		rwlock_write(&pc->data_lock);
		found = find_piece_relock(pc, &p, pos, end > FILE_END ? FILE_END : page_up(end),
					  skips);
		if (found)
			begin_piece_locked(pc, &p);
		rwlock_write_unlock(&pc->data_lock);
		if (found)
			err = write_piece(pc, &p);
		spares_put(&p.sp);
		if (!found)
			break;
		done += p.to - p.from;
		pos = p.to;
	}
	return err;
}

static bool has_dirty(struct pagecache *pc, uint64_t start, uint64_t end)
{
	bool has;

	rwlock_read(&pc->data_lock);
	has = pc->is_held &&
	      (pc->writebacks || rangeset_intersects(&pc->dirty, page_down(start), end));
	rwlock_read_unlock(&pc->data_lock);
	return has;
}

int pagecache_flush(struct pagecache *pc, uint64_t start, uint64_t end)
{
	int err;

	if (!has_dirty(pc, start, end))
		return 0;
	err = writeback_range(pc, start, end, UINT64_MAX, false);
	/* What others are writing: if that failed, it is dirty, and ours to try. */
	rwlock_write(&pc->data_lock);
	claim_wait_writebacks_relock(pc, page_down(start), end);
	rwlock_write_unlock(&pc->data_lock);
	if (!err)
		err = writeback_range(pc, start, end, UINT64_MAX, false);
	dirty_done(pc);
	return err;
}

int pagecache_fsync(struct pagecache *pc, uint64_t start, uint64_t end, bool data_only)
{
	int err = pc->mode == PAGECACHE_SHARED ? 0 : pagecache_flush(pc, start, end);

	if (err)
		return err;
	err = pc->ops->fsync(pc->owner, data_only);
	if (err)
		errseq_set(&pc->errors, err);
	return err;
}
