/*
 * Registers of a tracee, one at a time (struct user) or in sets. What is written is
 * judged as Linux does: what user code could not have by itself is -EIO, or -EINVAL for
 * extended state. Selectors other than the flat ones cannot be had: -EIO too.
 */
#include <string.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "abi/ptrace.h"
#include "syscall/ptrace.h"
#include "task/ptrace.h"

#define CS_USER32 0x23u
#define CS_USER64 0x33u
#define SS_USER 0x2bu
#define GUEST_TOP ((uint64_t)1 << 47)
/* CF PF AF ZF SF TF DF OF NT RF AC: what a tracer may change. */
#define RFLAGS_MASK 0x54dd5u
#define XSTATE_MAX 12288u
#define XSTATE_HEADER ABI_FXSAVE_SIZE
#define XSTATE_HEADER_SIZE 64u
#define SW_BYTES 464u
#define SW_FEATURES (SW_BYTES + 8u)
#define MXCSR 24u
#define MXCSR_MASK 0xffffu

static_assert(sizeof(struct abi_user_regs) / 8 == 27, "as many as there are");

/* ---- general registers ---- */

static void load_regs(const struct task *tracee, struct abi_user_regs *u)
{
	const struct guest_regs *r = &tracee->regs;

	*u = (struct abi_user_regs){
		.r15 = r->r15,
		.r14 = r->r14,
		.r13 = r->r13,
		.r12 = r->r12,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.r11 = r->r11,
		.r10 = r->r10,
		.r9 = r->r9,
		.r8 = r->r8,
		.rax = r->rax,
		.rcx = r->rcx,
		.rdx = r->rdx,
		.rsi = r->rsi,
		.rdi = r->rdi,
		.orig_rax = ptrace_orig_rax(tracee),
		.rip = r->rip,
		.cs = r->cs,
		.eflags = r->rflags,
		.rsp = r->rsp,
		.ss = r->ss,
		.fs_base = r->fs_base,
		.gs_base = r->gs_base,
	};
}

#define PLAIN(name) \
	[offsetof(struct abi_user_regs, name) / 8] = offsetof(struct guest_regs, name) + 1

/* Those that may have any value: where they are, and one. */
static const uint16_t plain_regs[27] = {
	PLAIN(r15), PLAIN(r14), PLAIN(r13), PLAIN(r12), PLAIN(rbp), PLAIN(rbx),
	PLAIN(r11), PLAIN(r10), PLAIN(r9),  PLAIN(r8),  PLAIN(rax), PLAIN(rcx),
	PLAIN(rdx), PLAIN(rsi), PLAIN(rdi), PLAIN(rip), PLAIN(rsp),
};

static int set_base(uint64_t *base, uint64_t val)
{
	if (val >= GUEST_TOP)
		return -EIO;
	*base = val;
	return 0;
}

static int set_cs(struct guest_regs *r, uint64_t val)
{
	if ((val & 0xffff) != CS_USER64 && (val & 0xffff) != CS_USER32)
		return -EIO;
	r->cs = (uint16_t)val;
	return 0;
}

static int set_reg(struct task *tracee, uint64_t off, uint64_t val)
{
	struct guest_regs *r = &tracee->regs;
	uint16_t plain = plain_regs[off / 8];

	if (plain) {
		memcpy((uint8_t *)r + plain - 1, &val, sizeof(val));
		return 0;
	}
	switch (off) {
	case offsetof(struct abi_user_regs, orig_rax):
		ptrace_set_orig_rax(tracee, val);
		return 0;
	case offsetof(struct abi_user_regs, eflags):
		r->rflags = (r->rflags & ~(uint64_t)RFLAGS_MASK) | (val & RFLAGS_MASK);
		return 0;
	case offsetof(struct abi_user_regs, fs_base):
		return set_base(&r->fs_base, val);
	case offsetof(struct abi_user_regs, gs_base):
		return set_base(&r->gs_base, val);
	case offsetof(struct abi_user_regs, cs):
		return set_cs(r, val);
	case offsetof(struct abi_user_regs, ss):
		return (val & 0xffff) == SS_USER ? 0 : -EIO;
	default: /* ds, es, fs, gs */
		return val & 0xffff ? -EIO : 0;
	}
}

