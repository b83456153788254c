/*
 * io_uring_setup(2).
 *
 * The two rings share one region, as with IORING_FEAT_SINGLE_MMAP:
 *
 *	words      heads, tails, masks, sizes, flags       (enum ring_word)
 *	CQEs       cq_entries, 16 or 32 bytes each
 *	array      sq_entries indexes, aligned to 64; not with NO_SQARRAY
 *
 * and the entries lie in a region of their own. What the guest may overwrite we keep
 * in struct ring_layout.
 */
#include "uring/setup.h"

#include <stdio.h>
#include <string.h>

#include "uring/cancel.h"
#include "uring/sqpoll.h"

#define FEATURES                                                                            \
	(IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |         \
	 IORING_FEAT_RW_CUR_POS | IORING_FEAT_CUR_PERSONALITY | IORING_FEAT_FAST_POLL |     \
	 IORING_FEAT_POLL_32BITS | IORING_FEAT_SQPOLL_NONFIXED | IORING_FEAT_EXT_ARG |      \
	 IORING_FEAT_NATIVE_WORKERS | IORING_FEAT_RSRC_TAGS | IORING_FEAT_CQE_SKIP |        \
	 IORING_FEAT_LINKED_FILE | IORING_FEAT_REG_REG_RING | IORING_FEAT_RECVSEND_BUNDLE | \
	 IORING_FEAT_MIN_TIMEOUT | IORING_FEAT_RW_ATTR | IORING_FEAT_NO_IOWAIT)

bool uring_is_disabled;

void uring_disable(void)
{
	uring_is_disabled = true;
}

void uring_use_pages(void)
{
	sharedbuf_force_slow = true;
}

/* ---- checks ---- */

static bool has_both(uint32_t flags, uint32_t both)
{
	return (flags & both) == both;
}

static int check_flags(uint32_t f)
{
	if (f & ~IORING_SETUP_ALL)
		return -EINVAL;
	if ((f & IORING_SETUP_REGISTERED_FD_ONLY) && !(f & IORING_SETUP_NO_MMAP))
		return -EINVAL;
	if ((f & IORING_SETUP_SQPOLL) &&
	    (f &
	     (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_DEFER_TASKRUN)))
		return -EINVAL;
	if ((f & IORING_SETUP_TASKRUN_FLAG) &&
	    !(f & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN)))
		return -EINVAL;
	if ((f & IORING_SETUP_HYBRID_IOPOLL) && !(f & IORING_SETUP_IOPOLL))
		return -EINVAL;
	if ((f & IORING_SETUP_DEFER_TASKRUN) && !(f & IORING_SETUP_SINGLE_ISSUER))
		return -EINVAL;
	if (has_both(f, IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED))
		return -EINVAL;
	return 0;
}

static uint32_t round_up_pow2(uint32_t n)
{
	return n <= 1 ? 1 : 1u << (32 - __builtin_clz(n - 1));
}

int setup_check_sizes(uint32_t entries, struct io_uring_params *p)
{
	bool clamp = p->flags & IORING_SETUP_CLAMP;

	if (!entries)
		return -EINVAL;
	if (entries > IORING_MAX_ENTRIES) {
		if (!clamp)
			return -EINVAL;
		entries = IORING_MAX_ENTRIES;
	}
	p->sq_entries = round_up_pow2(entries);
	if (!(p->flags & IORING_SETUP_CQSIZE)) {
		p->cq_entries = 2 * p->sq_entries;
		return 0;
	}
	if (!p->cq_entries)
		return -EINVAL;
	if (p->cq_entries > IORING_MAX_CQ_ENTRIES) {
		if (!clamp)
			return -EINVAL;
		p->cq_entries = IORING_MAX_CQ_ENTRIES;
	}
	p->cq_entries = round_up_pow2(p->cq_entries);
	return p->cq_entries < p->sq_entries ? -EINVAL : 0;
}

/* ---- memory ---- */

static uint64_t place_parts(struct ring_layout *l, const struct layout_spec *spec)
{
	uint64_t end;

	l->sq_entries = spec->sq_entries;
	l->cq_entries = spec->cq_entries;
	l->sqe_shift = spec->flags & IORING_SETUP_SQE128 ? 7 : 6;
	l->cqe_shift = spec->flags & IORING_SETUP_CQE32 ? 5 : 4;
	l->cqes_off = RING_CQES;
	end = RING_CQES + ((uint64_t)l->cq_entries << l->cqe_shift);
	if (spec->flags & IORING_SETUP_NO_SQARRAY)
		return end;
	l->array_off = (uint32_t)((end + 63) & ~(uint64_t)63);
	return l->array_off + (uint64_t)l->sq_entries * sizeof(uint32_t);
}

static int make_regions(const struct layout_spec *spec, struct ring_layout *l, uint64_t size,
			uint64_t sqes_size)
{
	struct region_spec part = {
		.t = spec->t,
		.user = spec->user,
		.is_users = spec->flags & IORING_SETUP_NO_MMAP,
		.addr = spec->rings_at,
		.size = size,
	};
	int err = region_create(&part, &l->rings);

	if (err < 0)
		return err;
	part.addr = spec->sqes_at;
	part.size = sqes_size;
	return region_create(&part, &l->sqes);
}

