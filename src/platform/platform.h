/*
 * platform/: guest address spaces and guest threads, and nothing else.
 *
 * A platform carries guest code natively and hands every way out of it (system
 * call, fault, interrupt) to the kernel as an event. This header names nothing
 * of how: systrap/ uses stub processes; another implementation (KVM) can take
 * its place behind the same functions.
 *
 * Model
 *	platform          one per sandbox
 *	platform_as       one guest address space: a set of mappings of host
 *	                  descriptors (the memory file, mappable host files)
 *	platform_ctx      one guest thread: registers, extended state; bound to
 *	                  an address space, run by one kernel thread at a time
 *
 * What the caller may rely on
 *  1. The guest can touch only what platform_as_apply() mapped. No mapping
 *     that the caller asked for is lost, moved or added to while the address
 *     space is alive, except by the guest killing its own address space.
 *  2. An address space that dies under us (a stub killed from outside, or by
 *     the guest's own malice) yields PLATFORM_EV_DEAD in every context and
 *     -ESRCH from platform_as_apply(); nothing else in the sandbox notices.
 *  3. Everything in an event or in registers came from a hostile guest.
 *
 * Locks: LOCK_PLATFORM -> LOCK_PLATFORM_AS; both innermost but for waits. A
 * context has no lock: its owner thread alone uses it, except
 * platform_ctx_interrupt(), which anybody may call while the context lives.
 */
#pragma once

#include "base/base.h"

struct platform;
struct platform_as;
struct platform_ctx;

/* The registers of a guest thread at a boundary, in the manner of
 * user_regs_struct. cs, ss and the reserved bits of rflags are what the guest
 * had; a platform forces what must not be believed when they are set. */
struct guest_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	uint64_t rax, rcx, rdx, rsi, rdi, rip, rflags, rsp;
	uint64_t fs_base, gs_base;
	uint16_t cs, ss;
};

enum platform_event_kind {
	PLATFORM_EV_SYSCALL,     /* nr in .sysno; regs.rax still holds it; rip is
				    after the instruction; sysno is negative or
				    out of range as the guest gave it */
	PLATFORM_EV_SYSCALL32,   /* int 0x80, or any other foreign-ABI entry */
	PLATFORM_EV_FAULT,       /* signo, code, addr, trapno, error_code */
	PLATFORM_EV_INTERRUPTED, /* platform_ctx_interrupt() was called, or
				    nothing at all: spurious ones are allowed */
	PLATFORM_EV_DEAD,        /* the address space is gone; destroy it */
};

struct platform_event {
	enum platform_event_kind kind;
	int64_t sysno;
	bool by_gate;        /* SYSCALL: it came through platform_call_gate() */
	int signo;           /* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP */
	int code;            /* si_code as the host reported it */
	uint64_t addr;       /* si_addr */
	uint32_t trapno;     /* hardware exception number (14: page fault) */
	uint32_t error_code; /* bit 1: write, bit 4: instruction fetch */
};

/* One change of an address space. A batch is applied in order. */
enum platform_op_kind { PLATFORM_OP_MAP, PLATFORM_OP_UNMAP, PLATFORM_OP_PROTECT };

struct platform_op {
	enum platform_op_kind kind;
	int prot;        /* PROT_*; MAP and PROTECT */
	int fd;          /* MAP: host descriptor of the kernel process; always
			     mapped shared, over whatever was there */
	bool private;    /* MAP: host MAP_PRIVATE instead (read-only descriptors
			     mapped writable are never asked for) */
	bool populate;   /* MAP: MAP_POPULATE */
	gva_t addr;      /* page aligned */
	uint64_t size;   /* page aligned, not 0 */
	uint64_t offset; /* MAP: page aligned */
};

struct platform_options {
	const char *name;  /* "systrap"; NULL: the default */
	unsigned ncpus;    /* cores that guests may use: bounds spinning */
	unsigned pool_max; /* idle address spaces kept for re-use */
	bool no_spin;      /* never spin (tests, debugging) */
	bool no_placement; /* never bind threads to cores */
	/* The platform can make no more address spaces (somebody killed what they
	 * are made from): called once at most, by a thread of the platform, after
	 * platform_create() has succeeded. NULL: only logged. */
	void (*broken)(void *arg);
	void *broken_arg;
	/* Filled when platform_create() fails: what did (a constant). May be NULL. */
	const char **why;
};

struct platform_stats { /* all since start; read without locks */
	uint64_t syscalls, faults, interrupts, spurious;
	uint64_t gate_calls;        /* of the system calls: those through the gate */
	uint64_t spins_won, sleeps; /* hand-overs caught spinning / asleep */
	uint64_t mapper_batches, mapper_ops;
	uint64_t unplaced; /* threads that the host did not let us bind */
	uint64_t as_created, as_reused, ctx_created, ctx_reused;
};

/* Looks at the host's /proc, which may be out of reach later. Before
 * platform_create(); without it guests have no host clock functions. */
void platform_prepare(void);
/* Brings a platform up. Must be called by the main thread of the kernel
 * process before it starts other threads and before it installs its own
 * seccomp filter. *opt->why says what failed. */
