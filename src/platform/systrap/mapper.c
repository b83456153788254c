/*
 * Batches for a stub's mapper.
 *
 * One request at a time per stub, under as.lock: fill the request page, bump
 * seq, wake; the mapper executes and stores seq to done, by pwrite(), which
 * guests cannot forge. Nobody spins: the mapper runs on the core that we leave.
 */
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

int mapper_wait_locked(struct space *s)
{
	unsigned seen;

	s->lazy_pending = false;
	while (!is_done(s)) {
		if (atomic_load(&s->dead))
			return -ESRCH;
		seen = atomic_load(&s->req->done);
		if (seen != s->seq)
			stub_futex_wait(&s->req->done, seen, DEATH_CHECK_NS);
	}
	if (s->req->err) {
		int err = (int)s->req->err;

		s->req->err = 0;
		return -err;
	}
	return 0;
}

int mapper_post_locked(struct space *s, const struct request_op *ops, unsigned count, bool lazy)
{
	struct systrap *st = space_systrap(s);
	int r;

	if (s->lazy_pending) {
		r = mapper_wait_locked(s);
		if (r == -ESRCH)
			return r;
		/* A map that failed late shows as a fault and is tried again. */
	}
	if (atomic_load(&s->dead))
		return -ESRCH;
	for (unsigned i = 0; i < count; i++)
		s->req->ops[i] = ops[i];
	s->req->count = count;
	s->req->err = 0;
	s->seq++;
	atomic_store(&s->req->seq, s->seq);
	placement_mapper_locked(st, s);
	stub_futex_wake(&s->req->seq);
	STAT_INC(st, mapper_batches);
	__atomic_fetch_add(&st->stats.mapper_ops, count, __ATOMIC_RELAXED);
	if (lazy) {
		s->lazy_pending = true;
		return 0;
	}
	return mapper_wait_locked(s);
}

int mapper_settle(struct space *s)
{
	int r = 0;

	if (likely(!s->lazy_pending))
		return 0;
	mutex_lock(&s->lock);
	if (s->lazy_pending)
		r = mapper_wait_locked(s);
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
static int apply_failed(struct space *s, const struct platform_op *ops, int r)
{
	uint32_t index = READ_ONCE(s->req->err_index);

	if (r == -ESRCH)
		return r;
	if (index < REQ_OPS_MAX && ops[index].kind == PLATFORM_OP_MAP)
		return r;
	log_warn("stub %d: cannot change its mappings: error %d; killed", s->pid, -r);
	space_kill(&s->base);
	space_wait_dead(s);
	return -ESRCH;
}

int space_apply(struct platform_as *as, const struct platform_op *ops, size_t count, bool lazy)
{
	struct space *s = space_of(as);
	int r = 0;

	mutex_lock(&s->lock);
	while (count && r == 0) {
		unsigned n = (unsigned)MIN(count, (size_t)REQ_OPS_MAX);
		struct request_op batch[REQ_OPS_MAX];

		for (unsigned i = 0; i < n; i++) {
			check_range(s, &ops[i]);
			encode(&batch[i], &ops[i]);
		}
		r = mapper_post_locked(s, batch, n, lazy && n == count);
		if (r < 0)
			r = apply_failed(s, ops, r);
		ops += n;
		count -= n;
	}
	mutex_unlock(&s->lock);
	return r;
}
