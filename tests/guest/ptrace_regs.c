/* ptrace(2): registers of a tracee one by one and in sets, what may not be written;
 * extended state; siginfo and signal masks. */
#include <cpuid.h>
#include <sys/prctl.h>

#include "tracee.h"

#define OFF(reg) offsetof(struct user_regs_struct, reg)
#define USER_SIZE 928 /* the kernel's: two words more than the C library's */
#define DEBUGREG(n) (offsetof(struct user, u_debugreg) + 8 * (n))

static volatile uint64_t slot;

static int returns_0(void)
{
	return 0;
}

/* ---- one by one ---- */

static void test_peek_user(void)
{
	pid_t pid = traced_child(returns_0);
	struct user_regs_struct r = regs_of(pid);
	uint64_t word;

	CHECK_EQ(r.cs, 0x33);
	CHECK_EQ(r.ss, 0x2b);
	CHECK_EQ(r.ds | r.es | r.fs | r.gs, 0);
	CHECK_EQ(PEEK_REG(pid, rip), r.rip);
	CHECK_EQ(PEEK_REG(pid, rsp), r.rsp);
	CHECK_EQ(PEEK_REG(pid, fs_base), r.fs_base);
	CHECK_EQ(r.fs_base, (uintptr_t)__builtin_thread_pointer());
	CHECK_EQ(PEEK_REG(pid, eflags), r.eflags);
	CHECK(r.eflags & 0x200);
	CHECK_ERR(trace(PTRACE_PEEKUSR, pid, 3, (uintptr_t)&word), EIO);
	CHECK_ERR(trace(PTRACE_PEEKUSR, pid, USER_SIZE, (uintptr_t)&word), EIO);
	CHECK_ERR(trace(PTRACE_PEEKUSR, pid, (uintptr_t)-8, (uintptr_t)&word), EIO);
	/* What is no register reads as 0. */
	CHECK_EQ(peek_user(pid, offsetof(struct user, u_tsize)), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(peek_user(pid, DEBUGREG(i)), 0);
	CHECK_EQ(peek_user(pid, DEBUGREG(7)), 0);
	kill_child(pid);
}

static void poke_fails(pid_t pid, size_t off, uint64_t val, int err)
{
	CHECK_ERR(trace(PTRACE_POKEUSR, pid, off, val), err);
}

static void test_poke_user(void)
{
	pid_t pid = traced_child(returns_0);
	struct user_regs_struct r;
	uint64_t flags;

	POKE_REG(pid, r15, 0x1234567887654321);
	CHECK_EQ(PEEK_REG(pid, r15), 0x1234567887654321);
	POKE_REG(pid, rip, 0xffffffffffffffff); /* seen when it runs */
	r = regs_of(pid);
	CHECK_EQ(r.rip, 0xffffffffffffffff);
	/* Only the flags that a program has itself. */
	flags = PEEK_REG(pid, eflags);
	POKE_REG(pid, eflags, ~0ull);
	CHECK_EQ(PEEK_REG(pid, eflags), flags | 0x54dd5);
	POKE_REG(pid, eflags, 0);
	CHECK_EQ(PEEK_REG(pid, eflags), flags & ~0x54dd5ull);
	poke_fails(pid, 3, 0, EIO);
	poke_fails(pid, USER_SIZE, 0, EIO);
	poke_fails(pid, offsetof(struct user, u_tsize), 0, EIO);
	poke_fails(pid, OFF(cs), 0, EIO);
	poke_fails(pid, OFF(cs), 0x10, EIO);
	poke_fails(pid, OFF(ss), 0x18, EIO);
	poke_fails(pid, OFF(fs_base), 1ull << 63, EIO);
	poke_fails(pid, OFF(gs_base), 1ull << 63, EIO);
	poke_fails(pid, OFF(ds), 0x10, EIO);
	POKE_REG(pid, gs_base, 0x7000);
	CHECK_EQ(PEEK_REG(pid, gs_base), 0x7000);
	/* Those that a debugger clears, as it begins. */
	for (int i = 0; i < 8; i++) {
		if (i != 4 && i != 5)
			CHECK(trace(PTRACE_POKEUSR, pid, DEBUGREG(i), 0) == 0);
	}
	poke_fails(pid, DEBUGREG(4), 0, EIO);
	kill_child(pid);
}

static void test_setregs(void)
{
	pid_t pid = traced_child(returns_0);
	struct user_regs_struct r = regs_of(pid), before = r, after;

	r.rbx = 0xabcdef;
	r.orig_rax = -1;
	CHECK(trace(PTRACE_SETREGS, pid, 0, (uintptr_t)&r) == 0);
	after = regs_of(pid);
	CHECK(!memcmp(&r, &after, sizeof(r)));
	CHECK(trace(PTRACE_SETREGS, pid, 0, (uintptr_t)&before) == 0);
	CHECK_ERR(trace(PTRACE_GETREGS, pid, 0, 8), EFAULT);
	CHECK_ERR(trace(PTRACE_SETREGS, pid, 0, 8), EFAULT);
	r.cs = 0;
	CHECK_ERR(trace(PTRACE_SETREGS, pid, 0, (uintptr_t)&r), EIO);
	CHECK(trace(PTRACE_SETREGS, pid, 0, (uintptr_t)&before) == 0);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0);
}

