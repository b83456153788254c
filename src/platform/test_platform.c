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

/* ---- the gate ---- */

/* Counts in r15, puts the number in xmm1, calls, adds the result to r14, takes xmm1 to
 * rbx; over again. */
static const uint8_t gate_loop[] = {
	0x49, 0xff, 0xc7,                            /* inc %r15 */
	0x66, 0x49, 0x0f, 0x6e, 0xcf,                /* movq %r15,%xmm1 */
	0xb8, 39,   0,    0,    0,                   /* mov $39,%eax */
	0x48, 0xb9, 0,    0,    0,    0, 0, 0, 0, 0, /* movabs $back,%rcx */
	0xff, 0x25, 12,   0,    0,    0,             /* jmp *gate */
	0x0f, 0x05,                                  /* syscall */
	0x49, 0x01, 0xc6,                            /* back: add %rax,%r14 */
	0x66, 0x48, 0x0f, 0x7e, 0xcb,                /* movq %xmm1,%rbx */
	0xeb, 0xd7,                                  /* jmp to the start */
	0,    0,    0,    0,    0,    0, 0, 0,       /* gate */
};
#define GATE_BACK 31
#define GATE_END 41

static int gate_start(struct guest *g, unsigned page)
{
	uint64_t back = CODE + GATE_BACK, gate = platform_call_gate(plat);
	uint8_t code[sizeof(gate_loop)];

	memcpy(code, gate_loop, sizeof(code));
	memcpy(code + 15, &back, 8);
	memcpy(code + GATE_END, &gate, 8);
	return guest_start(g, page, code, sizeof(code));
}

static void test_gate_keeps_registers(void)
{
	struct guest g;
	uint64_t sum = 0;

	CHECK(gate_start(&g, 44) == 0);
	g.regs.rdi = 1, g.regs.rsi = 2, g.regs.rdx = 3, g.regs.r10 = 4, g.regs.r8 = 5;
	g.regs.r9 = 6, g.regs.rbp = 7, g.regs.r12 = 8, g.regs.r13 = 9;
	g.regs.fs_base = 0x12345000;
	for (uint64_t i = 1; i < 5000; i++) {
		const struct guest_regs *r = &g.regs;

		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.ev.sysno == 39 && g.ev.by_gate);
		CHECK(r->rax == 39 && r->rip == CODE + GATE_BACK && r->rsp == STACK + PAGE_SIZE);
		CHECK(r->rdi == 1 && r->rsi == 2 && r->rdx == 3 && r->r10 == 4 && r->r8 == 5);
		CHECK(r->r9 == 6 && r->rbp == 7 && r->r12 == 8 && r->r13 == 9);
		CHECK(r->fs_base == 0x12345000 && r->gs_base == 0);
		CHECK(r->r15 == i && r->r14 == sum && (i == 1 || r->rbx == i - 1));
		g.regs.rax = i;
		sum += i;
	}
	guest_end(&g);
}

/* Each way to change more than the gate can bring back. */
static void test_gate_brings_what_was_changed(void)
{
	uint8_t *buf = calloc(1, platform_xstate_size(plat));
	uint64_t *xmm1 = (void *)(buf + 160 + 16), n = 0;
	struct guest g;

	CHECK(gate_start(&g, 44) == 0);
	for (unsigned i = 1; i < 600; i++) {
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.ev.by_gate && g.regs.r15 == ++n);
		switch (i % 6) {
		case 0:
			platform_ctx_xstate_get(g.ctx, buf);
			CHECK(*xmm1 == n);
			*xmm1 = 0x777;
			CHECK(platform_ctx_xstate_set(g.ctx, buf, platform_xstate_size(plat)) == 0);
			break;
		case 1:
			CHECK(g.regs.rbx == (i > 1 ? 0x777 : 0) || i == 1);
			break;
		case 2:
			g.regs.rip = CODE; /* another place; rcx is another */
			break;
		case 3:
			g.regs.rcx = 0x1234;
			break;
		case 4:
			g.regs.fs_base += 0x1000;
			break;
		default:
			g.regs.rflags |= 0x400; /* DF */
			break;
		}
		if (i % 6 == 0) { /* by its own instruction, the flags as they are */
			g.regs.rip -= 2;
			g.regs.rax = 40;
			guest_run(&g);
			CHECK(!g.ev.by_gate && g.ev.sysno == 40 && (g.regs.rflags & 0x400));
			g.regs.rflags &= ~0x400ull;
		}
	}
	free(buf);
	guest_end(&g);
}

