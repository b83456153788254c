/* The arguments of io_uring_setup(2), io_uring_enter(2) and io_uring_register(2), as
 * strace shows them. What a program puts into a ring is not a call and not shown. */
#include "abi/io_uring_reg.h"
#include "abi/time.h"
#include "syscall/strace_internal.h"

#define SHOWN_FDS 32u

#define N(x)                      \
	{                         \
		(uint64_t)(x), #x \
	}

static const struct strace_name setup_flags[] = {
	N(IORING_SETUP_IOPOLL),        N(IORING_SETUP_SQPOLL),
	N(IORING_SETUP_SQ_AFF),        N(IORING_SETUP_CQSIZE),
	N(IORING_SETUP_CLAMP),         N(IORING_SETUP_ATTACH_WQ),
	N(IORING_SETUP_R_DISABLED),    N(IORING_SETUP_SUBMIT_ALL),
	N(IORING_SETUP_COOP_TASKRUN),  N(IORING_SETUP_TASKRUN_FLAG),
	N(IORING_SETUP_SQE128),        N(IORING_SETUP_CQE32),
	N(IORING_SETUP_SINGLE_ISSUER), N(IORING_SETUP_DEFER_TASKRUN),
	N(IORING_SETUP_NO_MMAP),       N(IORING_SETUP_REGISTERED_FD_ONLY),
	N(IORING_SETUP_NO_SQARRAY),    N(IORING_SETUP_HYBRID_IOPOLL),
	N(IORING_SETUP_CQE_MIXED),
};
static const struct strace_name features[] = {
	N(IORING_FEAT_SINGLE_MMAP),     N(IORING_FEAT_NODROP),
	N(IORING_FEAT_SUBMIT_STABLE),   N(IORING_FEAT_RW_CUR_POS),
	N(IORING_FEAT_CUR_PERSONALITY), N(IORING_FEAT_FAST_POLL),
	N(IORING_FEAT_POLL_32BITS),     N(IORING_FEAT_SQPOLL_NONFIXED),
	N(IORING_FEAT_EXT_ARG),         N(IORING_FEAT_NATIVE_WORKERS),
	N(IORING_FEAT_RSRC_TAGS),       N(IORING_FEAT_CQE_SKIP),
	N(IORING_FEAT_LINKED_FILE),     N(IORING_FEAT_REG_REG_RING),
	N(IORING_FEAT_RECVSEND_BUNDLE), N(IORING_FEAT_MIN_TIMEOUT),
	N(IORING_FEAT_RW_ATTR),         N(IORING_FEAT_NO_IOWAIT),
};
static const struct strace_name enter_flags[] = {
	N(IORING_ENTER_GETEVENTS),   N(IORING_ENTER_SQ_WAKEUP),       N(IORING_ENTER_SQ_WAIT),
	N(IORING_ENTER_EXT_ARG),     N(IORING_ENTER_REGISTERED_RING), N(IORING_ENTER_ABS_TIMER),
	N(IORING_ENTER_EXT_ARG_REG), N(IORING_ENTER_NO_IOWAIT),
};
static const struct strace_name opcodes[] = {
	N(IORING_REGISTER_BUFFERS),        N(IORING_UNREGISTER_BUFFERS),
	N(IORING_REGISTER_FILES),          N(IORING_UNREGISTER_FILES),
	N(IORING_REGISTER_EVENTFD),        N(IORING_UNREGISTER_EVENTFD),
	N(IORING_REGISTER_FILES_UPDATE),   N(IORING_REGISTER_EVENTFD_ASYNC),
	N(IORING_REGISTER_PROBE),          N(IORING_REGISTER_PERSONALITY),
	N(IORING_UNREGISTER_PERSONALITY),  N(IORING_REGISTER_RESTRICTIONS),
	N(IORING_REGISTER_ENABLE_RINGS),   N(IORING_REGISTER_FILES2),
	N(IORING_REGISTER_FILES_UPDATE2),  N(IORING_REGISTER_BUFFERS2),
	N(IORING_REGISTER_BUFFERS_UPDATE), N(IORING_REGISTER_IOWQ_AFF),
	N(IORING_UNREGISTER_IOWQ_AFF),     N(IORING_REGISTER_IOWQ_MAX_WORKERS),
	N(IORING_REGISTER_RING_FDS),       N(IORING_UNREGISTER_RING_FDS),
	N(IORING_REGISTER_PBUF_RING),      N(IORING_UNREGISTER_PBUF_RING),
	N(IORING_REGISTER_SYNC_CANCEL),    N(IORING_REGISTER_FILE_ALLOC_RANGE),
	N(IORING_REGISTER_PBUF_STATUS),    N(IORING_REGISTER_NAPI),
	N(IORING_UNREGISTER_NAPI),         N(IORING_REGISTER_CLOCK),
	N(IORING_REGISTER_CLONE_BUFFERS),  N(IORING_REGISTER_SEND_MSG_RING),
	N(IORING_REGISTER_ZCRX_IFQ),       N(IORING_REGISTER_RESIZE_RINGS),
	N(IORING_REGISTER_MEM_REGION),     N(IORING_REGISTER_QUERY),
};

