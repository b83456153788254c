/*
 * Signals as x86-64 guests see them: numbers and flags (the C library's are
 * Linux's), the structures that rt_sigaction, sigaltstack and friends pass, and
 * the frame that signal delivery builds on the guest's stack.
 *
 * The frame, from high to low addresses:
 *
 *	(red zone, 128 bytes)
 *	extended state        XSAVE image + FP_XSTATE_MAGIC2, 64-byte aligned
 *	struct abi_rt_sigframe
 *	                  <-- rsp at the handler's entry (rsp + 8 is 16-aligned)
 *
 * rt_sigreturn finds the frame at rsp - 8: the handler's ret has taken
 * pretcode off.
 */
#pragma once

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#define ABI_NSIG 64
#define ABI_SIGSET_SIZE 8u /* the sigsetsize argument must be exactly this */
#define ABI_SIGRTMIN 32    /* the kernel's idea; the C library keeps two of them */
#define ABI_SIGRTMAX 64

/* sa_flags. SA_RESTORER is not in the C library's headers. */
#define ABI_SA_NOCLDSTOP 0x00000001u
#define ABI_SA_NOCLDWAIT 0x00000002u
#define ABI_SA_SIGINFO 0x00000004u
#define ABI_SA_UNSUPPORTED 0x00000400u
#define ABI_SA_EXPOSE_TAGBITS 0x00000800u
#define ABI_SA_RESTORER 0x04000000u
#define ABI_SA_ONSTACK 0x08000000u
#define ABI_SA_RESTART 0x10000000u
#define ABI_SA_NODEFER 0x40000000u
#define ABI_SA_RESETHAND 0x80000000u
/* What rt_sigaction keeps; SA_UNSUPPORTED and unknown bits read back as 0. */
#define ABI_SA_FLAGS                                                                    \
	(ABI_SA_NOCLDSTOP | ABI_SA_NOCLDWAIT | ABI_SA_SIGINFO | ABI_SA_EXPOSE_TAGBITS | \
	 ABI_SA_RESTORER | ABI_SA_ONSTACK | ABI_SA_RESTART | ABI_SA_NODEFER | ABI_SA_RESETHAND)

#define ABI_SIG_DFL 0u
#define ABI_SIG_IGN 1u

#define ABI_SS_ONSTACK 1u
#define ABI_SS_DISABLE 2u
#define ABI_SS_AUTODISARM 0x80000000u
#define ABI_MINSIGSTKSZ 2048u

struct abi_sigaction {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};
_Static_assert(sizeof(struct abi_sigaction) == 32, "struct sigaction of the kernel");

struct abi_stack {
	uint64_t sp;
	uint32_t flags;
	uint32_t pad;
	uint64_t size;
};
_Static_assert(sizeof(struct abi_stack) == 24, "stack_t");

/* siginfo_t: which member holds depends on signal and code (sigaction(2)). */
#define ABI_SIGINFO_SIZE 128u
struct abi_siginfo {
	int32_t signo;
	int32_t err;
	int32_t code;
	int32_t pad0;
	union {
		struct { /* SI_USER, SI_TKILL; with value: SI_QUEUE, SI_MESGQ */
			int32_t pid;
			uint32_t uid;
			uint64_t value;
		} rt;
		struct { /* SI_TIMER */
			int32_t timerid;
			int32_t overrun;
			uint64_t value;
			int32_t sys_private;
		} timer;
		struct { /* SIGCHLD */
			int32_t pid;
			uint32_t uid;
			int32_t status;
			int32_t pad;
			int64_t utime;
			int64_t stime;
		} chld;
		struct { /* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP */
			uint64_t addr;
			union {
				int16_t addr_lsb;
				struct {
					uint64_t skip;
					uint64_t lower, upper; /* SEGV_BNDERR */
				} bounds;
				struct {
					uint64_t skip;
					uint32_t pkey; /* SEGV_PKUERR */
				} pku;
			};
		} fault;
		struct { /* SIGPOLL */
			int64_t band;
			int32_t fd;
		} poll;
		struct { /* SIGSYS */
			uint64_t call_addr;
			int32_t sysno;
			uint32_t arch;
		} sys;
		uint8_t pad[112];
	};
};
_Static_assert(sizeof(struct abi_siginfo) == ABI_SIGINFO_SIZE, "siginfo_t");
_Static_assert(sizeof(siginfo_t) == ABI_SIGINFO_SIZE, "siginfo_t");
_Static_assert(offsetof(struct abi_siginfo, rt.value) == offsetof(siginfo_t, si_value), "si_value");
_Static_assert(offsetof(struct abi_siginfo, chld.utime) == offsetof(siginfo_t, si_utime),
	       "si_utime");
