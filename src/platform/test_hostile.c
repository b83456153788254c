/*
 * Guests that want out. Each tries one thing; what it gets is what Linux would give,
 * or something that harms nobody but itself, with the reason beside it. After each,
 * a fresh guest must work, and no stub may be left at the end.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "host/thread.h"
#include "platform/systrap/layout.h"
#include "platform/testlib_guest.h"

extern const char stub_text[], stub_text_end[], stub_ip_futex_wake[], stub_ip_futex_wait[],
	stub_ip_sigreturn[];

/* Guest code, position independent: name and name_end are its bounds. */
#define GUEST_CODE(name, text)                                                               \
	extern const char name[], name##_end[];                                              \
	__asm__(".pushsection .rodata.guest, \"a\", @progbits\n" #name ":\n" text "\n" #name \
		"_end:\n.popsection")
#define START(g, name) guest_start(g, 0, name, (size_t)(name##_end - name))

GUEST_CODE(ask_pid, "1: mov $39, %eax; syscall; jmp 1b");

/* Another guest works. */
static bool others_live(void)
{
	struct guest g;
	bool ok;

	if (guest_start(&g, 8, ask_pid, (size_t)(ask_pid_end - ask_pid)) < 0)
		return false;
	guest_run(&g);
	ok = g.ev.kind == PLATFORM_EV_SYSCALL && g.ev.sysno == SYS_getpid;
	guest_end(&g);
	return ok;
}

static uint64_t stub_region(void)
{
	gva_t lo, hi;

	platform_guest_range(plat, &lo, &hi);
	return hi;
}

/* ---- jumps into the stub page ---- */

/* Ends a guest that may never trap again. */
struct deadline {
	struct host_thread thread;
	struct platform_as *as;
	unsigned ms;
	atomic_bool over;
};

static void deadline_main(void *arg)
{
	struct deadline *d = arg;
	struct timespec ts = { 0, 1000000 };

	for (unsigned i = 0; i < d->ms && !atomic_load(&d->over); i++)
		nanosleep(&ts, NULL);
	if (!atomic_load(&d->over))
		platform_as_kill(d->as);
}

static int deadline_start(struct deadline *d, struct platform_as *as, unsigned ms)
{
	d->as = as;
	d->ms = ms;
	atomic_init(&d->over, false);
	return host_thread_create(&d->thread, "deadline", 0, deadline_main, d);
}

static void deadline_end(struct deadline *d)
{
	atomic_store(&d->over, true);
	host_thread_join(&d->thread);
}

/* Guest threads may make futex waits and wakes and sigreturn, from one instruction
 * each: on their own memory and registers, so they gain nothing. */
static bool is_let_through(uint64_t ip, uint64_t nr, uint64_t rsi)
{
	const char *after = stub_text + ip + 2;

	return (nr == SYS_futex && (uint32_t)rsi == 1 && after == stub_ip_futex_wake) ||
	       (nr == SYS_futex && (uint32_t)rsi == 0 && after == stub_ip_futex_wait) ||
	       (nr == SYS_rt_sigreturn && after == stub_ip_sigreturn);
}

/* Runs until the first event, or the end of its time. */
static void jump(struct guest *g, uint64_t ip, uint64_t nr, uint64_t rsi)
{
	struct deadline d;

	g->regs.rip = stub_region() + ip;
	g->regs.rax = nr;
	g->regs.rsi = rsi;
	g->regs.rdi = DATA;
	g->regs.rdx = g->regs.r10 = g->regs.r8 = g->regs.r9 = 0;
	/* As the mapper has them, should any of its code run on. */
	g->regs.rbx = stub_region() + STUB_REQUEST;
	g->regs.rbp = stub_region() + STUB_ANSWER;
	g->regs.r12 = stub_region() + STUB_CONTEXTS + CTX_HEADER;
	g->regs.r13 = DATA;
	g->regs.r14 = 1;
	if (deadline_start(&d, g->as, 50) < 0)
		return;
	guest_run(g);
	deadline_end(&d);
}