/* ---- sets ---- */

static long regset(long request, pid_t pid, unsigned type, void *buf, size_t *size)
{
	struct iovec iov = { buf, *size };
	long r = trace(request, pid, type, (uintptr_t)&iov);

	*size = iov.iov_len;
	return r;
}

static void test_regsets(void)
{
	pid_t pid = traced_child(returns_0);
	struct user_regs_struct r = regs_of(pid), s;
	size_t size = 4096;
	char buf[4096];

	CHECK(regset(PTRACE_GETREGSET, pid, NT_PRSTATUS, buf, &size) == 0);
	CHECK_EQ(size, sizeof(r));
	CHECK(!memcmp(buf, &r, sizeof(r)));
	/* A part. */
	size = 16;
	memset(buf, 0x55, sizeof(buf));
	CHECK(regset(PTRACE_GETREGSET, pid, NT_PRSTATUS, buf, &size) == 0);
	CHECK_EQ(size, 16);
	CHECK(!memcmp(buf, &r, 16));
	CHECK_EQ(buf[16], 0x55);
	s = r;
	s.r15 = 1;
	s.r14 = 2;
	s.r13 = 3;
	CHECK(regset(PTRACE_SETREGSET, pid, NT_PRSTATUS, &s, &size) == 0);
	CHECK_EQ(PEEK_REG(pid, r15), 1);
	CHECK_EQ(PEEK_REG(pid, r14), 2);
	CHECK_EQ(PEEK_REG(pid, r13), r.r13);
	size = 7;
	CHECK_ERR(regset(PTRACE_GETREGSET, pid, NT_PRSTATUS, buf, &size), EINVAL);
	size = 512;
	CHECK_ERR(regset(PTRACE_GETREGSET, pid, 0x12345, buf, &size), EINVAL);
	CHECK_ERR(trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, 8), EFAULT);
	size = 4096;
	CHECK(regset(PTRACE_GETREGSET, pid, NT_PRFPREG, buf, &size) == 0);
	CHECK_EQ(size, sizeof(struct user_fpregs_struct));
	kill_child(pid);
}

static void test_fpregs(void)
{
	pid_t pid = traced_child(returns_0);
	struct user_fpregs_struct f, g;

	CHECK(trace(PTRACE_GETFPREGS, pid, 0, (uintptr_t)&f) == 0);
	CHECK_EQ(f.cwd, 0x37f);
	CHECK_EQ(f.mxcsr & ~0x3fu, 0x1f80);
	memset(f.xmm_space, 0x5a, 32);
	f.mxcsr = 0x1fa0;
	CHECK(trace(PTRACE_SETFPREGS, pid, 0, (uintptr_t)&f) == 0);
	memset(&g, 0, sizeof(g));
	CHECK(trace(PTRACE_GETFPREGS, pid, 0, (uintptr_t)&g) == 0);
	CHECK(!memcmp(f.xmm_space, g.xmm_space, sizeof(f.xmm_space)));
	CHECK_EQ(g.mxcsr, 0x1fa0);
	f.mxcsr = 0xffff0000;
	CHECK_ERR(trace(PTRACE_SETFPREGS, pid, 0, (uintptr_t)&f), EINVAL);
	kill_child(pid);
}