/* A thread that uses the GS base itself comes by its instruction. */
static void test_gate_of_a_guest_with_gs(void)
{
	struct guest g, twin;

	CHECK(gate_start(&g, 44) == 0);
	CHECK(guest_twin(&g, &twin) == 0);
	g.regs.gs_base = DATA;
	for (int i = 0; i < 3; i++) {
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && !g.ev.by_gate && g.ev.sysno == 39);
		CHECK(g.regs.rip == CODE + GATE_BACK && g.regs.gs_base == DATA);
		guest_run(&twin);
		CHECK(twin.ev.by_gate && twin.regs.gs_base == 0);
	}
	platform_ctx_destroy(twin.ctx); /* in a call */
	guest_end(&g);
}

struct nagger {
	struct guest *g;
	atomic_bool stop;
};

static void nag(void *arg)
{
	struct nagger *n = arg;

	while (!atomic_load(&n->stop)) {
		platform_ctx_interrupt(n->g->ctx);
		for (volatile int i = 0; i < 300; i++)
			;
	}
}

/* Interrupts at every moment: each call is seen once, with its registers, and no event
 * shows the way through the gate. */
static void test_gate_interrupted(void)
{
	uint8_t *buf = calloc(1, platform_xstate_size(plat));
	struct host_thread th;
	uint64_t n = 0, sum = 0, interrupts = 0;
	unsigned failed = tests_failed;
	struct guest g;
	struct nagger nagger = { .g = &g };

	CHECK(gate_start(&g, 44) == 0);
	CHECK(host_thread_create(&th, "nag", 0, nag, &nagger) == 0);
	while ((n < 20000 || !interrupts) && tests_failed == failed) {
		platform_ctx_switch(g.ctx, &g.regs, &g.ev);
		if (g.regs.rip < CODE || g.regs.rip > CODE + GATE_END) {
			printf("FAIL: an event at %lx\n", (unsigned long)g.regs.rip);
			tests_failed++;
		}
		if (g.ev.kind == PLATFORM_EV_INTERRUPTED) {
			interrupts++;
			if (interrupts % 16 == 0)
				platform_ctx_xstate_get(g.ctx, buf);
			continue;
		}
		n++;
		if (g.ev.kind != PLATFORM_EV_SYSCALL || g.regs.r15 != n || g.regs.r14 != sum ||
		    g.ev.sysno != 39 || (n > 1 && g.regs.rbx != n - 1)) {
			printf("FAIL: call %lu: r15 %lu\n", n, g.regs.r15);
			tests_failed++;
		}
		g.regs.rax = n;
		sum += n;
	}
	atomic_store(&nagger.stop, true);
	host_thread_join(&th);
	free(buf);
	guest_end(&g);
}

struct caller {
	struct guest *g;
	atomic_uint round, told;
	atomic_bool stop;
};

/* Once a round, at some moment of it: says so, then interrupts. */
static void tell(void *arg)
{
	struct caller *c = arg;
	unsigned seen = 0;

	while (!atomic_load(&c->stop)) {
		unsigned round = atomic_load(&c->round);

		if (round == seen)
			continue;
		seen = round;
		for (volatile unsigned i = 0; i < round * 7919 % 16000; i++)
			;
		atomic_store(&c->told, round);
		platform_ctx_interrupt(c->g->ctx);
	}
}

/* After one call the guest spins: an interrupt that was lost is waited for for ever. */
static void test_gate_loses_no_interrupt(void)
{
	struct host_thread th;
	struct guest g;
	struct caller c = { .g = &g };

	CHECK(gate_start(&g, 44) == 0);
	memcpy(mem + 44 * PAGE_SIZE + GATE_BACK, "\xeb\xfe", 2);
	CHECK(host_thread_create(&th, "tell", 0, tell, &c) == 0);
	for (unsigned round = 1; round <= 3000; round++) {
		g.regs.rip = CODE;
		atomic_store(&c.round, round);
		while (atomic_load(&c.told) != round && g.ev.kind != PLATFORM_EV_DEAD)
			platform_ctx_switch(g.ctx, &g.regs, &g.ev);
	}
	atomic_store(&c.stop, true);
	host_thread_join(&th);
	CHECK(g.ev.kind != PLATFORM_EV_DEAD); /* taken for deaf */
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
		{ "gate_registers", test_gate_keeps_registers },
		{ "gate_changes", test_gate_brings_what_was_changed },
		{ "gate_gs", test_gate_of_a_guest_with_gs },
		{ "gate_interrupted", test_gate_interrupted },
		{ "gate_told", test_gate_loses_no_interrupt },
		{ "host_clock", test_host_clock_functions_are_callable },
	};

	return run_platform_tests(tests, ARRAY_SIZE(tests));
}
