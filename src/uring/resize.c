/*
 * Resizing: new regions, to which what the program has not taken yet, and what we have
 * not, is copied, at the same positions. They take the old ones' place under the lock;
 * mappings of the old ones stay until they are unmapped, the program maps anew.
 *
 * Only rings with DEFER_TASKRUN: their one task is here, so nobody waits or submits.
 */
#include "uring/resize.h"

#include <string.h>

#include "uring/setup.h"

#define RESIZE_FLAGS (IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP)
#define INHERITED                                                               \
	(IORING_SETUP_NO_MMAP | IORING_SETUP_NO_SQARRAY | IORING_SETUP_SQE128 | \
	 IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED)

static void copy_element(const struct sharedbuf *to, uint64_t to_off, const struct sharedbuf *from,
			 uint64_t from_off, uint64_t size)
{
	memcpy(sharedbuf_at(to, to_off, size), sharedbuf_at(from, from_off, size), size);
}

static int copy_sqes(const struct ring *r, const struct ring_layout *to)
{
	const struct ring_layout *from = &r->layout;
	uint32_t head = r->sq_head, tail = shared_load_acquire(ring_word(from, RING_SQ_TAIL));

	if (tail - head > to->sq_entries || tail - head > from->sq_entries)
		return -EOVERFLOW;
	for (uint32_t i = head; i != tail; i++)
		copy_element(&to->sqes.buf, (uint64_t)(i & (to->sq_entries - 1)) << to->sqe_shift,
			     &from->sqes.buf,
			     (uint64_t)(i & (from->sq_entries - 1)) << from->sqe_shift,
			     (uint64_t)1 << to->sqe_shift);
	shared_store(ring_word(to, RING_SQ_HEAD), head);
	shared_store(ring_word(to, RING_SQ_TAIL), tail);
	return 0;
}

static int copy_cqes(const struct ring *r, const struct ring_layout *to)
{
	const struct ring_layout *from = &r->layout;
	uint32_t head = shared_load_acquire(ring_word(from, RING_CQ_HEAD)), tail = r->cq_tail;

	if (tail - head > to->cq_entries || tail - head > from->cq_entries)
		return -EOVERFLOW;
	for (uint32_t i = head; i != tail; i++)
		copy_element(&to->rings.buf,
			     to->cqes_off + ((uint64_t)(i & (to->cq_entries - 1)) << to->cqe_shift),
			     &from->rings.buf,
			     from->cqes_off +
				     ((uint64_t)(i & (from->cq_entries - 1)) << from->cqe_shift),
			     (uint64_t)1 << to->cqe_shift);
	shared_store(ring_word(to, RING_CQ_HEAD), head);
	shared_store(ring_word(to, RING_CQ_TAIL), tail);
	return 0;
}

static void copy_word(const struct ring_layout *to, const struct ring_layout *from,
		      enum ring_word w)
{
	shared_store(ring_word(to, w), shared_load(ring_word(from, w)));
}

/* => lock */
static int move_locked(struct ring *r, struct ring_layout *to)
{
	struct ring_layout old = r->layout;
	int err = copy_sqes(r, to);

	if (err == 0)
		err = copy_cqes(r, to);
	if (err < 0)
		return err;
	copy_word(to, &old, RING_SQ_DROPPED);
	copy_word(to, &old, RING_SQ_FLAGS);
	copy_word(to, &old, RING_CQ_FLAGS);
	copy_word(to, &old, RING_CQ_OVERFLOW);
	r->layout = *to;
	*to = old;
	return 0;
}

/* The word that wakes set leaves the old memory before that goes. */
static void move_taskrun_word(struct ring *r)
{
	struct uring_task *ut = r->single;
	uint32_t *word = ring_word(&r->layout, RING_SQ_FLAGS);

	if (!r->taskrun_word)
		return;
	/* A ring that was never enabled is nobody's: no wake knows it. */
	if (!ut) {
		r->taskrun_word = word;
		return;
	}
	mutex_lock(&ut->work_lock);
	r->taskrun_word = word;
	mutex_unlock(&ut->work_lock);
}

long resize_rings(struct ring *r, struct task *t, gva_t arg)
{
	struct layout_spec spec = { .t = t, .user = &r->locked_user };
	struct io_uring_params p;
	struct ring_layout other;
	int err;

	if (!(r->flags & IORING_SETUP_DEFER_TASKRUN))
		return -EINVAL;
	if (mm_copy_in(t->mm, &p, arg, sizeof(p)) < 0)
		return -EFAULT;
	if (p.flags & ~RESIZE_FLAGS)
		return -EINVAL;
	p.flags |= r->flags & INHERITED;
	err = setup_check_sizes(p.sq_entries, &p);
	if (err < 0)
		return err;
	spec.flags = p.flags;
	spec.sq_entries = p.sq_entries;
	spec.cq_entries = p.cq_entries;
	spec.rings_at = p.cq_off.user_addr;
	spec.sqes_at = p.sq_off.user_addr;
	err = ring_layout_create(&spec, &other);
	if (err < 0)
		return err;
	setup_fill_offsets(&other, &p);
	err = mm_copy_out(t->mm, arg, &p, sizeof(p));
	if (err == 0) {
		mutex_lock(&r->lock);
		err = move_locked(r, &other);
		mutex_unlock(&r->lock);
	}
	if (err == 0) {
		move_taskrun_word(r);
		map_barrier(r);
	}
	ring_layout_destroy(&other);
	return err;
}