static void test_every_syscall_instruction_of_the_stub(void)
{
	static const uint64_t numbers[] = { SYS_getpid,  SYS_write,        SYS_mmap,
					    SYS_munmap,  SYS_mprotect,     SYS_execve,
					    SYS_clone,   SYS_pwrite64,     SYS_exit,
					    SYS_futex,   SYS_rt_sigreturn, SYS_rt_sigprocmask,
					    SYS_seccomp, SYS_close_range,  SYS_sigaltstack,
					    SYS_ptrace,  SYS_kill,         0x40000000 | SYS_getpid };
	const uint8_t *text = (const uint8_t *)stub_text;
	size_t size = (size_t)(stub_text_end - stub_text), instructions = 0;

	for (size_t ip = 0; ip + 1 < size; ip++) {
		if (text[ip] != 0x0f || text[ip + 1] != 0x05)
			continue;
		instructions++;
		for (size_t i = 0; i < 2 * ARRAY_SIZE(numbers); i++) {
			uint64_t nr = numbers[i / 2], rsi = i % 2;
			struct guest g;

			CHECK(START(&g, ask_pid) == 0);
			jump(&g, ip, nr, rsi);
			/* What is let through runs on as guest code: any end will do. */
			if (!is_let_through(ip, nr, rsi)) {
				CHECK(g.ev.kind == PLATFORM_EV_SYSCALL);
				CHECK((uint64_t)g.ev.sysno == nr);
				CHECK(g.regs.rip == stub_region() + ip + 2);
			}
			guest_end(&g);
		}
		CHECK(others_live());
	}
	CHECK(instructions > 10);
}

/* Every byte of the page as a start: whatever it decodes to, the guest traps, dies
 * or runs on by itself. */
static void test_every_byte_of_the_stub(void)
{
	size_t size = (size_t)(stub_text_end - stub_text);

	for (size_t ip = 0; ip < size && ip < 0x400; ip += 3) {
		struct guest g;

		CHECK(START(&g, ask_pid) == 0);
		jump(&g, ip, SYS_getpid, 0);
		guest_end(&g);
	}
	CHECK(others_live());
}

/* ---- the shared pages ---- */

/* What is not the guest's to write faults: text, constants, the request page. */
static void test_read_only_parts_of_the_region(void)
{
	static const uint64_t at[] = { STUB_TEXT, STUB_RODATA, STUB_REQUEST, STUB_VDSO };

	GUEST_CODE(store, "movq $0, (%rdi); mov $39, %eax; syscall");
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		struct guest g;

		CHECK(START(&g, store) == 0);
		g.regs.rdi = stub_region() + at[i];
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_FAULT && g.ev.signo == SIGSEGV);
		CHECK(g.ev.addr == stub_region() + at[i]);
		guest_end(&g);
	}
	CHECK(others_live());
}

/* Fills the area of the first context with bytes that change. */
GUEST_CODE(scribble, "1: mov %rbx, %rdi; mov $0x4000, %ecx; rep stosb; add $0x35, %al;"
		     "   test %dl, %dl; jz 1b; mov %rbx, %rdi; mov $0x4000, %ecx;"
		     "   xor %eax, %eax; rep stosb; jmp 1b");

static void run_on(void *arg)
{
	struct guest *g = arg;

	do {
		guest_run(g);
	} while (g->ev.kind != PLATFORM_EV_DEAD);
}

/* A sibling writes over the frame and header of a thread while the kernel handles its
 * calls: the thread gets wrong registers, hangs or dies. Numbers and registers that
 * the kernel sees may be anything: it reads each once. */
static void scribbled(uint64_t rdx, uint64_t rbx)
{
	struct host_thread th[2];
	struct deadline d;
	struct guest g[2];

	CHECK(START(&g[0], ask_pid) == 0);
	CHECK(guest_twin(&g[0], &g[1]) == 0);
	memcpy(mem + PAGE_SIZE / 2, scribble, (size_t)(scribble_end - scribble));
	g[1].regs.rip = CODE + PAGE_SIZE / 2;
	g[1].regs.rbx = rbx;
	g[1].regs.rdx = rdx;
	CHECK(deadline_start(&d, g[0].as, 200) == 0);
	CHECK(host_thread_create(&th[0], "victim", 0, run_on, &g[0]) == 0);
	CHECK(host_thread_create(&th[1], "scribbler", 0, run_on, &g[1]) == 0);
	host_thread_join(&th[0]);
	host_thread_join(&th[1]);
	deadline_end(&d);
	platform_ctx_destroy(g[1].ctx);
	guest_end(&g[0]);
	CHECK(others_live());
}