/* The tracee stores what it finds in xmm0. */
static int stores_xmm0(void)
{
	uint64_t out;

	__asm__ volatile("int3\n movq %%xmm0, %0" : "=r"(out));
	return out == 0x1122334455667788 ? 11 : 12;
}

static void test_xstate(void)
{
	pid_t pid = traced_child(stores_xmm0);
	uint64_t val = 0x1122334455667788, xcr0, bv;
	uint32_t a, b, c, d;
	static uint8_t buf[16384];
	size_t size = sizeof(buf), whole;

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	CHECK(regset(PTRACE_GETREGSET, pid, NT_X86_XSTATE, buf, &size) == 0);
	whole = size;
	CHECK(whole >= 576);
	/* A debugger finds the features where the software's bytes are. */
	memcpy(&xcr0, buf + 464, 8);
	CHECK_EQ(xcr0 & 3, 3);
	__cpuid_count(0xd, 0, a, b, c, d);
	CHECK_EQ(xcr0 & ~(a | (uint64_t)d << 32), 0);
	memcpy(buf + 160, &val, 8);
	memcpy(&bv, buf + 512, 8);
	bv |= 2;
	memcpy(buf + 512, &bv, 8);
	CHECK(regset(PTRACE_SETREGSET, pid, NT_X86_XSTATE, buf, &size) == 0);
	/* Not a part of it, nor features that there are not. */
	size = 576;
	CHECK_ERR(regset(PTRACE_SETREGSET, pid, NT_X86_XSTATE, buf, &size), EFAULT);
	size = whole;
	buf[519] |= 0x80;
	CHECK_ERR(regset(PTRACE_SETREGSET, pid, NT_X86_XSTATE, buf, &size), EINVAL);
	buf[519] &= 0x7f;
	buf[530] = 1;
	CHECK_ERR(regset(PTRACE_SETREGSET, pid, NT_X86_XSTATE, buf, &size), EINVAL);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 11);
}

/* ---- signals ---- */

static volatile sig_atomic_t seen_value;

static void on_signal(int signo, siginfo_t *si, void *uc)
{
	(void)signo;
	(void)uc;
	seen_value = si->si_value.sival_int;
}

static int takes_value(void)
{
	union sigval v = { .sival_int = 4 };
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO;
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	CHECK(sigqueue(getpid(), SIGUSR1, v) == 0);
	return seen_value;
}

static void test_siginfo(void)
{
	pid_t pid = traced_child(takes_value);
	siginfo_t si;

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_code, SI_QUEUE);
	CHECK_EQ(si.si_value.sival_int, 4);
	si.si_value.sival_int = 66;
	CHECK(trace(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&si) == 0);
	CHECK_EQ(siginfo_of(pid).si_value.sival_int, 66);
	CHECK_ERR(trace(PTRACE_SETSIGINFO, pid, 0, 8), EFAULT);
	CHECK_ERR(trace(PTRACE_GETSIGINFO, pid, 0, 8), EFAULT);
	go(PTRACE_CONT, pid, SIGUSR1);
	expect_exit(pid, 66);
}

static int blocks_and_raises(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	raise(SIGUSR1);
	kill(getpid(), SIGUSR2);
	for (int i = 0; i < 3; i++) {
		union sigval v = { .sival_int = i };

		CHECK(sigqueue(getpid(), SIGRTMIN, v) == 0);
	}
	__asm__ volatile("int3");
	return 0;
}

