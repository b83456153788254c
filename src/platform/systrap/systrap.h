/*
 * systrap: guests run natively in stub processes; every way out of them is a
 * signal in the stub, which the kernel sees through shared memory.
 *
 * Files: layout.h and stub.S (what runs in stubs), filter.c (the seccomp
 * programs), zygote.c (the first stub), mapper.c (batches of mmap, munmap,
 * mprotect, clone), space.c (address spaces, the pool), context.c (guest
 * threads, the switch), handover.c (who waits how), frame.c (registers in the host's
 * signal frame), gate.c (calls without a signal), placement.c (cores), reaper.c (dead
 * stubs), systrap.c (bring-up).
 *
 * What is believed
 *  - The request page, because only the kernel and a mapper's pwrite() write
 *    to it, and no guest thread has a descriptor.
 *  - That a guest thread has its seccomp program: it cannot reach its first
 *    trap otherwise (stub.S, thread_start).
 *  - Nothing in a context area. A guest thread can pretend to have trapped,
 *    or change registers under us: it gains what it could have had by really
 *    trapping with them. It may still be running then, so memory is taken
 *    from it only by the mapper, and before it is given to anybody else.
 *
 * Life of a context: parked (its host thread rests in its frame) -> bound by
 * ctx_create -> {trapped <-> running} -> parked by ctx_destroy. It ends with
 * its stub.
 *
 * Locks, outermost first:
 *	[p] systrap.lock        LOCK_PLATFORM        stubs, the pool
 *	[s] space.lock          LOCK_PLATFORM_AS     the request page, parking
 *	[l] systrap.slots_lock  LOCK_PLATFORM_SLOTS  slots, lists of contexts
 */
#pragma once

#include <linux/filter.h>
#include <signal.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/park.h"
#include "platform/internal.h"
#include "platform/systrap/layout.h"

/* The signal that interrupts guest code: ignored by default, so a stray one
 * to a mapper does nothing. */
#define STUB_INTERRUPT SIGURG

/* How long waiting for the other side by spinning pays; spin_tsc in ticks. */
#define SPIN_NS 100000

/* placement.c: a thread that is bound to no core; how many cores we can name. */
#define PLACED_ANYWHERE (-1)
#define PLACED_CPUS 1024

/* A call through the gate: what the guest had, and what it gets. */
struct call_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rax, rdx, rsi, rdi, rip, rsp;
};

/* Shared with a stub: guests write it. */
struct ctx_header {
	atomic_uint state;         /* CTX_* */
	atomic_uint kernel_sleeps; /* wake us when you trap */
	atomic_uint stub_sleeps;   /* wake the stub when you release it */
	atomic_uint spin;          /* how long the stub may spin, in TSC ticks */
	uint64_t fs_base, gs_base;
	uint32_t signo;
	uint8_t pad[HDR_CALL - HDR_SIGNO - 4];
	struct call_regs call;
};

struct request_op {
	uint64_t nr;
	uint64_t arg[6];
	uint64_t kind; /* OP_* */
};

/* Written by the kernel; done, err and err_index by the mapper. */
struct request_page {
	atomic_uint seq;
	atomic_uint done;
	uint32_t err, err_index;
	uint32_t count;
	uint32_t ppid;
	struct {
		uint64_t sp;
		int32_t flags, pad;
		uint64_t size;
	} stack; /* stack_t for the next thread */
	uint64_t child_request, child_answer;
	int32_t fd, answer_fd;
	uint64_t done_offset;
	uint8_t pad[REQ_OPS - 80];
	struct request_op ops[REQ_OPS_MAX];
};

struct answer_page {
	int32_t tid; /* a hint: guests can write it */
};

struct stub_rodata {
	uint32_t numbers[256];
	uint64_t first_mask;
	struct sock_fprog guest_prog, mapper_prog; /* filter: addresses in the stub */
	uint64_t contexts_lo, contexts_hi;
	struct sock_filter guest_filter[64], mapper_filter[128];
};

/* What the host's signal frame looks like: the same in every context, because
 * every frame is pushed on an empty signal stack of the same size. Found out
 * on the first context, before any guest code has run. */
struct frame_shape {
	uint32_t frame;   /* offset of the frame in the context area */
	uint32_t fpstate; /* offset of the extended state */
	uint32_t xstate_size;
	uint64_t xfeatures;
	uint8_t sw_bytes[48]; /* what the host expects at fpstate + 464 */
};

/* Shared files with one slot for each user, mapped whole by the kernel. */
struct slots {
	int fd;
	uint8_t *base;
	size_t slot_size, count;
	uint32_t *free; /* [l] stack of freed slots */
	size_t nfree, used;
};