_Static_assert(offsetof(struct abi_siginfo, fault.bounds.lower) == offsetof(siginfo_t, si_lower),
	       "si_lower");
_Static_assert(offsetof(struct abi_siginfo, poll.fd) == offsetof(siginfo_t, si_fd), "si_fd");
_Static_assert(offsetof(struct abi_siginfo, sys.arch) == offsetof(siginfo_t, si_arch), "si_arch");

/* ---- the signal frame ---- */

struct abi_sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err; /* error code of the last fault */
	uint64_t trapno;
	uint64_t oldmask; /* low bits of the mask */
	uint64_t cr2;
	uint64_t fpstate; /* guest address of the extended state, 0 none */
	uint64_t reserved[8];
};
_Static_assert(sizeof(struct abi_sigcontext) == 256, "struct sigcontext");
_Static_assert(offsetof(struct abi_sigcontext, cs) == 144, "sigcontext.cs");
_Static_assert(offsetof(struct abi_sigcontext, fpstate) == 184, "sigcontext.fpstate");

/* uc_flags */
#define ABI_UC_FP_XSTATE 0x1u         /* fpstate has more than the legacy part */
#define ABI_UC_SIGCONTEXT_SS 0x2u     /* ss was saved */
#define ABI_UC_STRICT_RESTORE_SS 0x4u /* and is to be restored */

struct abi_ucontext {
	uint64_t flags;
	uint64_t link;
	struct abi_stack stack;
	struct abi_sigcontext mcontext;
	uint64_t sigmask;
};
_Static_assert(sizeof(struct abi_ucontext) == 304, "struct ucontext of the kernel");
_Static_assert(offsetof(struct abi_ucontext, mcontext) == 40, "uc_mcontext");
_Static_assert(offsetof(struct abi_ucontext, sigmask) == 296, "uc_sigmask");

struct abi_rt_sigframe {
	uint64_t pretcode; /* the restorer: where the handler returns to */
	struct abi_ucontext uc;
	struct abi_siginfo info;
};
_Static_assert(sizeof(struct abi_rt_sigframe) == 440, "struct rt_sigframe");

/* The software-reserved bytes of an FXSAVE image (its offset 464), which say
 * that an XSAVE image follows and how long it is. */
#define ABI_FP_XSTATE_MAGIC1 0x46505853u
#define ABI_FP_XSTATE_MAGIC2 0x46505845u
#define ABI_FP_XSTATE_MAGIC2_SIZE 4u
#define ABI_FX_SW_OFFSET 464u
struct abi_fpx_sw_bytes {
	uint32_t magic1;        /* ABI_FP_XSTATE_MAGIC1 */
	uint32_t extended_size; /* of the whole, with MAGIC2 */
	uint64_t xfeatures;
	uint32_t xstate_size; /* of the XSAVE image */
	uint32_t padding[7];
};
_Static_assert(sizeof(struct abi_fpx_sw_bytes) == 48, "struct _fpx_sw_bytes");

#define ABI_RED_ZONE 128u

/* ---- sigevent, for timer_create and mq_notify ---- */

#define ABI_SIGEV_SIGNAL 0
#define ABI_SIGEV_NONE 1
#define ABI_SIGEV_THREAD 2
#define ABI_SIGEV_THREAD_ID 4
struct abi_sigevent {
	uint64_t value;
	int32_t signo;
	int32_t notify;
	int32_t tid;
	uint8_t pad[44];
};
_Static_assert(sizeof(struct abi_sigevent) == 64, "struct sigevent");

/* What read(2) of a signalfd returns. */
struct abi_signalfd_siginfo {
	uint32_t signo;
	int32_t err, code;
	uint32_t pid, uid;
	int32_t fd;
	uint32_t tid, band, overrun, trapno;
	int32_t status, value_int;
	uint64_t value_ptr, utime, stime, addr;
	uint16_t addr_lsb, pad2;
	int32_t syscall;
	uint64_t call_addr;
	uint32_t arch;
	uint8_t pad[28];
};
_Static_assert(sizeof(struct abi_signalfd_siginfo) == 128, "struct signalfd_siginfo");

/* The sixth argument of pselect6: a pointer and a size behind a pointer. */
struct abi_sigset_argpack {
	uint64_t set;
	uint64_t size;
};