static void test_contexts_are_scribbled_over(void)
{
	scribbled(0, stub_region() + STUB_CONTEXTS);
	scribbled(1, stub_region() + STUB_CONTEXTS);
	/* Its own area: the one who writes loses its own frame. */
	scribbled(0, stub_region() + STUB_CONTEXTS + CTX_SIZE);
	/* The header only, and the answer page. */
	scribbled(0, stub_region() + STUB_CONTEXTS + CTX_HEADER - 0x3f00);
	scribbled(0, stub_region() + STUB_ANSWER - 0x3000);
}

/* Memory that guests can reach is not ours to believe: an address space whose answer
 * page was scribbled over makes threads as ever. */
static void test_threads_after_forged_answers(void)
{
	GUEST_CODE(forge, "mov $0x7fffffff, %eax; mov %eax, (%rdi); mov $39, %eax; syscall");
	struct guest g, twin;

	CHECK(START(&g, forge) == 0);
	g.regs.rdi = stub_region() + STUB_ANSWER;
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL);
	CHECK(guest_twin(&g, &twin) == 0);
	guest_run(&twin);
	/* The same code: rdi is 0 now. */
	CHECK(twin.ev.kind == PLATFORM_EV_FAULT && twin.ev.addr == 0);
	platform_ctx_destroy(twin.ctx);
	guest_end(&g);
}

/* ---- registers ---- */

static void expect_pid_call(const char *code, size_t size, uint64_t rdi)
{
	struct guest g;

	CHECK(guest_start(&g, 0, code, size) == 0);
	g.regs.rdi = rdi;
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.ev.sysno == SYS_getpid);
	/* And on: what it has is taken back by the host. */
	g.regs.rip = CODE;
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.ev.sysno == SYS_getpid);
	guest_end(&g);
	CHECK(others_live());
}
#define EXPECT_PID_CALL(name, rdi) expect_pid_call(name, (size_t)(name##_end - name), rdi)

GUEST_CODE(set_fs, "wrfsbase %rdi; mov $39, %eax; syscall");
GUEST_CODE(set_gs, "wrgsbase %rdi; mov $39, %eax; syscall");
GUEST_CODE(set_selectors, "mov $0x2b, %eax; mov %eax, %ds; mov %eax, %es; mov $39, %eax; syscall");
GUEST_CODE(set_fs_selector,
	   "mov $0x2b, %eax; mov %eax, %fs; mov %eax, %gs; mov $39, %eax; syscall");
GUEST_CODE(set_mxcsr, "push $0; ldmxcsr (%rsp); pop %rax; mov $39, %eax; syscall");
GUEST_CODE(set_x87, "push $0; fninit; fldcw (%rsp); fld1; fldz; pop %rax; mov $39, %eax; syscall");
/* A division by zero is pending in the x87 when the call traps. */
GUEST_CODE(pending_x87,
	   "push $0; fninit; fldcw (%rsp); fld1; fldz; fdivrp; pop %rax; mov $39, %eax; syscall");
GUEST_CODE(mmx_left, "pcmpeqd %mm0, %mm0; movq %mm0, %mm7; mov $39, %eax; syscall");
GUEST_CODE(direction, "std; mov $39, %eax; syscall");
GUEST_CODE(set_flags,
	   "pushf; orl $0x244dd5, (%rsp); andl $0xfffffeff, (%rsp); popf; mov $39, %eax; syscall");
GUEST_CODE(alignment, "pushf; orl $0x40000, (%rsp); popf; mov $39, %eax; syscall");

static void test_hostile_registers(void)
{
	static const uint64_t bases[] = { 0, ~0ull, 0xffff800000000000, 0xffffffff81000000,
					  0x7fffffffffff };

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		EXPECT_PID_CALL(set_fs, bases[i]);
		EXPECT_PID_CALL(set_gs, bases[i]);
	}
	EXPECT_PID_CALL(set_fs, stub_region() + STUB_CONTEXTS);
	EXPECT_PID_CALL(set_selectors, 0);
	EXPECT_PID_CALL(set_fs_selector, 0);
	EXPECT_PID_CALL(set_mxcsr, 0);
	EXPECT_PID_CALL(set_x87, 0);
	EXPECT_PID_CALL(pending_x87, 0);
	EXPECT_PID_CALL(mmx_left, 0);
	EXPECT_PID_CALL(direction, 0);
	EXPECT_PID_CALL(set_flags, 0);
	EXPECT_PID_CALL(alignment, 0);
}