static const struct strace_names setup_names = STRACE_NAMES(setup_flags);
static const struct strace_names feature_names = STRACE_NAMES(features);
static const struct strace_names enter_names = STRACE_NAMES(enter_flags);
static const struct strace_names opcode_names = STRACE_NAMES(opcodes);

void strace_uring_enter_flags(struct strace_line *l, uint64_t flags)
{
	strace_flags(l, (uint32_t)flags, &enter_names);
}

void strace_uring_opcode(struct strace_line *l, uint64_t opcode)
{
	uint32_t op = (uint32_t)opcode;

	if (op & IORING_REGISTER_USE_REGISTERED_RING)
		strace_puts(l, "IORING_REGISTER_USE_REGISTERED_RING|");
	strace_value(l, op & ~IORING_REGISTER_USE_REGISTERED_RING, &opcode_names, "%d");
}

static void print_offsets(struct strace_line *l, const struct io_uring_params *p)
{
	const struct io_sqring_offsets *sq = &p->sq_off;
	const struct io_cqring_offsets *cq = &p->cq_off;

	strace_printf(l,
		      ", sq_off={head=%u, tail=%u, ring_mask=%u, ring_entries=%u, flags=%u, "
		      "dropped=%u, array=%u",
		      sq->head, sq->tail, sq->ring_mask, sq->ring_entries, sq->flags, sq->dropped,
		      sq->array);
	if (sq->user_addr)
		strace_printf(l, ", user_addr=%#llx", (unsigned long long)sq->user_addr);
	strace_printf(l,
		      "}, cq_off={head=%u, tail=%u, ring_mask=%u, ring_entries=%u, overflow=%u, "
		      "cqes=%u, flags=%u",
		      cq->head, cq->tail, cq->ring_mask, cq->ring_entries, cq->overflow, cq->cqes,
		      cq->flags);
	if (cq->user_addr)
		strace_printf(l, ", user_addr=%#llx", (unsigned long long)cq->user_addr);
	strace_puts(l, "}");
}

/* What was asked for; and when that was granted, what there is. */
void strace_uring_params(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct io_uring_params p;

	if (!strace_get(l, c, c->args->a[i], &p, sizeof(p)))
		return;
	strace_puts(l, "{flags=");
	strace_flags(l, p.flags, &setup_names);
	strace_printf(l, ", sq_thread_cpu=%u, sq_thread_idle=%u", p.sq_thread_cpu,
		      p.sq_thread_idle);
	if (p.flags & IORING_SETUP_ATTACH_WQ)
		strace_printf(l, ", wq_fd=%d", (int)p.wq_fd);
	if (c->ret < 0) {
		if (p.flags & IORING_SETUP_CQSIZE)
			strace_printf(l, ", cq_entries=%u", p.cq_entries);
	} else {
		strace_printf(l, ", sq_entries=%u, cq_entries=%u, features=", p.sq_entries,
			      p.cq_entries);
		strace_flags(l, p.features, &feature_names);
		print_offsets(l, &p);
	}
	strace_puts(l, "}");
}

static void print_mask_at(struct strace_line *l, const struct strace_call *c, gva_t addr)
{
	uint64_t set;

	if (!addr)
		strace_puts(l, "NULL");
	else if (strace_get(l, c, addr, &set, sizeof(set)))
		strace_sigset(l, set);
}

/* A signal mask, or what the flags before it say. */
void strace_uring_wait(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	uint64_t flags = c->args->a[i - 1];
	struct io_uring_getevents_arg arg;
	struct abi_timespec ts;

	if (flags & IORING_ENTER_EXT_ARG_REG) {
		strace_printf(l, "%#llx", (unsigned long long)c->args->a[i]);
		return;
	}
	if (!(flags & IORING_ENTER_EXT_ARG)) {
		print_mask_at(l, c, c->args->a[i]);
		return;
	}
	if (!strace_get(l, c, c->args->a[i], &arg, sizeof(arg)))
		return;
	strace_puts(l, "{sigmask=");
	print_mask_at(l, c, arg.sigmask);
	strace_printf(l, ", sigmask_sz=%u, min_wait_usec=%u, ts=", arg.sigmask_sz,
		      arg.min_wait_usec);
	if (!arg.ts)
		strace_puts(l, "NULL");
	else if (strace_get(l, c, arg.ts, &ts, sizeof(ts)))
		strace_timespec(l, &ts);
	strace_puts(l, "}");
}

/* Descriptors, where the opcode before it takes such; else the address. */
void strace_uring_rsrc(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	uint32_t op = (uint32_t)c->args->a[i - 1] & ~IORING_REGISTER_USE_REGISTERED_RING;
	uint32_t count = (uint32_t)c->args->a[i + 1];
	int fds[SHOWN_FDS];

	if ((op != IORING_REGISTER_FILES && op != IORING_REGISTER_EVENTFD &&
	     op != IORING_REGISTER_EVENTFD_ASYNC) ||
	    count == 0) {
		strace_pointer(l, c->args->a[i]);
		return;
	}
	if (!strace_get(l, c, c->args->a[i], fds, MIN(count, SHOWN_FDS) * sizeof(fds[0])))
		return;
	for (uint32_t n = 0; n < MIN(count, SHOWN_FDS); n++)
		strace_printf(l, n ? ", %d" : "[%d", fds[n]);
	strace_puts(l, count > SHOWN_FDS ? ", ...]" : "]");
}
