/*
 * io_uring_register(2): one table row an opcode, with the function that reads its
 * argument. The caller's arguments are checked here as far as they are alike.
 */
#include <string.h>

#include "uring/cancel.h"
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/kbuf.h"
#include "uring/msg.h"
#include "uring/ops.h"
#include "uring/personality.h"
#include "uring/resize.h"
#include "uring/restrict.h"
#include "uring/setup.h"
#include "uring/sqpoll.h"
#include "uring/timeout.h"

/* One call. */
struct reg {
	struct ring *r;
	struct task *t;
	struct uring_task *ut;
	gva_t arg;
	unsigned nr;
};

static int reg_copy(const struct reg *g, void *out, size_t size)
{
	return mm_copy_in(g->t->mm, out, g->arg, size);
}

/* ---- buffers and files ---- */

static long reg_buffers(struct reg *g)
{
	return buffers_register(g->r, g->t, g->arg, g->nr);
}

static long unreg_buffers(struct reg *g)
{
	return buffers_unregister(g->r);
}

static long reg_files(struct reg *g)
{
	return files_register(g->r, g->t, g->arg, g->nr);
}

static long unreg_files(struct reg *g)
{
	return files_unregister(g->r);
}

/* A structure whose size is nr. */
static int reg_copy_sized(const struct reg *g, void *out, size_t size)
{
	if (g->nr != size)
		return -EINVAL;
	return reg_copy(g, out, size) < 0 ? -EFAULT : 0;
}

/* The structures with tags. */
static long rsrc_register(struct reg *g, long (*fn)(struct ring *r, struct task *t,
						    const struct io_uring_rsrc_register *rr))
{
	struct io_uring_rsrc_register rr;
	int err = reg_copy_sized(g, &rr, sizeof(rr));

	if (err < 0)
		return err;
	if (!rr.nr || rr.resv2 || (rr.flags & ~IORING_RSRC_REGISTER_SPARSE))
		return -EINVAL;
	return fn(g->r, g->t, &rr);
}

static long reg_files2(struct reg *g)
{
	return rsrc_register(g, files_register2);
}

static long reg_buffers2(struct reg *g)
{
	return rsrc_register(g, buffers_register2);
}

static long rsrc_update2(struct reg *g, long (*fn)(struct ring *r, struct task *t,
						   const struct io_uring_rsrc_update2 *up))
{
	struct io_uring_rsrc_update2 up;
	int err = reg_copy_sized(g, &up, sizeof(up));

	if (err < 0)
		return err;
	if (!up.nr || up.resv || up.resv2)
		return -EINVAL;
	return fn(g->r, g->t, &up);
}

static long reg_files_update2(struct reg *g)
{
	return rsrc_update2(g, files_update);
}

static long reg_buffers_update(struct reg *g)
{
	return rsrc_update2(g, buffers_update);
}

static long reg_files_update(struct reg *g)
{
	struct io_uring_rsrc_update2 up = { 0 };

	if (!g->nr)
		return -EINVAL;
	if (reg_copy(g, &up, sizeof(struct io_uring_rsrc_update)) < 0)
		return -EFAULT;
	if (up.resv)
		return -EINVAL;
	up.nr = g->nr;
	return files_update(g->r, g->t, &up);
}

static long reg_alloc_range(struct reg *g)
{
	return files_alloc_range(g->r, g->t, g->arg);
}

static long reg_clone(struct reg *g)
{
	return buffers_clone(g->r, g->t, g->arg);
}

/* ---- eventfd ---- */

static long set_eventfd(struct reg *g, bool is_async)
{
	struct file *f;
	int32_t fd;
	long err;

	if (g->r->eventfd)
		return -EBUSY;
	if (reg_copy(g, &fd, sizeof(fd)) < 0)
		return -EFAULT;
	f = fd_get(g->t, fd);
	if (!f)
		return -EBADF;
	err = uring_ext.file_is_eventfd(f) ? 0 : -EINVAL;
	if (err < 0) {
		file_put(f);
		return err;
	}
	mutex_lock(&g->r->lock);
	g->r->eventfd = f;
	g->r->eventfd_async = is_async;
	mutex_unlock(&g->r->lock);
	atomic_store(&g->r->has_eventfd, true);
	return 0;
}

