/* The platform by its contract alone: maps code, runs it, takes its traps. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/thread.h"
#include "platform/testlib_guest.h"

/* mov $39,%eax; syscall; jmp back */
static const uint8_t loop_getpid[] = { 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7 };

static void test_syscall_and_registers(void)
{
	struct guest g;

	CHECK(guest_start(&g, 0, loop_getpid, sizeof(loop_getpid)) == 0);
	g.regs.rdi = 0x1111;
	g.regs.r15 = 0xf00dull;
	g.regs.fs_base = 0x12345000;
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.ev.sysno == 39);
	CHECK(g.regs.rip == CODE + 7 && g.regs.rdi == 0x1111 && g.regs.r15 == 0xf00d);
	CHECK(g.regs.fs_base == 0x12345000 && g.regs.rsp == STACK + PAGE_SIZE);
	for (int i = 0; i < 1000; i++) {
		g.regs.rax = (uint64_t)i;
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.regs.rip == CODE + 7);
	}
	guest_end(&g);
}

static void test_faults(void)
{
	static const struct {
		uint8_t code[16];
		size_t size;
		int signo, code_;
		uint32_t trapno;
		uint64_t addr;
	} cases[] = {
		/* mov (%rdi),%rax with rdi = 0x1000 */
		{ { 0x48, 0x8b, 0x07 }, 3, SIGSEGV, SEGV_MAPERR, 14, 0x1000 },
		{ { 0x0f, 0x0b }, 2, SIGILL, ILL_ILLOPN, 6, CODE },
		{ { 0xcc }, 1, SIGTRAP, SI_KERNEL, 3, 0 },
		/* xor %ecx,%ecx; div %ecx */
		{ { 0x31, 0xc9, 0xf7, 0xf1 }, 4, SIGFPE, FPE_INTDIV, 0, CODE + 2 },
		{ { 0xf4 }, 1, SIGSEGV, SI_KERNEL, 13, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guest g;

		CHECK(guest_start(&g, 4, cases[i].code, sizeof(cases[i].code)) == 0);
		g.regs.rdi = 0x1000;
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_FAULT);
		CHECK(g.ev.signo == cases[i].signo && g.ev.code == cases[i].code_);
		CHECK(g.ev.trapno == cases[i].trapno && g.ev.addr == cases[i].addr);
		guest_end(&g);
	}
}

static void interrupt_later(void *arg)
{
	struct guest *g = arg;
	struct timespec ts = { 0, 20000000 };

	nanosleep(&ts, NULL);
	platform_ctx_interrupt(g->ctx);
}

static void test_interrupt_of_a_spinning_guest(void)
{
	static const uint8_t spin[] = { 0xeb, 0xfe };
	struct host_thread th;
	struct guest g;

	CHECK(guest_start(&g, 8, spin, sizeof(spin)) == 0);
	CHECK(host_thread_create(&th, "intr", 0, interrupt_later, &g) == 0);
	platform_ctx_switch(g.ctx, &g.regs, &g.ev);
	host_thread_join(&th);
	CHECK(g.ev.kind == PLATFORM_EV_INTERRUPTED && g.regs.rip == CODE);
	guest_end(&g);
}

static void test_clear_leaves_nothing_mapped(void)
{
	struct guest g;

	CHECK(guest_start(&g, 12, loop_getpid, sizeof(loop_getpid)) == 0);
	guest_run(&g);
	CHECK(platform_as_clear(g.as) == 0);
	g.regs.rip = CODE;
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_FAULT && g.ev.signo == SIGSEGV && g.ev.addr == CODE);
	guest_end(&g);
}

static void test_many_spaces_and_contexts(void)
{
	static struct guest g[64];

	for (int i = 0; i < 64; i++)
		CHECK(guest_start(&g[i], 16, loop_getpid, sizeof(loop_getpid)) == 0);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 64; i++) {
			guest_run(&g[i]);
			CHECK(g[i].ev.kind == PLATFORM_EV_SYSCALL);
		}
	}
	for (int i = 0; i < 64; i++)
		guest_end(&g[i]);
}

static void thread_runs_guest(void *arg)
{
	struct guest *g = arg;

	for (int i = 0; i < 200; i++) {
		guest_run(g);
		if (g->ev.kind != PLATFORM_EV_SYSCALL)
			break;
	}
}