/* A base that is no address faults at once, in the guest. */
static void test_impossible_base(void)
{
	struct guest g;

	CHECK(START(&g, set_fs) == 0);
	g.regs.rdi = 0x8000000000000000;
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_FAULT && g.ev.signo == SIGSEGV && g.ev.trapno == 13);
	guest_end(&g);
}

static void test_single_step(void)
{
	GUEST_CODE(stepper, "pushf; orl $0x100, (%rsp); popf; nop; mov $39, %eax; syscall");
	struct guest g;
	unsigned steps = 0;

	CHECK(START(&g, stepper) == 0);
	do {
		guest_run(&g);
		steps++;
	} while (g.ev.kind == PLATFORM_EV_FAULT && g.ev.signo == SIGTRAP && steps < 100);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && steps > 1);
	guest_end(&g);
}

static void test_unmasked_arithmetic(void)
{
	GUEST_CODE(divide, "push $0; ldmxcsr (%rsp); pxor %xmm0, %xmm0; mov $0x3f800000, %eax;"
			   "movd %eax, %xmm1; divss %xmm0, %xmm1; ud2");
	struct guest g;

	CHECK(START(&g, divide) == 0);
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_FAULT && g.ev.signo == SIGFPE && g.ev.trapno == 19);
	guest_end(&g);
	CHECK(others_live());
}

/* The host pushes our frame onto the signal stack wherever rsp is; but if rsp is in
 * the signal stack already, just below it: the guest has put its frame where the
 * kernel does not look, and keeps its registers; below the start of the stack the
 * host ends the stub. */
static void test_wrong_stack_pointers(void)
{
	uint64_t area = stub_region() + STUB_CONTEXTS;
	const uint64_t outside[] = { 0,
				     8,
				     ~0ull,
				     0xffff800000000000,
				     0x8000000000000000,
				     CODE,
				     stub_region(),
				     stub_region() + STUB_REQUEST + 0x100 };
	const uint64_t inside[] = { area,          area + 8,          area + 0x1000,
				    area + 0x2001, area + CTX_HEADER, area + CTX_SIZE };

	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		struct guest g;

		CHECK(START(&g, ask_pid) == 0);
		g.regs.rsp = outside[i];
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.regs.rsp == outside[i]);
		guest_end(&g);
	}
	for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
		struct deadline d;
		struct guest g;

		CHECK(START(&g, ask_pid) == 0);
		g.regs.rsp = inside[i];
		CHECK(deadline_start(&d, g.as, 50) == 0);
		for (int n = 0; n < 20 && g.ev.kind != PLATFORM_EV_DEAD; n++)
			guest_run(&g);
		deadline_end(&d);
		guest_end(&g);
	}
	CHECK(others_live());
}

static void test_jumps_to_nowhere(void)
{
	static const uint64_t to[] = {
		0, ~0ull, 0x8000000000000000, 0xffff800000000000, 0x7ffffffff000, 0x7ffffffffffe
	};

	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		struct guest g;

		CHECK(START(&g, ask_pid) == 0);
		g.regs.rip = to[i];
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_FAULT && g.ev.signo == SIGSEGV);
		guest_end(&g);
	}
	CHECK(others_live());
}

/* ---- other ways into a kernel ---- */

static void test_foreign_entries(void)
{
	GUEST_CODE(int80, "mov $20, %eax; int $0x80");
	GUEST_CODE(x32, "mov $0x40000027, %eax; syscall");
	GUEST_CODE(negative, "mov $-1, %rax; syscall");
	GUEST_CODE(sysenter, "mov $20, %eax; xor %ebp, %ebp; sysenter; ud2");
	struct guest g;

	CHECK(START(&g, int80) == 0);
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL32);
	guest_end(&g);
	CHECK(START(&g, x32) == 0);
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.ev.sysno == 0x40000027);
	guest_end(&g);
	CHECK(START(&g, negative) == 0);
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL && g.ev.sysno == -1);
	guest_end(&g);
	/* AMD: no such instruction in 64-bit mode. Intel: a 32-bit call. */
	CHECK(START(&g, sysenter) == 0);
	guest_run(&g);
	CHECK(g.ev.kind == PLATFORM_EV_SYSCALL32 ||
	      (g.ev.kind == PLATFORM_EV_FAULT && (g.ev.signo == SIGILL || g.ev.signo == SIGSEGV)));
	guest_end(&g);
	CHECK(others_live());
}