static long reg_eventfd(struct reg *g)
{
	return set_eventfd(g, false);
}

static long reg_eventfd_async(struct reg *g)
{
	return set_eventfd(g, true);
}

static long unreg_eventfd(struct reg *g)
{
	struct file *f;

	mutex_lock(&g->r->lock);
	f = g->r->eventfd;
	g->r->eventfd = NULL;
	mutex_unlock(&g->r->lock);
	if (!f)
		return -ENXIO;
	atomic_store(&g->r->has_eventfd, false);
	file_put(f);
	return 0;
}

/* ---- what there is ---- */

static int check_probe_is_zero(const struct reg *g, unsigned nr)
{
	uint8_t buf[sizeof(struct io_uring_probe_op)];

	static_assert(sizeof(struct io_uring_probe) % sizeof(buf) == 0, "in steps of this");
	for (unsigned i = 0; i < nr + sizeof(struct io_uring_probe) / sizeof(buf); i++) {
		if (mm_copy_in(g->t->mm, buf, g->arg + i * sizeof(buf), sizeof(buf)) < 0)
			return -EFAULT;
		for (size_t k = 0; k < sizeof(buf); k++) {
			if (buf[k])
				return -EINVAL;
		}
	}
	return 0;
}

static long reg_probe(struct reg *g)
{
	struct io_uring_probe p = { .last_op = IORING_OP_LAST - 1 };
	unsigned nr = MIN(g->nr, (unsigned)IORING_OP_LAST);
	int err;

	if (!g->arg || g->nr > 256)
		return -EINVAL;
	err = check_probe_is_zero(g, nr);
	if (err < 0)
		return err;
	p.ops_len = (uint8_t)nr;
	for (unsigned i = 0; i < nr && err == 0; i++) {
		struct io_uring_probe_op op = {
			.op = (uint8_t)i,
			.flags = uring_op_is_supported(i) ? IO_URING_OP_SUPPORTED : 0,
		};

		err = mm_copy_out(g->t->mm, g->arg + sizeof(p) + i * sizeof(op), &op, sizeof(op));
	}
	return err < 0 ? err : mm_copy_out(g->t->mm, g->arg, &p, sizeof(p));
}

/* ---- enabling, restrictions, credentials ---- */

static long reg_enable(struct reg *g)
{
	struct ring *r = g->r;

	if (!atomic_load(&r->is_disabled))
		return -EBADFD;
	if (r->flags & IORING_SETUP_SINGLE_ISSUER)
		ring_set_single(r, g->ut);
	atomic_store(&r->is_disabled, false);
	if (r->sqpoll)
		sqpoll_wake(r);
	return 0;
}

static long reg_restrictions(struct reg *g)
{
	return restrictions_register(g->r, g->t, g->arg, g->nr);
}

static long reg_personality(struct reg *g)
{
	return personality_register(g->r, g->t->cred);
}

static long unreg_personality(struct reg *g)
{
	return personality_unregister(g->r, g->nr);
}

/* ---- workers ---- */

/* Workers run where the host puts them; the mask is only checked. */
static long reg_iowq_aff(struct reg *g)
{
	uint8_t mask[128];
	size_t size = MIN((size_t)g->nr, sizeof(mask));

	if (!g->arg || !g->nr)
		return -EINVAL;
	return mm_copy_in(g->t->mm, mask, g->arg, size);
}

static long unreg_iowq_aff(struct reg *g UNUSED)
{
	return 0;
}

static long reg_iowq_max(struct reg *g)
{
	uint32_t max[POOL_CLASSES];

	if (!g->arg || g->nr != POOL_CLASSES)
		return -EINVAL;
	if (reg_copy(g, max, sizeof(max)) < 0)
		return -EFAULT;
	for (int i = 0; i < POOL_CLASSES; i++) {
		if (max[i] > INT32_MAX)
			return -EINVAL;
	}
	pool_set_max(g->ut, max);
	return mm_copy_out(g->t->mm, g->arg, max, sizeof(max));
}

/* ---- the task's ring descriptors ---- */

