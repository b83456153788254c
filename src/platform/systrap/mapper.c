/*
 * Batches for a stub's mapper.
 *
 * One request at a time per stub, under as.lock: fill the request page, bump
 * seq, wake; the mapper executes and stores seq to done, by pwrite(), which
 * guests cannot forge. Nobody spins: the mapper runs on the core that we leave.
 *
 * Operations that may be lazy wait in the request page (s->nqueued of them), and
 * go with the next batch, at the latest before the guest is entered. A map that
 * fails there is left out: the guest will fault and it is tried again.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "host/host.h"
#include "platform/systrap/systrap.h"

#define DEATH_CHECK_NS 200000000ull

static bool is_done(const struct space *s)
{
	return atomic_load_explicit(&s->req->done, memory_order_acquire) == s->seq;
}

/* The mapper carries out the first `count` operations of the request page.
 * 0, -ESRCH, or what the one at *failed met; the later ones are not done. */
static int run_locked(struct space *s, unsigned count, unsigned *failed)
{
	struct systrap *st = space_systrap(s);
	unsigned seen;

	s->req->count = count;
	s->req->err = 0;
	s->seq++;
	placement_mapper_locked(st, s);
	atomic_store(&s->req->seq, s->seq);
	stub_futex_wake(&s->req->seq);
	STAT_INC(st, mapper_batches);
	__atomic_fetch_add(&st->stats.mapper_ops, count, __ATOMIC_RELAXED);
	while (!is_done(s)) {
		if (atomic_load(&s->dead))
			return -ESRCH;
		seen = atomic_load(&s->req->done);
		if (seen != s->seq)
			stub_futex_wait(&s->req->done, seen, DEATH_CHECK_NS);
	}
	*failed = MIN(READ_ONCE(s->req->err_index), count);
	return -(int)s->req->err;
}

/* Runs what is queued and `count` operations behind it. */
static int run_all_locked(struct space *s, unsigned count, unsigned *failed)
{
	unsigned queued = s->nqueued;
	int r;

	s->nqueued = 0;
	for (;;) {
		r = run_locked(s, queued + count, failed);
		if (r == 0 || r == -ESRCH || *failed >= queued)
			break;
		/* A lazy map: the rest goes on without it. */
		queued -= *failed + 1;
		memmove(s->req->ops, &s->req->ops[*failed + 1],
			(queued + count) * sizeof(s->req->ops[0]));
	}
	*failed -= MIN(*failed, queued);
	return r;
}

static int flush_locked(struct space *s)
{
	unsigned failed;

	return s->nqueued ? run_all_locked(s, 0, &failed) : 0;
}

int mapper_post_locked(struct space *s, const struct request_op *ops, unsigned count,
		       unsigned *failed)
{
	unsigned ignored;
	int r;

	if (atomic_load(&s->dead))
		return -ESRCH;
	if (s->nqueued + count > REQ_OPS_MAX) {
		r = flush_locked(s);
		if (r == -ESRCH)
			return r;
	}
	for (unsigned i = 0; i < count; i++)
		s->req->ops[s->nqueued + i] = ops[i];
	return run_all_locked(s, count, failed ? failed : &ignored);
}

void mapper_forget_locked(struct space *s)
{
	s->nqueued = 0;
}

/* Only its one user queues for an address space: if there is nothing, it stays so. */
int mapper_settle(struct space *s)
{
	int r;

	if (likely(!s->nqueued))
		return 0;
	mutex_lock(&s->lock);
	r = flush_locked(s);
	mutex_unlock(&s->lock);
	return r == -ESRCH ? r : 0;
}

static void check_range(struct space *s, const struct platform_op *op)
{
	struct systrap *st = space_systrap(s);

	ASSERT(op->size && !((op->addr | op->size) & ~PAGE_MASK));
	ASSERT(op->addr >= 0x10000 && op->addr < st->region && op->size <= st->region - op->addr);
}

static void encode(struct request_op *out, const struct platform_op *op)
{
	switch (op->kind) {
	case PLATFORM_OP_MAP:
		*out = (struct request_op){
			.nr = SYS_mmap,
			.arg = { op->addr, op->size, (uint64_t)op->prot,
				 (uint64_t)(MAP_FIXED | (op->private ? MAP_PRIVATE : MAP_SHARED) |
					    (op->populate ? MAP_POPULATE : 0)),
				 (uint64_t)op->fd, op->offset },
		};
		break;
	case PLATFORM_OP_UNMAP:
		*out = (struct request_op){ .nr = SYS_munmap, .arg = { op->addr, op->size } };
		break;
	case PLATFORM_OP_PROTECT:
		*out = (struct request_op){
			.nr = SYS_mprotect,
			.arg = { op->addr, op->size, (uint64_t)op->prot },
		};
		break;
	}
}

/* A batch that could not be carried out leaves the guest with memory that it
 * should have lost, unless the failing operation was a map. */
static int apply_failed(struct space *s, const struct platform_op *op, int r)
{
	if (r == -ESRCH || op->kind == PLATFORM_OP_MAP)
		return r;
	log_warn("stub %d: cannot change its mappings: error %d; killed", s->pid, -r);
	space_kill(&s->base);
	space_wait_dead(s);
	return -ESRCH;
}

static int queue_locked(struct space *s, const struct platform_op *ops, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		if (s->nqueued == REQ_OPS_MAX)
			r = flush_locked(s);
		check_range(s, &ops[i]);
		encode(&s->req->ops[s->nqueued++], &ops[i]);
	}
	return r == -ESRCH ? r : 0;
}

static int apply_locked(struct space *s, const struct platform_op *ops, size_t count)
{
	int r = 0;

	while (count && r == 0) {
		unsigned n = (unsigned)MIN(count, (size_t)REQ_OPS_MAX), failed = 0;
		struct request_op batch[REQ_OPS_MAX];

		for (unsigned i = 0; i < n; i++) {
			check_range(s, &ops[i]);
			encode(&batch[i], &ops[i]);
		}
		r = mapper_post_locked(s, batch, n, &failed);
		if (r < 0)
			r = apply_failed(s, &ops[MIN(failed, n - 1)], r);
		ops += n;
		count -= n;
	}
	return r;
}

int space_apply(struct platform_as *as, const struct platform_op *ops, size_t count, bool lazy)
{
	struct space *s = space_of(as);
	int r;

	mutex_lock(&s->lock);
	if (atomic_load(&s->dead))
		r = -ESRCH;
	else if (lazy)
		r = queue_locked(s, ops, count);
	else
		r = apply_locked(s, ops, count);
	mutex_unlock(&s->lock);
	return r;
}