static long peek_siginfo(pid_t pid, uint64_t off, uint32_t flags, int32_t nr, siginfo_t *out)
{
	struct ptrace_peeksiginfo_args args = { off, flags, nr };

	return trace(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, (uintptr_t)out);
}

static void test_peeksiginfo(void)
{
	pid_t pid = traced_child(blocks_and_raises);
	siginfo_t si[8];

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	CHECK_EQ(peek_siginfo(pid, 0, 0, 8, si), 1);
	CHECK_EQ(si[0].si_signo, SIGUSR1);
	CHECK_EQ(peek_siginfo(pid, 0, PTRACE_PEEKSIGINFO_SHARED, 8, si), 4);
	CHECK_EQ(si[0].si_signo, SIGUSR2);
	CHECK_EQ(si[3].si_signo, SIGRTMIN);
	CHECK_EQ(si[3].si_value.sival_int, 2);
	CHECK_EQ(peek_siginfo(pid, 2, PTRACE_PEEKSIGINFO_SHARED, 1, si), 1);
	CHECK_EQ(si[0].si_value.sival_int, 1);
	CHECK_EQ(peek_siginfo(pid, 9, PTRACE_PEEKSIGINFO_SHARED, 1, si), 0);
	CHECK_EQ(peek_siginfo(pid, 0, 0, 0, si), 0);
	CHECK_ERR(peek_siginfo(pid, 0, 2, 1, si), EINVAL);
	CHECK_ERR(peek_siginfo(pid, 0, 0, -1, si), EINVAL);
	CHECK_ERR(peek_siginfo(pid, 0, 0, 1, (void *)8), EFAULT);
	CHECK_ERR(trace(PTRACE_PEEKSIGINFO, pid, 8, (uintptr_t)si), EFAULT);
	kill_child(pid);
}

static void test_sigmask(void)
{
	pid_t pid = traced_child(blocks_and_raises);
	uint64_t mask = 0, usr1 = 1ull << (SIGUSR1 - 1);

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	CHECK(trace(PTRACE_GETSIGMASK, pid, 8, (uintptr_t)&mask) == 0);
	CHECK_EQ(mask, usr1 | 1ull << (SIGUSR2 - 1) | 1ull << (SIGRTMIN - 1));
	CHECK_ERR(trace(PTRACE_GETSIGMASK, pid, 4, (uintptr_t)&mask), EINVAL);
	CHECK_ERR(trace(PTRACE_SETSIGMASK, pid, 16, (uintptr_t)&mask), EINVAL);
	CHECK_ERR(trace(PTRACE_SETSIGMASK, pid, 8, 8), EFAULT);
	mask &= ~usr1;
	mask |= 1ull << (SIGKILL - 1);
	CHECK(trace(PTRACE_SETSIGMASK, pid, 8, (uintptr_t)&mask) == 0);
	CHECK(trace(PTRACE_GETSIGMASK, pid, 8, (uintptr_t)&mask) == 0);
	CHECK(!(mask & 1ull << (SIGKILL - 1)));
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	kill_child(pid);
}

/* A signal that is blocked when it comes back from the tracer waits. */
static int raises_twice(void)
{
	sigset_t set;

	raise(SIGUSR1);
	sigpending(&set);
	return sigismember(&set, SIGUSR2) ? 13 : 14;
}

static void test_changed_to_blocked(void)
{
	pid_t pid = traced_child(raises_twice);
	uint64_t mask = 1ull << (SIGUSR2 - 1);

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	CHECK(trace(PTRACE_SETSIGMASK, pid, 8, (uintptr_t)&mask) == 0);
	go(PTRACE_CONT, pid, SIGUSR2);
	expect_exit(pid, 13);
}

int main(void)
{
	test_peek_user();
	test_poke_user();
	test_setregs();
	test_regsets();
	test_fpregs();
	test_xstate();
	test_siginfo();
	test_peeksiginfo();
	test_sigmask();
	test_changed_to_blocked();
	(void)slot;
	return 0;
}