static int ring_fd_add(struct reg *g, struct io_uring_rsrc_update *up)
{
	unsigned from = 0, to = RING_FDS_MAX;
	struct file *f;
	int n;

	if (up->resv)
		return -EINVAL;
	if (up->offset != UINT32_MAX) {
		if (up->offset >= RING_FDS_MAX)
			return -EINVAL;
		from = up->offset;
		to = from + 1;
	}
	f = fd_get(g->t, (int)up->data);
	if (!f)
		return -EBADF;
	n = file_is_uring(f) ? setup_install_registered(g->ut, f, from, to) : -EOPNOTSUPP;
	if (n < 0) {
		file_put(f);
		return n;
	}
	up->offset = (uint32_t)n;
	return 0;
}

static long reg_ring_fds(struct reg *g)
{
	struct io_uring_rsrc_update up;
	unsigned i;
	int err = 0;

	if (!g->nr || g->nr > RING_FDS_MAX)
		return -EINVAL;
	for (i = 0; i < g->nr; i++) {
		gva_t at = g->arg + i * sizeof(up);

		err = mm_copy_in(g->t->mm, &up, at, sizeof(up));
		if (err == 0)
			err = ring_fd_add(g, &up);
		if (err < 0)
			break;
		if (mm_copy_out(g->t->mm, at, &up, sizeof(up)) < 0) {
			file_put(g->ut->ring_fds[up.offset]);
			g->ut->ring_fds[up.offset] = NULL;
			err = -EFAULT;
			break;
		}
	}
	return i ? (long)i : err;
}

static long unreg_ring_fds(struct reg *g)
{
	struct io_uring_rsrc_update up;
	unsigned i;
	int err = 0;

	if (!g->nr || g->nr > RING_FDS_MAX)
		return -EINVAL;
	for (i = 0; i < g->nr; i++) {
		if (mm_copy_in(g->t->mm, &up, g->arg + i * sizeof(up), sizeof(up)) < 0) {
			err = -EFAULT;
			break;
		}
		if (up.resv || up.data || up.offset >= RING_FDS_MAX) {
			err = -EINVAL;
			break;
		}
		file_put(g->ut->ring_fds[up.offset]);
		g->ut->ring_fds[up.offset] = NULL;
	}
	return i ? (long)i : err;
}

/* ---- provided buffers ---- */

static long reg_pbuf_ring(struct reg *g)
{
	return kbuf_register_ring(g->r, g->t, g->arg);
}

static long unreg_pbuf_ring(struct reg *g)
{
	return kbuf_unregister_ring(g->r, g->t, g->arg);
}

static long reg_pbuf_status(struct reg *g)
{
	return kbuf_ring_status(g->r, g->t, g->arg);
}

/* ---- the rest ---- */

static long reg_sync_cancel(struct reg *g)
{
	return cancel_sync(g->r, g->t, g->ut, g->arg);
}

static long reg_clock(struct reg *g)
{
	struct io_uring_clock_register c;

	if (reg_copy(g, &c, sizeof(c)) < 0)
		return -EFAULT;
	if (c.resv[0] || c.resv[1] || c.resv[2])
		return -EINVAL;
	if (c.clockid != CLOCK_MONOTONIC && c.clockid != CLOCK_BOOTTIME)
		return -EINVAL;
	g->r->wait_clock = (int)c.clockid;
	return 0;
}

static long reg_resize(struct reg *g)
{
	return resize_rings(g->r, g->t, g->arg);
}

static int make_param_region(struct reg *g, struct io_uring_region_desc *d, struct region *out)
{
	struct region_spec spec = { .t = g->t, .user = &g->r->locked_user };

	if (d->resv[0] || d->resv[1] || d->resv[2] || d->resv[3] || d->id || d->mmap_offset)
		return -EINVAL;
	if (d->flags & ~IORING_MEM_REGION_TYPE_USER)
		return -EINVAL;
	if ((d->user_addr != 0) != ((d->flags & IORING_MEM_REGION_TYPE_USER) != 0))
		return -EFAULT;
	if (!d->size || (d->size & ~PAGE_MASK) || (d->user_addr & ~PAGE_MASK))
		return -EINVAL;
	if (d->size > ((uint64_t)1 << 30))
		return -E2BIG;
	spec.is_users = d->flags & IORING_MEM_REGION_TYPE_USER;
	spec.addr = d->user_addr;
	spec.size = d->size;
	if (!spec.is_users)
		d->mmap_offset = IORING_OFF_PARAM_REGION;
	return region_create(&spec, out);
}