int platform_create(const struct platform_options *opt, struct platform **out) MUST_CHECK;
/* Kills and reaps everything that is left. */
void platform_destroy(struct platform *p);
void platform_get_stats(const struct platform *p, struct platform_stats *out);

/* What guests may map: [*lo, *hi). */
void platform_guest_range(const struct platform *p, gva_t *lo, gva_t *hi);
/* The address of an optional host-provided clock function for the vDSO
 * ("__vdso_clock_gettime", "__vdso_getcpu", ...) as callable by guest code, or
 * 0 when the platform cannot offer one. */
uint64_t platform_vdso_symbol(const struct platform *p, const char *name);

/* Where guest code may jump in place of a system call instruction, at less than a fifth of
 * the cost; 0: nowhere. eax holds the number and rcx the address behind the instruction,
 * which must be there, two bytes before: the gate goes back to it where it cannot serve
 * the thread. rcx, r11 and the arithmetic flags are lost. */
uint64_t platform_call_gate(const struct platform *p);

/* An empty address space. -EAGAIN (host process limit), -ENOMEM. */
int platform_as_create(struct platform *p, struct platform_as **out) MUST_CHECK;
/* All its contexts must have been destroyed. Returns it to a pool or kills
 * it. NULL is allowed. */
void platform_as_destroy(struct platform_as *as);
/* Applies a batch; returns when it has taken effect for all threads of the
 * address space. 0, -ENOMEM (host limit on mappings), -ESRCH (dead), or the
 * errno of the first failed op: earlier ops of the batch remain applied.
 * Adjacent compatible ops may be merged. Ranges outside platform_guest_range()
 * panic: the caller has checked. => takes LOCK_PLATFORM_AS, sleeps. */
int platform_as_apply(struct platform_as *as, const struct platform_op *ops, size_t count)
	MUST_CHECK;
/* The same, but may return before the batch has been carried out: it is done
 * before any context of the address space next enters the guest. Only for
 * batches that map into empty ranges, in an address space that one context
 * alone uses: a guest may still be running while it pretends to have trapped,
 * so nothing that a batch takes away may be lazy. Errors are reported by the
 * next batch (a failed map shows as a fault). */
int platform_as_apply_lazy(struct platform_as *as, const struct platform_op *ops, size_t count)
	MUST_CHECK;
/* Unmaps everything (exec). */
int platform_as_clear(struct platform_as *as) MUST_CHECK;
/* Kills the host process of it, now; contexts see PLATFORM_EV_DEAD. Any thread. */
void platform_as_kill(struct platform_as *as);
/* Host CPU time of guest code in the address space, and the host's idea of
 * page faults, for rusage. */
int platform_as_usage(struct platform_as *as, uint64_t *user_ns, uint64_t *sys_ns) MUST_CHECK;

/* A guest thread, with zeroed registers and initial extended state. -EAGAIN,
 * -ENOMEM, -ESRCH. */
int platform_ctx_create(struct platform_as *as, struct platform_ctx **out) MUST_CHECK;
/* The calling thread owns it; it is not running the guest. NULL is allowed. */
void platform_ctx_destroy(struct platform_ctx *ctx);
/* Runs the guest from *regs until something happens: fills *regs and *ev.
 * => sleeps; holds no lock. Always returns 0 or the event DEAD. */
void platform_ctx_switch(struct platform_ctx *ctx, struct guest_regs *regs,
			 struct platform_event *ev);
/* Makes the current or the next platform_ctx_switch() return soon. Any
 * thread; cheap when the context is not in the guest. */
void platform_ctx_interrupt(struct platform_ctx *ctx);
/* The calling thread, its owner, is about to sleep for something other than the
 * guest: the context takes no core until it is switched to again. Cheap. */
void platform_ctx_rest(struct platform_ctx *ctx);
/* The kernel's thread `tid`, which sleeps, will own it: it may be brought to where
 * the guest's thread is before it is woken. 0: not known. */
void platform_ctx_owner(struct platform_ctx *ctx, uint32_t tid);
/* CPU time that this guest thread used in the guest. */
uint64_t platform_ctx_cpu_ns(struct platform_ctx *ctx);

/* Extended state (x87, SSE, AVX, AVX-512), in the standard (not compacted)
 * XSAVE format, as between a signal frame's fpstate start and its end, without
 * FP_XSTATE_MAGIC2. */
size_t platform_xstate_size(const struct platform *p);
/* Copies the state as of the last event. buf holds platform_xstate_size(). */
void platform_ctx_xstate_get(struct platform_ctx *ctx, void *buf);
/* Sets the state for the next switch. size may be smaller (512: legacy FXSAVE
 * image only; the rest becomes initial). Hostile content is made harmless
 * first (reserved header bits, unsupported features, MXCSR). -EINVAL: not a
 * state at all. */
int platform_ctx_xstate_set(struct platform_ctx *ctx, const void *buf, size_t size) MUST_CHECK;
/* Back to the initial state (exec). */
void platform_ctx_xstate_reset(struct platform_ctx *ctx);