static int set_regs(struct task *tracee, const struct abi_user_regs *u, size_t size)
{
	uint64_t val[27];
	int r = 0;

	memcpy(val, u, size);
	for (size_t i = 0; r == 0 && i < size / 8; i++)
		r = set_reg(tracee, i * 8, val[i]);
	return r;
}

/* ---- struct user ---- */

static bool is_bad_offset(uint64_t off)
{
	return off % 8 || off >= ABI_USER_SIZE;
}

static bool is_debugreg(uint64_t off)
{
	return off >= ABI_USER_DEBUGREG && off < ABI_USER_DEBUGREG + 8 * ABI_USER_NR_DEBUGREGS;
}

int ptrace_peek_user(struct task *tracee, uint64_t off, uint64_t *val)
{
	struct abi_user_regs u;

	*val = 0;
	if (is_bad_offset(off))
		return -EIO;
	if (off < sizeof(u)) {
		load_regs(tracee, &u);
		memcpy(val, (uint8_t *)&u + off, sizeof(*val));
	} else if (is_debugreg(off)) {
		*val = ptrace_get_debugreg(tracee, (unsigned)(off - ABI_USER_DEBUGREG) / 8);
	}
	return 0;
}

int ptrace_poke_user(struct task *tracee, uint64_t off, uint64_t val)
{
	if (is_bad_offset(off))
		return -EIO;
	if (off < sizeof(struct abi_user_regs))
		return set_reg(tracee, off, val);
	if (!is_debugreg(off))
		return -EIO;
	return ptrace_set_debugreg(tracee, (unsigned)(off - ABI_USER_DEBUGREG) / 8, val);
}

/* ---- extended state ---- */

/* Components that the header says are in their initial state are shown so. The ones
 * beyond SSE begin as zeros, at places that the processor tells. */
static void show_initial(uint8_t *buf, size_t size, uint64_t features)
{
	static const uint8_t fcw[2] = { 0x7f, 0x03 };
	uint64_t present;
	uint32_t len, off, unused, flags;

	memcpy(&present, buf + XSTATE_HEADER, sizeof(present));
	if (!(present & 1)) {
		memset(buf, 0, MXCSR);
		memcpy(buf, fcw, sizeof(fcw));
		memset(buf + 32, 0, 128);
	}
	if (!(present & 2))
		memset(buf + 160, 0, 256);
	for (unsigned i = 2; i < 63; i++) {
		if (!(features >> i & 1) || (present >> i & 1))
			continue;
		__asm__("cpuid"
			: "=a"(len), "=b"(off), "=c"(flags), "=d"(unused)
			: "a"(0xd), "c"(i));
		if (off <= size && len <= size - off)
			memset(buf + off, 0, len);
	}
}

/* In the layout of a signal frame, but for the bytes that are the software's: there a
 * tracer finds the features. */
static size_t load_xstate(struct task *tracee, uint8_t *buf)
{
	size_t size = platform_xstate_size(tracee->kernel->platform);
	uint64_t features;

	ASSERT(size <= XSTATE_MAX);
	platform_ctx_xstate_get(tracee->ctx, buf);
	memcpy(&features, buf + SW_FEATURES, sizeof(features));
	show_initial(buf, size, features);
	memset(buf + SW_BYTES, 0, ABI_FXSAVE_SIZE - SW_BYTES);
	memcpy(buf + SW_BYTES, &features, sizeof(features));
	return size;
}

static bool is_bad_mxcsr(const uint8_t *buf)
{
	uint32_t mxcsr;

	memcpy(&mxcsr, buf + MXCSR, sizeof(mxcsr));
	return mxcsr & ~MXCSR_MASK;
}