static long reg_mem_region(struct reg *g)
{
	struct io_uring_mem_region_reg reg;
	struct io_uring_region_desc d;
	struct region mem;
	int err;

	if (region_exists(&g->r->param))
		return -EBUSY;
	if (reg_copy(g, &reg, sizeof(reg)) < 0)
		return -EFAULT;
	if (mm_copy_in(g->t->mm, &d, reg.region_uptr, sizeof(d)) < 0)
		return -EFAULT;
	if (reg.resv[0] || reg.resv[1] || (reg.flags & ~(uint64_t)IORING_MEM_REGION_REG_WAIT_ARG))
		return -EINVAL;
	/* Others might be waiting with it. */
	if ((reg.flags & IORING_MEM_REGION_REG_WAIT_ARG) && !atomic_load(&g->r->is_disabled))
		return -EINVAL;
	err = make_param_region(g, &d, &mem);
	if (err < 0)
		return err;
	if (mm_copy_out(g->t->mm, reg.region_uptr, &d, sizeof(d)) < 0) {
		region_destroy(&mem);
		return -EFAULT;
	}
	mutex_lock(&g->r->lock);
	g->r->param = mem;
	mutex_unlock(&g->r->lock);
	g->r->param_is_wait_arg = reg.flags & IORING_MEM_REGION_REG_WAIT_ARG;
	return 0;
}

/* ---- the table ---- */

enum reg_nr {
	NR_ANY,      /* the function looks at it */
	NR_ONE,      /* 1, and an argument */
	NR_NONE,     /* 0, and no argument */
	NR_SOME,     /* not 0, and an argument */
	NR_NONE_ARG, /* 0, the argument may be anything */
	NR_ID,       /* a number, and no argument */
};

static const struct reg_op {
	long (*fn)(struct reg *g);
	enum reg_nr nr;
	int refusal; /* when there is no function */
} reg_ops[IORING_REGISTER_LAST] = {
	[IORING_REGISTER_BUFFERS] = { reg_buffers, NR_ANY, 0 },
	[IORING_UNREGISTER_BUFFERS] = { unreg_buffers, NR_NONE, 0 },
	[IORING_REGISTER_FILES] = { reg_files, NR_ANY, 0 },
	[IORING_UNREGISTER_FILES] = { unreg_files, NR_NONE, 0 },
	[IORING_REGISTER_EVENTFD] = { reg_eventfd, NR_ONE, 0 },
	[IORING_UNREGISTER_EVENTFD] = { unreg_eventfd, NR_NONE, 0 },
	[IORING_REGISTER_FILES_UPDATE] = { reg_files_update, NR_ANY, 0 },
	[IORING_REGISTER_EVENTFD_ASYNC] = { reg_eventfd_async, NR_ONE, 0 },
	[IORING_REGISTER_PROBE] = { reg_probe, NR_ANY, 0 },
	[IORING_REGISTER_PERSONALITY] = { reg_personality, NR_NONE, 0 },
	[IORING_UNREGISTER_PERSONALITY] = { unreg_personality, NR_ID, 0 },
	[IORING_REGISTER_RESTRICTIONS] = { reg_restrictions, NR_ANY, 0 },
	[IORING_REGISTER_ENABLE_RINGS] = { reg_enable, NR_NONE, 0 },
	[IORING_REGISTER_FILES2] = { reg_files2, NR_ANY, 0 },
	[IORING_REGISTER_FILES_UPDATE2] = { reg_files_update2, NR_ANY, 0 },
	[IORING_REGISTER_BUFFERS2] = { reg_buffers2, NR_ANY, 0 },
	[IORING_REGISTER_BUFFERS_UPDATE] = { reg_buffers_update, NR_ANY, 0 },
	[IORING_REGISTER_IOWQ_AFF] = { reg_iowq_aff, NR_ANY, 0 },
	[IORING_UNREGISTER_IOWQ_AFF] = { unreg_iowq_aff, NR_NONE, 0 },
	[IORING_REGISTER_IOWQ_MAX_WORKERS] = { reg_iowq_max, NR_ANY, 0 },
	[IORING_REGISTER_RING_FDS] = { reg_ring_fds, NR_ANY, 0 },
	[IORING_UNREGISTER_RING_FDS] = { unreg_ring_fds, NR_ANY, 0 },
	[IORING_REGISTER_PBUF_RING] = { reg_pbuf_ring, NR_ONE, 0 },
	[IORING_UNREGISTER_PBUF_RING] = { unreg_pbuf_ring, NR_ONE, 0 },
	[IORING_REGISTER_SYNC_CANCEL] = { reg_sync_cancel, NR_ONE, 0 },
	[IORING_REGISTER_FILE_ALLOC_RANGE] = { reg_alloc_range, NR_NONE_ARG, 0 },
	[IORING_REGISTER_PBUF_STATUS] = { reg_pbuf_status, NR_ONE, 0 },
	[IORING_REGISTER_NAPI] = { NULL, NR_ANY, EINVAL },
	[IORING_UNREGISTER_NAPI] = { NULL, NR_ANY, EINVAL },
	[IORING_REGISTER_CLOCK] = { reg_clock, NR_NONE_ARG, 0 },
	[IORING_REGISTER_CLONE_BUFFERS] = { reg_clone, NR_ONE, 0 },
	[IORING_REGISTER_SEND_MSG_RING] = { NULL, NR_ANY, EINVAL }, /* only without a ring */
	[IORING_REGISTER_ZCRX_IFQ] = { NULL, NR_ANY, EINVAL },
	[IORING_REGISTER_RESIZE_RINGS] = { reg_resize, NR_ONE, 0 },
	[IORING_REGISTER_MEM_REGION] = { reg_mem_region, NR_ONE, 0 },
	[IORING_REGISTER_QUERY] = { NULL, NR_ANY, EINVAL },
};