static void test_threads_in_one_space(void)
{
	static struct guest g[32];
	static struct host_thread th[32];

	CHECK(guest_start(&g[0], 20, loop_getpid, sizeof(loop_getpid)) == 0);
	for (int i = 1; i < 32; i++) {
		CHECK(guest_twin(&g[0], &g[i]) == 0);
	}
	for (int i = 0; i < 32; i++)
		CHECK(host_thread_create(&th[i], "guest", 0, thread_runs_guest, &g[i]) == 0);
	for (int i = 0; i < 32; i++)
		host_thread_join(&th[i]);
	for (int i = 0; i < 32; i++)
		CHECK(g[i].ev.kind == PLATFORM_EV_SYSCALL);
	for (int i = 31; i > 0; i--)
		platform_ctx_destroy(g[i].ctx);
	guest_end(&g[0]);
}

static void test_kill_gives_dead(void)
{
	static const uint8_t spin[] = { 0xeb, 0xfe };
	struct guest g;
	struct platform_op op = { .kind = PLATFORM_OP_UNMAP, .addr = CODE, .size = PAGE_SIZE };

	CHECK(guest_start(&g, 24, spin, sizeof(spin)) == 0);
	platform_as_kill(g.as);
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_DEAD);
	CHECK(platform_as_apply(g.as, &op, 1) == -ESRCH);
	guest_end(&g);
}

static void test_create_and_destroy_leaves_no_process(void)
{
	for (int i = 0; i < 300; i++) {
		struct guest g;

		CHECK(guest_start(&g, 28, loop_getpid, sizeof(loop_getpid)) == 0);
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_SYSCALL);
		if (i & 1)
			platform_as_kill(g.as);
		guest_end(&g);
	}
}

static void test_foreign_abi_calls(void)
{
	static const uint8_t int80[] = { 0xb8, 20, 0, 0, 0, 0xcd, 0x80 };
	struct guest g;

	CHECK(guest_start(&g, 32, int80, sizeof(int80)) == 0);
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL32);
	guest_end(&g);
}

static void test_xstate_round_trip(void)
{
	/* movq %rdi,%xmm7; mov $39,%eax; syscall; movq %xmm7,%rsi; syscall */
	static const uint8_t code[] = { 0x66, 0x48, 0x0f, 0x6e, 0xff, 0xb8, 39,   0,    0,   0,
					0x0f, 0x05, 0x66, 0x48, 0x0f, 0x7e, 0xfe, 0x0f, 0x05 };
	struct guest g;
	uint8_t *buf = calloc(1, platform_xstate_size(plat));

	CHECK(guest_start(&g, 36, code, sizeof(code)) == 0);
	g.regs.rdi = 0xabcdef;
	guest_run(&g);
	platform_ctx_xstate_get(g.ctx, buf);
	CHECK(*(uint64_t *)(void *)(buf + 160 + 16 * 7) == 0xabcdef);
	*(uint64_t *)(void *)(buf + 160 + 16 * 7) = 0x777;
	memset(buf + 520, 0xff, 56); /* reserved header bytes: made harmless */
	*(uint32_t *)(void *)(buf + 24) = 0xffffffff;
	CHECK(platform_ctx_xstate_set(g.ctx, buf, platform_xstate_size(plat)) == 0);
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.regs.rsi == 0x777);
	CHECK(platform_ctx_xstate_set(g.ctx, buf, 100) == -EINVAL);
	free(buf);
	guest_end(&g);
}

static void test_host_clock_functions_are_callable(void)
{
	uint64_t fn = platform_vdso_symbol(plat, "__vdso_clock_gettime");
	/* call *%rax; mov $39,%eax; syscall */
	static const uint8_t code[] = { 0xff, 0xd0, 0xb8, 39, 0, 0, 0, 0x0f, 0x05 };
	struct guest g;
	int64_t *ts = (void *)(mem + 42 * PAGE_SIZE);

	if (!fn) {
		printf("SKIP: the host's vDSO cannot be moved\n");
		return;
	}
	CHECK(guest_start(&g, 40, code, sizeof(code)) == 0);
	g.regs.rax = fn;
	g.regs.rdi = CLOCK_MONOTONIC;
	g.regs.rsi = DATA;
	ts[0] = 0;
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.ev.sysno == 39);
	CHECK(ts[0] > 0);
	guest_end(&g);
}

int main(void)
{
	static const struct platform_test tests[] = {
		{ "syscall_and_registers", test_syscall_and_registers },
		{ "faults", test_faults },
		{ "interrupt", test_interrupt_of_a_spinning_guest },
		{ "clear", test_clear_leaves_nothing_mapped },
		{ "many_spaces", test_many_spaces_and_contexts },
		{ "threads", test_threads_in_one_space },
		{ "kill", test_kill_gives_dead },
		{ "create_destroy", test_create_and_destroy_leaves_no_process },
		{ "foreign_abi", test_foreign_abi_calls },
		{ "xstate", test_xstate_round_trip },
		{ "host_clock", test_host_clock_functions_are_callable },
	};

	return run_platform_tests(tests, ARRAY_SIZE(tests));
}