/* The host emulates the vsyscall page, and asks seccomp first; or has none. */
static void test_vsyscall(void)
{
	static const uint64_t nr[] = { SYS_gettimeofday, SYS_time, SYS_getcpu };

	GUEST_CODE(call_it, "mov %rdi, %rbx; xor %edi, %edi; xor %esi, %esi; call *%rbx; ud2");
	for (size_t i = 0; i < ARRAY_SIZE(nr); i++) {
		struct guest g;

		CHECK(START(&g, call_it) == 0);
		g.regs.rdi = 0xffffffffff600000 + i * 0x400;
		guest_run(&g);
		if (g.ev.kind == PLATFORM_EV_SYSCALL)
			CHECK((uint64_t)g.ev.sysno == nr[i]);
		else
			CHECK(g.ev.kind == PLATFORM_EV_FAULT && g.ev.signo == SIGSEGV);
		guest_end(&g);
	}
}

/* Into 32-bit code by a far jump, and a call from there. */
static void test_far_jump(void)
{
	GUEST_CODE(far, "lea 1f(%rip), %rax; push $0x23; push %rax; lretq;"
			".code32; 1: mov $20, %eax; int $0x80; jmp 1b; .code64");
	struct guest g;

	CHECK(START(&g, far) == 0);
	for (int i = 0; i < 3; i++) {
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_SYSCALL32 && g.regs.cs == 0x23);
	}
	guest_end(&g);
	CHECK(others_live());
}

/* Segments that do not exist, or are the kernel's. */
static void test_far_jump_to_no_segment(void)
{
	static const uint16_t cs[] = { 0, 8, 0x10, 0x1b, 0xfffb, 0x7b };

	GUEST_CODE(far_to, "push %rdi; lea 1f(%rip), %rax; push %rax; lretq; 1: ud2");
	for (size_t i = 0; i < ARRAY_SIZE(cs); i++) {
		struct guest g;

		CHECK(START(&g, far_to) == 0);
		g.regs.rdi = cs[i];
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_FAULT && g.ev.signo == SIGSEGV);
		guest_end(&g);
	}
}

/* Instructions for kernels only, and port I/O. */
static void test_privileged_instructions(void)
{
	GUEST_CODE(cli, "cli");
	GUEST_CODE(wrmsr, "xor %ecx, %ecx; wrmsr");
	GUEST_CODE(mov_cr, "mov %cr3, %rax");
	GUEST_CODE(outb, "out %al, $0x80");
	GUEST_CODE(lgdt, "lgdt (%rsp)");
	GUEST_CODE(swapgs, "swapgs");
	GUEST_CODE(vmcall, "vmmcall");
	static const struct {
		const char *start, *end;
	} codes[] = {
		{ cli, cli_end },       { wrmsr, wrmsr_end }, { mov_cr, mov_cr_end },
		{ outb, outb_end },     { lgdt, lgdt_end },   { swapgs, swapgs_end },
		{ vmcall, vmcall_end },
	};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct guest g;

		CHECK(guest_start(&g, 0, codes[i].start, (size_t)(codes[i].end - codes[i].start)) ==
		      0);
		guest_run(&g);
		CHECK(g.ev.kind == PLATFORM_EV_FAULT);
		CHECK(g.ev.signo == SIGSEGV || g.ev.signo == SIGILL);
		guest_end(&g);
	}
	CHECK(others_live());
}

int main(void)
{
	static const struct platform_test tests[] = {
		{ "every_syscall_instruction", test_every_syscall_instruction_of_the_stub },
		{ "every_byte", test_every_byte_of_the_stub },
		{ "read_only_parts", test_read_only_parts_of_the_region },
		{ "scribbled_contexts", test_contexts_are_scribbled_over },
		{ "forged_answers", test_threads_after_forged_answers },
		{ "registers", test_hostile_registers },
		{ "impossible_base", test_impossible_base },
		{ "single_step", test_single_step },
		{ "unmasked_arithmetic", test_unmasked_arithmetic },
		{ "stack_pointers", test_wrong_stack_pointers },
		{ "nowhere", test_jumps_to_nowhere },
		{ "foreign_entries", test_foreign_entries },
		{ "vsyscall", test_vsyscall },
		{ "far_jump", test_far_jump },
		{ "no_segment", test_far_jump_to_no_segment },
		{ "privileged", test_privileged_instructions },
	};

	return run_platform_tests(tests, ARRAY_SIZE(tests));
}