/* The header names no component that there is not, and is otherwise empty. */
static bool is_bad_header(struct task *tracee, const uint8_t *buf)
{
	uint8_t now[XSTATE_MAX] UNINITIALIZED;
	uint64_t head[8], features;

	memcpy(head, buf + XSTATE_HEADER, sizeof(head));
	platform_ctx_xstate_get(tracee->ctx, now);
	memcpy(&features, now + SW_FEATURES, sizeof(features));
	if (head[0] & ~features)
		return true;
	for (int i = 1; i < 8; i++) {
		if (head[i])
			return true;
	}
	return false;
}

static int set_xstate(struct task *tracee, const uint8_t *buf, size_t size)
{
	if (size != platform_xstate_size(tracee->kernel->platform))
		return -EFAULT;
	if (is_bad_header(tracee, buf) || is_bad_mxcsr(buf))
		return -EINVAL;
	return platform_ctx_xstate_set(tracee->ctx, buf, size);
}

/* x87 and SSE alone: the rest stays. */
static int set_fxsave(struct task *tracee, const uint8_t *legacy, size_t size)
{
	uint8_t buf[XSTATE_MAX] __attribute__((aligned(64))) UNINITIALIZED;
	size_t whole = load_xstate(tracee, buf);
	uint64_t present;

	if (size != ABI_FXSAVE_SIZE || is_bad_mxcsr(legacy))
		return -EINVAL;
	memcpy(buf, legacy, SW_BYTES);
	memcpy(&present, buf + XSTATE_HEADER, sizeof(present));
	present |= 3;
	memcpy(buf + XSTATE_HEADER, &present, sizeof(present));
	return platform_ctx_xstate_set(tracee->ctx, buf, whole);
}

/* ---- sets ---- */

static size_t set_size(struct task *tracee, unsigned type)
{
	switch (type) {
	case ABI_NT_PRSTATUS:
		return sizeof(struct abi_user_regs);
	case ABI_NT_PRFPREG:
		return ABI_FXSAVE_SIZE;
	case ABI_NT_X86_XSTATE:
		return platform_xstate_size(tracee->kernel->platform);
	default:
		return 0;
	}
}

static long get_some(struct task *t, struct task *tracee, unsigned type, gva_t user, size_t size)
{
	uint8_t buf[XSTATE_MAX] __attribute__((aligned(64))) UNINITIALIZED;
	struct abi_user_regs u;

	if (type == ABI_NT_PRSTATUS) {
		load_regs(tracee, &u);
		return syscall_copy_out(t, user, &u, size);
	}
	load_xstate(tracee, buf);
	return syscall_copy_out(t, user, buf, size);
}

static long set_some(struct task *t, struct task *tracee, unsigned type, gva_t user, size_t size)
{
	uint8_t buf[XSTATE_MAX] __attribute__((aligned(64))) UNINITIALIZED;

	if (syscall_copy_in(t, buf, user, size) < 0)
		return -EFAULT;
	switch (type) {
	case ABI_NT_PRSTATUS:
		return set_regs(tracee, (const struct abi_user_regs *)(const void *)buf, size);
	case ABI_NT_PRFPREG:
		return set_fxsave(tracee, buf, size);
	default:
		return set_xstate(tracee, buf, size);
	}
}

long ptrace_get_set(struct task *t, struct task *tracee, unsigned type, gva_t user)
{
	return get_some(t, tracee, type, user, set_size(tracee, type));
}

long ptrace_set_set(struct task *t, struct task *tracee, unsigned type, gva_t user)
{
	return set_some(t, tracee, type, user, set_size(tracee, type));
}

long ptrace_regset(struct task *t, struct task *tracee, unsigned type, gva_t user, bool is_set)
{
	size_t whole = set_size(tracee, type);
	struct abi_iovec iov;
	long r;

	if (syscall_copy_in(t, &iov, user, sizeof(iov)) < 0)
		return -EFAULT;
	if (!whole || iov.size % 8)
		return -EINVAL;
	iov.size = MIN(iov.size, (uint64_t)whole);
	if (is_set)
		r = set_some(t, tracee, type, iov.base, iov.size);
	else
		r = get_some(t, tracee, type, iov.base, iov.size);
	if (r == 0)
		r = syscall_copy_out(t, user + offsetof(struct abi_iovec, size), &iov.size,
				     sizeof(iov.size));
	return r;
}
