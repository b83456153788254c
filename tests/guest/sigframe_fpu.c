/* Extended state survives handlers: SSE and AVX registers, MXCSR and x87 control
 * words, as do general registers, flags and the red zone; the frame holds them,
 * and changes made there take effect. */
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#include "check.h"

static volatile int hits;

static void clobber(int sig)
{
	uint64_t junk[8] = { 0x6666666666666666ull };
	uint32_t mxcsr = 0x1f80 | 0x6000;
	uint16_t cw = 0x37f | 0xc00;

	(void)sig;
	hits++;
	__asm__ volatile("movdqu %0, %%xmm0\n\tmovdqu %0, %%xmm7\n\tmovdqu %0, %%xmm15\n\t"
			 "ldmxcsr %1\n\tfldcw %2\n\tfld1"
			 :
			 : "m"(junk), "m"(mxcsr), "m"(cw)
			 : "xmm0", "xmm7", "xmm15");
}

static void raise_here(void)
{
	kill(getpid(), SIGUSR1);
}

static void sse_and_control(void)
{
	uint64_t in[2] = { 0x1122334455667788ull, 0x99aabbccddeeff00ull }, out[2];
	uint32_t mxcsr = 0x1f80 | 0x2000, mxcsr_out;
	uint16_t cw = 0x27f, cw_out;
	long pid = getpid(), r;

	__asm__ volatile("ldmxcsr %[m]\n\tfldcw %[c]\n\tmovdqu %[in], %%xmm7\n\t"
			 "syscall\n\t"
			 "movdqu %%xmm7, %[out]\n\tstmxcsr %[mo]\n\tfnstcw %[co]"
			 : "=a"(r), [out] "=m"(out), [mo] "=m"(mxcsr_out), [co] "=m"(cw_out)
			 : "a"(62), "D"(pid),
			   "S"((long)SIGUSR1), [m] "m"(mxcsr), [c] "m"(cw), [in] "m"(in)
			 : "rcx", "r11", "memory", "xmm7");
	CHECK_EQ(r, 0);
	CHECK_EQ(hits, 1);
	CHECK(out[0] == in[0] && out[1] == in[1]);
	CHECK_EQ(mxcsr_out & ~0x3fu, mxcsr & ~0x3fu);
	CHECK_EQ(cw_out, cw);
	mxcsr = 0x1f80;
	cw = 0x37f;
	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(cw));
}

__attribute__((target("avx"))) static void avx(void)
{
	uint64_t in[4] = { 1, 2, 3, 0xdeadbeefcafef00dull }, out[4] = { 0 };
	long pid = getpid(), r;

	hits = 0;
	__asm__ volatile("vmovdqu %[in], %%ymm9\n\tsyscall\n\tvmovdqu %%ymm9, %[out]\n\tvzeroupper"
			 : "=a"(r), [out] "=m"(out)
			 : "a"(62), "D"(pid), "S"((long)SIGUSR1), [in] "m"(in)
			 : "rcx", "r11", "memory", "xmm9");
	CHECK_EQ(r, 0);
	CHECK_EQ(hits, 1);
	CHECK(!memcmp(in, out, sizeof(in)));
}

__attribute__((target("avx512f"))) static void avx512(void)
{
	uint64_t in[8] = { 1, 2, 3, 4, 5, 6, 7, 0x0123456789abcdefull }, out[8] = { 0 }, k = 0;
	long pid = getpid(), r;

	hits = 0;
	__asm__ volatile("vmovdqu64 %[in], %%zmm25\n\tmov $0x5a5a, %%r10d\n\tkmovw %%r10d, %%k3\n\t"
			 "syscall\n\tvmovdqu64 %%zmm25, %[out]\n\tkmovw %%k3, %%r10d\n\t"
			 "mov %%r10, %[k]\n\tvzeroupper"
			 : "=a"(r), [out] "=m"(out), [k] "=m"(k)
			 : "a"(62), "D"(pid), "S"((long)SIGUSR1), [in] "m"(in)
			 : "rcx", "r11", "r10", "memory");
	CHECK_EQ(r, 0);
	CHECK_EQ(hits, 1);
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK_EQ(k, 0x5a5a);
}

static volatile uint64_t frame_rbx;