int ring_layout_create(const struct layout_spec *spec, struct ring_layout *out)
{
	struct ring_layout l = { 0 };
	uint64_t size = place_parts(&l, spec);
	int err = make_regions(spec, &l, size, (uint64_t)l.sq_entries << l.sqe_shift);

	*out = l;
	if (err < 0) {
		ring_layout_destroy(out);
		return err;
	}
	/* The guest's own memory may hold anything. */
	for (unsigned off = 0; off < RING_CQES; off += sizeof(uint32_t))
		shared_store(sharedbuf_at(&out->rings.buf, off, sizeof(uint32_t)), 0);
	shared_store(ring_word(out, RING_SQ_MASK), out->sq_entries - 1);
	shared_store(ring_word(out, RING_CQ_MASK), out->cq_entries - 1);
	shared_store(ring_word(out, RING_SQ_ENTRIES), out->sq_entries);
	shared_store(ring_word(out, RING_CQ_ENTRIES), out->cq_entries);
	return 0;
}

void ring_layout_destroy(struct ring_layout *l)
{
	region_destroy(&l->rings);
	region_destroy(&l->sqes);
}

void setup_fill_offsets(const struct ring_layout *l, struct io_uring_params *p)
{
	gva_t sq_at = p->sq_off.user_addr, cq_at = p->cq_off.user_addr;

	if (!(p->flags & IORING_SETUP_NO_MMAP))
		sq_at = cq_at = 0;
	p->sq_off = (struct io_sqring_offsets){
		.head = RING_SQ_HEAD,
		.tail = RING_SQ_TAIL,
		.ring_mask = RING_SQ_MASK,
		.ring_entries = RING_SQ_ENTRIES,
		.flags = RING_SQ_FLAGS,
		.dropped = RING_SQ_DROPPED,
		.array = l->array_off,
		.user_addr = sq_at,
	};
	p->cq_off = (struct io_cqring_offsets){
		.head = RING_CQ_HEAD,
		.tail = RING_CQ_TAIL,
		.ring_mask = RING_CQ_MASK,
		.ring_entries = RING_CQ_ENTRIES,
		.overflow = RING_CQ_OVERFLOW,
		.cqes = l->cqes_off,
		.flags = RING_CQ_FLAGS,
		.user_addr = cq_at,
	};
}

/* ---- descriptors ---- */

int setup_install_registered(struct uring_task *ut, struct file *f, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		if (!ut->ring_fds[i]) {
			ut->ring_fds[i] = f;
			return (int)i;
		}
	}
	return -EBUSY;
}

/* Takes the reference in every case. */
static long give_number(struct task *t, struct ring *r, struct file *f, struct uring_task *ut)
{
	int n;

	if (r->flags & IORING_SETUP_REGISTERED_FD_ONLY)
		n = setup_install_registered(ut, f, 0, RING_FDS_MAX);
	else
		n = fd_install(t, f, 0, true);
	if (n < 0)
		file_put(f);
	return n;
}

/* ---- the whole ---- */

static int ring_build(struct task *t, struct ring *r, struct io_uring_params *p)
{
	const struct layout_spec spec = {
		.flags = p->flags,
		.sq_entries = p->sq_entries,
		.cq_entries = p->cq_entries,
		.t = t,
		.user = &r->locked_user,
		.rings_at = p->cq_off.user_addr,
		.sqes_at = p->sq_off.user_addr,
	};

	r->flags = p->flags;
	r->locked_user = locked_user_of(t);
	return ring_layout_create(&spec, &r->layout);
}

/* ATTACH_WQ without SQPOLL shares workers, which here belong to the task anyway: only
 * the descriptor is checked. */
static int check_attach(struct task *t, const struct io_uring_params *p)
{
	struct file *f;
	int err;

	if ((p->flags & (IORING_SETUP_ATTACH_WQ | IORING_SETUP_SQPOLL)) != IORING_SETUP_ATTACH_WQ)
		return 0;
	f = fd_get(t, (int)p->wq_fd);
	if (!f)
		return -ENXIO;
	err = file_is_uring(f) ? 0 : -EINVAL;
	file_put(f);
	return err;
}

static void ring_start(struct ring *r, struct uring_task *ut)
{
	if (r->flags & IORING_SETUP_R_DISABLED)
		atomic_store(&r->is_disabled, true);
	else if (r->flags & IORING_SETUP_SINGLE_ISSUER)
		ring_set_single(r, ut);
	if (r->flags & IORING_SETUP_TASKRUN_FLAG)
		r->taskrun_word = ring_word(&r->layout, RING_SQ_FLAGS);
	rings_add(r);
}

static long setup_create(struct task *t, struct io_uring_params *p, gva_t user)
{
	struct uring_task *ut;
	struct file *f = NULL;
	struct ring *r;
	int err = owner_of(t, &ut);

	if (err < 0)
		return err;
	r = ring_alloc(t->kernel);
	if (!r)
		return -ENOMEM;
	err = ring_build(t, r, p);
	if (err == 0)
		err = check_attach(t, p);
	if (err == 0)
		ring_start(r, ut);
	if (err == 0)
		err = sqpoll_setup(t, r, p);
	if (err == 0)
		err = ring_open(r, t->cred, &f);
	if (err < 0) {
		if (r->sqpoll)
			sqpoll_remove(r);
		ring_put(r);
		return err;
	}
	setup_fill_offsets(&r->layout, p);
	p->features = FEATURES;
	if (mm_copy_out(t->mm, user, p, sizeof(*p)) < 0) {
		file_put(f);
		return -EFAULT;
	}
	return give_number(t, r, f, ut);
}

long uring_setup_call(struct task *t, uint32_t entries, gva_t user)
{
	struct io_uring_params p;
	int err;

	if (uring_is_disabled)
		return -ENOSYS;
	if (mm_copy_in(t->mm, &p, user, sizeof(p)) < 0)
		return -EFAULT;
	for (size_t i = 0; i < ARRAY_SIZE(p.resv); i++) {
		if (p.resv[i])
			return -EINVAL;
	}
	err = check_flags(p.flags);
	if (err == 0)
		err = setup_check_sizes(entries, &p);
	return err < 0 ? err : setup_create(t, &p, user);
}