struct systrap {
	struct platform base;
	struct platform_options opt;
	uint64_t region; /* [I] where the stub region starts */
	struct slots requests, answers, contexts;
	struct frame_shape shape; /* [I] */
	uint64_t vdso_delta;      /* [I] moved - original address; 0: none */
	bool has_vdso;
	uint64_t spin_tsc; /* [I] how long spinning pays, in TSC ticks */
	struct mutex lock;
	struct mutex slots_lock;
	struct list spaces;                 /* [p] every stub, the zygote not */
	struct list pool;                   /* [p] idle ones, by pool_link */
	atomic_uint npool;                  /* changes under [p]; read as a hint */
	struct space *zygote;               /* [I] */
	uint64_t cpus[PLACED_CPUS / 64];    /* [I] where the host lets us run */
	atomic_uint active;                 /* [a] pairs that run, here or there (handover.c) */
	atomic_uint active_on[PLACED_CPUS]; /* [a] the same, by home */
	atomic_ullong contended_until;      /* [a] TSC before which nobody spins */
	struct reaper *reaper;
	const char *failing; /* what bring-up was doing when it failed */
	atomic_bool up;      /* [a] guests may run: see broken() */
	atomic_bool stopping;
	struct platform_stats stats; /* [a] relaxed increments */
};

struct space {
	struct platform_as base;
	struct list link, pool_link; /* [p] */
	int32_t pid;
	uint32_t slot; /* of request and answer pages */
	struct request_page *req;
	struct answer_page *ans;
	struct mutex lock;
	uint32_t seq;               /* [s] last posted */
	atomic_uint nqueued;        /* [s] lazy operations in req->ops, not posted */
	atomic_bool dead;           /* set by the reaper */
	atomic_uint dead_word;      /* futex for who waits for the death */
	atomic_bool killed;         /* a SIGKILL is on its way */
	struct list contexts;       /* [l] bound and parked */
	struct list parked;         /* [s] by park_link */
	unsigned ncontexts, nbound; /* [s] */
	int mapper_cpu;             /* [s] PLACED_ANYWHERE or the core it is bound to */
	uint64_t cpu_base_ns;       /* used by earlier owners of the stub */
};

struct context {
	struct platform_ctx base;
	struct list link;      /* [l] */
	struct list park_link; /* [s] */
	uint32_t slot;
	uint32_t index; /* in the stub's context window */
	int32_t tid;    /* a hint */
	uint8_t *area;
	struct ctx_header *hdr;
	atomic_bool in_guest; /* pairs with interrupt, see ctx_switch() */
	atomic_bool interrupt;
	/* The kernel thread's own (gate.c). */
	bool flags_kept;  /* regs.rflags of the last event was not what the processor has */
	bool in_call;     /* the last event was a call through the gate */
	bool by_gate;     /* the guest was last entered through the gate */
	uint64_t fs_base; /* in_call: what it was */
	/* The same (handover.c). */
	bool active;
	bool is_let_go, is_apart;
	int home;                         /* the core of its kernel thread */
	uint64_t home_until, share_until; /* TSC at which we look for another */
	int stub_cpu; /* PLACED_ANYWHERE, or what the stub's thread is bound to */
	unsigned long_runs, alone_runs, spins;
	uint32_t batches; /* space.seq at the last spin */
	long preempted;
	atomic_ullong cpu_tsc;   /* time in the guest, all finished runs */
	atomic_ullong run_start; /* TSC when the present run began; 0: none */
};

static inline struct systrap *systrap_of(struct platform *p)
{
	return container_of(p, struct systrap, base);
}

static inline struct space *space_of(struct platform_as *as)
{
	return container_of(as, struct space, base);
}

static inline struct context *context_of(struct platform_ctx *ctx)
{
	return container_of(ctx, struct context, base);
}

static inline struct systrap *space_systrap(struct space *s)
{
	return systrap_of(s->base.platform);
}

#define STAT_INC(st, field) __atomic_fetch_add(&(st)->stats.field, 1, __ATOMIC_RELAXED)

static inline uint64_t rdtsc(void)
{
	return __builtin_ia32_rdtsc();
}

/* futex on memory shared with a stub. */
void stub_futex_wait(atomic_uint *word, unsigned val, uint64_t timeout_ns);
void stub_futex_wake(atomic_uint *word);

/* ---- systrap.c ---- */
int slots_init(struct slots *s, const char *name, size_t slot_size, size_t count) MUST_CHECK;
void slots_fini(struct slots *s);
int slot_get(struct slots *s, uint32_t *slot) MUST_CHECK; /* => slots_lock */
void slot_put(struct slots *s, uint32_t slot);            /* => slots_lock; zeroes it */
static inline void *slot_addr(const struct slots *s, uint32_t slot)
{
	return s->base + (size_t)slot * s->slot_size;
}

/* ---- filter.c ---- */
size_t filter_guest(struct sock_filter *f, size_t max, uint64_t region);
size_t filter_mapper(struct sock_filter *f, size_t max, uint64_t region, int request_fd);