static bool nr_is_right(const struct reg *g, enum reg_nr nr)
{
	switch (nr) {
	case NR_ANY:
		return true;
	case NR_ONE:
		return g->arg && g->nr == 1;
	case NR_NONE:
		return !g->arg && !g->nr;
	case NR_SOME:
		return g->arg && g->nr;
	case NR_NONE_ARG:
		return g->arg && !g->nr;
	case NR_ID:
		return !g->arg;
	}
	return false;
}

/* => the token */
static long reg_run(struct reg *g, unsigned opcode)
{
	const struct reg_op *op = &reg_ops[opcode];
	const struct uring_task *single = ring_single(g->r);

	if (single && single != g->ut)
		return -EEXIST;
	if (g->r->restrictions && !atomic_load(&g->r->is_disabled) &&
	    !restrictions_allow_register(g->r->restrictions, opcode))
		return -EACCES;
	if (!op->fn)
		return -op->refusal;
	return nr_is_right(g, op->nr) ? op->fn(g) : -EINVAL;
}

static long reg_on_file(struct task *t, struct file *f, unsigned opcode, gva_t arg, uint32_t nr)
{
	struct reg g = { .r = ring_of(f), .t = t, .arg = arg, .nr = nr };
	struct issue is;
	long err;

	if (!g.r)
		return -EOPNOTSUPP;
	err = owner_of(t, &g.ut);
	if (err == 0)
		err = token_take(&g.r->token, &t->waiter);
	if (err < 0)
		return err;
	issue_init(&is, t, g.ut);
	owner_enter(g.ut);
	err = reg_run(&g, opcode);
	token_give(&g.r->token);
	owner_exit(g.ut, &is);
	return err;
}

long uring_register_call(struct task *t, uint32_t fd, uint32_t opcode, gva_t arg, uint32_t nr)
{
	bool registered = opcode & IORING_REGISTER_USE_REGISTERED_RING;
	struct file *f;
	long err;

	if (uring_is_disabled)
		return -ENOSYS;
	opcode &= ~IORING_REGISTER_USE_REGISTERED_RING;
	if (opcode >= IORING_REGISTER_LAST)
		return -EINVAL;
	if (fd == UINT32_MAX)
		return register_without_ring(t, opcode, arg, nr);
	err = ring_file_get(t, fd, registered, &f);
	if (err < 0)
		return err;
	err = reg_on_file(t, f, opcode, arg, nr);
	file_put(f);
	return err;
}