static void edit_frame(int sig, siginfo_t *si, void *ucp)
{
	ucontext_t *uc = ucp;

	(void)sig;
	(void)si;
	frame_rbx = (uint64_t)uc->uc_mcontext.gregs[REG_R12];
	uc->uc_mcontext.gregs[REG_R12] = 0x4242;
	CHECK(uc->uc_mcontext.fpregs != NULL);
	CHECK((uintptr_t)uc->uc_mcontext.fpregs % 64 == 0);
	((uint64_t *)&uc->uc_mcontext.fpregs->_xmm[6])[0] = 0x7777;
	/* The marks that tell how much follows. */
	if (uc->uc_flags & 1) {
		uint32_t *sw = (uint32_t *)((char *)uc->uc_mcontext.fpregs + 464), magic2;

		CHECK_EQ(sw[0], 0x46505853);
		memcpy(&magic2, (char *)uc->uc_mcontext.fpregs + sw[4], 4);
		CHECK_EQ(magic2, 0x46505845);
		CHECK_EQ(sw[1], sw[4] + 4);
	}
}

static void frame_is_used(void)
{
	struct sigaction sa;
	uint64_t r12, xmm[2] = { 1, 2 };
	long pid = getpid(), r;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = edit_frame;
	sa.sa_flags = SA_SIGINFO;
	CHECK(sigaction(SIGUSR2, &sa, NULL) == 0);
	__asm__ volatile("movdqu %[x], %%xmm6\n\tmov $0x1212, %%r12\n\tsyscall\n\t"
			 "mov %%r12, %[r12]\n\tmovdqu %%xmm6, %[x]"
			 : "=a"(r), [r12] "=r"(r12), [x] "+m"(xmm)
			 : "a"(62), "D"(pid), "S"((long)SIGUSR2)
			 : "rcx", "r11", "r12", "memory", "xmm6");
	CHECK_EQ(r, 0);
	CHECK_EQ(frame_rbx, 0x1212);
	CHECK_EQ(r12, 0x4242);
	CHECK_EQ(xmm[0], 0x7777);
	CHECK_EQ(xmm[1], 2);
}

/* 128 bytes below the stack pointer are the interrupted function's. */
static void red_zone(void)
{
	long pid = getpid(), r;
	uint64_t got, stack_ok;

	__asm__ volatile("movabs $0x5555aaaa5555aaaa, %%r12\n\tmov %%r12, -128(%%rsp)\n\t"
			 "mov %%rsp, %%r13\n\tsyscall\n\t"
			 "mov -128(%%rsp), %[got]\n\tsub %%rsp, %%r13\n\tmov %%r13, %[ok]"
			 : "=a"(r), [got] "=&r"(got), [ok] "=&r"(stack_ok)
			 : "a"(62), "D"(pid), "S"((long)SIGUSR1)
			 : "rcx", "r11", "r12", "r13", "memory");
	CHECK_EQ(got, 0x5555aaaa5555aaaaull);
	CHECK_EQ(stack_ok, 0);
}

/* The handler starts with DF and TF clear and an aligned stack. */
uint64_t entry_flags, entry_sp;

__attribute__((naked)) static void entry_probe(int sig __attribute__((unused)))
{
	__asm__ volatile("pushf\n\tpop %rax\n\tmov %rax, entry_flags(%rip)\n\t"
			 "mov %rsp, entry_sp(%rip)\n\tret");
}

static void entry(void)
{
	long pid = getpid(), r;

	signal(SIGUSR2, entry_probe);
	__asm__ volatile("std\n\tsyscall\n\tcld"
			 : "=a"(r)
			 : "a"(62), "D"(pid), "S"((long)SIGUSR2)
			 : "rcx", "r11", "memory", "cc");
	CHECK_EQ(r, 0);
	CHECK(!(entry_flags & 0x400));
	CHECK_EQ((entry_sp + 8) % 16, 0);
}

int main(void)
{
	signal(SIGUSR1, clobber);
	raise_here();
	hits = 0;
	sse_and_control();
	if (__builtin_cpu_supports("avx"))
		avx();
	if (__builtin_cpu_supports("avx512f"))
		avx512();
	frame_is_used();
	red_zone();
	entry();
	return 0;
}