/* ---- zygote.c ---- */
void zygote_prepare(void); /* finds the host's vDSO */
int zygote_start(struct systrap *st) MUST_CHECK;

/* ---- mapper.c ---- */
/* => as.lock. Carries out what is queued and then ops (count <= REQ_OPS_MAX). Of
 * the first that fails: its error, its index in *failed (which may be NULL). */
int mapper_post_locked(struct space *s, const struct request_op *ops, unsigned count,
		       unsigned *failed) MUST_CHECK;
/* => as.lock. What is queued need not be done: all is unmapped next. */
void mapper_forget_locked(struct space *s);
int space_apply(struct platform_as *as, const struct platform_op *ops, size_t count, bool lazy);
/* Before entering the guest: what is queued gets done. */
int mapper_settle(struct space *s) MUST_CHECK;

/* ---- space.c ---- */
int space_new(struct systrap *st, struct space **out) MUST_CHECK;   /* a fresh stub */
int space_alloc(struct systrap *st, struct space **out) MUST_CHECK; /* the object and slots */
void space_free(struct space *s);
int space_create(struct platform *p, struct platform_as **out);
void space_destroy(struct platform_as *as);
int space_clear(struct platform_as *as);
void space_kill(struct platform_as *as);
int space_usage(struct platform_as *as, uint64_t *user_ns, uint64_t *sys_ns);
void space_wait_dead(struct space *s);

/* ---- context.c ---- */
int context_create(struct platform_as *as, struct platform_ctx **out);
void context_destroy(struct platform_ctx *ctx);
void context_switch(struct platform_ctx *ctx, struct guest_regs *regs, struct platform_event *ev);
void context_interrupt(struct platform_ctx *ctx);
uint64_t context_cpu_ns(struct platform_ctx *ctx);
void context_free(struct context *c); /* its stub is dead */

/* ---- placement.c ---- */
void placement_init(struct systrap *st);
/* The pair becomes active, with a home; it rests. */
void placement_begin(struct systrap *st, struct context *c);
void placement_end(struct systrap *st, struct context *c);
/* Before the hand-over: our thread to its home; the stub's too, unless c->is_apart. */
void placement_bind(struct systrap *st, struct context *c);
/* The guest runs and runs: the host finds both threads a core. */
void placement_settle(struct systrap *st, struct context *c);
void placement_owner(struct platform_ctx *ctx, uint32_t tid);
/* Our thread is not bound until the next hand-over: the host finds it a core. */
void placement_let_go(struct systrap *st, struct context *c);
/* => as.lock. Before the mapper is woken. */
void placement_mapper_locked(struct systrap *st, struct space *s);

/* ---- handover.c ---- */
/* Lets the stub run until it traps or dies. */
void handover(struct systrap *st, struct space *s, struct context *c);
/* The pair is active from now on. */
void handover_begin(struct systrap *st, struct context *c);
void handover_rest(struct platform_ctx *ctx);

/* The stub's thread, which rests in a call through the gate, is made to trap, so that
 * its whole state lies in its frame. */
void handover_full(struct systrap *st, struct space *s, struct context *c);

/* ---- gate.c ---- */
uint64_t gate_address(const struct platform *p);
/* Whether a return through the gate gives the guest all of *regs. */
bool gate_may_return(const struct context *c, const struct guest_regs *regs);
void gate_store(struct context *c, const struct guest_regs *regs);
void gate_load(struct context *c, struct guest_regs *regs, struct platform_event *ev);
/* Ends a call without returning from it: the state is in the frame afterwards. Nothing
 * to do when there is none. */
void gate_leave(struct context *c);
/* The guest trapped at rip. Whether it was on its way out of the gate: nothing of it
 * has run since it was entered. */
bool gate_is_returning(const struct context *c, uint64_t rip);
/* On its way into the gate, before the kernel saw the call: back to before it. */
void gate_unwind(const struct context *c, struct guest_regs *regs);

/* ---- frame.c ---- */
/* Finds the shape in the first context. */
int frame_find_shape(struct systrap *st, struct context *c) MUST_CHECK;
void frame_store(struct context *c, const struct guest_regs *regs);
void frame_load(struct context *c, struct guest_regs *regs, struct platform_event *ev);
uint64_t frame_rflags(struct context *c);
/* Where the context area is in the stub. */
uint64_t area_addr(const struct context *c);
void frame_xstate_get(struct platform_ctx *ctx, void *buf);
int frame_xstate_set(struct platform_ctx *ctx, const void *buf, size_t size);
void frame_xstate_reset(struct platform_ctx *ctx);

/* ---- reaper.c ---- */
int reaper_start(struct systrap *st) MUST_CHECK;
void reaper_stop(struct systrap *st);
