/* A signal frame goes to the guest's stack and comes back: registers, masks,
 * alternate stack, extended state; hostile frames do no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "abi/signal.h"
#include "task/testlib_task.h"

static struct task *task;
static gva_t stack; /* one page */
static struct k_sigaction act;

static int setup(void **state UNUSED)
{
	struct guest_regs *r;

	fake_up();
	task = fake_first(NULL);
	stack = (gva_t)fake_map_page(task, 0);
	r = &task->regs;
	memset(r, 0x5a, sizeof(*r));
	r->rsp = stack + 4000;
	r->rip = 0x400000;
	r->rflags = 0x202 | 0x400 | 0x100 | 1;
	r->cs = 0x33;
	r->ss = 0x2b;
	act = (struct k_sigaction){ .handler = 0x500000,
				    .flags = ABI_SA_RESTORER | ABI_SA_SIGINFO,
				    .restorer = 0x600000 };
	return 0;
}

static int teardown(void **state UNUSED)
{
	task_finish(task);
	fake_down();
	return 0;
}

static void xstate_fill(uint8_t seed)
{
	uint8_t buf[832];

	platform_ctx_xstate_get(task->ctx, buf);
	memset(buf, seed, 416);
	memset(buf + 576, seed ^ 0xff, sizeof(buf) - 576);
	assert_int_equal(platform_ctx_xstate_set(task->ctx, buf, sizeof(buf)), 0);
}

static void xstate_expect(uint8_t seed)
{
	uint8_t buf[832];

	platform_ctx_xstate_get(task->ctx, buf);
	for (int i = 0; i < 416; i++)
		assert_int_equal(buf[i], seed);
	for (size_t i = 576; i < sizeof(buf); i++)
		assert_int_equal(buf[i], seed ^ 0xff);
}

static const struct ksiginfo segv = { .signo = SIGSEGV, .code = SEGV_MAPERR, .addr = 0x1234 };

static void frame_read(struct abi_rt_sigframe *f)
{
	assert_int_equal(mm_copy_in(task->mm, f, task->regs.rsp, sizeof(*f)), 0);
}

/* As the restorer does: the handler's ret took the return address off. */
static void come_back(void)
{
	task->regs.rsp += 8;
	(void)signal_return(task);
}

static void round_trip(void **state UNUSED)
{
	struct guest_regs before = task->regs;
	struct abi_rt_sigframe f;
	sigmask_t mask = sigbit(SIGUSR1) | sigbit(SIGUSR2);

	signal_set_blocked(task, mask);
	xstate_fill(0x11);
	assert_int_equal(sigframe_push(task, &act, &segv), 0);
	assert_int_equal(task->regs.rip, act.handler);
	assert_int_equal(task->regs.rdi, SIGSEGV);
	assert_int_equal(task->regs.rax, 0);
	assert_int_equal((task->regs.rsp + 8) % 16, 0);
	assert_int_equal(task->regs.rflags & (0x400 | 0x100), 0);
	assert_true(task->regs.rsp + sizeof(f) <= before.rsp - ABI_RED_ZONE);
	frame_read(&f);
	assert_int_equal(f.pretcode, act.restorer);
	assert_int_equal(f.info.signo, SIGSEGV);
	assert_int_equal(f.info.fault.addr, 0x1234);
	assert_int_equal(f.uc.mcontext.rip, before.rip);
	assert_int_equal(f.uc.mcontext.fpstate % 64, 0);
	signal_set_blocked(task, 0);
	xstate_fill(0x77);
	memset(&task->regs, 0, offsetof(struct guest_regs, rsp));
	come_back();
	assert_int_equal(task->blocked, mask);
	task->regs.fs_base = before.fs_base;
	task->regs.gs_base = before.gs_base;
	assert_memory_equal(&task->regs.r15, &before.r15, offsetof(struct guest_regs, rflags));
	assert_int_equal(task->regs.rsp, before.rsp);
	xstate_expect(0x11);
}

static void flags_are_filtered(void **state UNUSED)
{
	gva_t at = offsetof(struct abi_rt_sigframe, uc) + offsetof(struct abi_ucontext, mcontext) +
		   offsetof(struct abi_sigcontext, eflags);
	uint64_t hostile = ~(uint64_t)0;

	assert_int_equal(sigframe_push(task, &act, &segv), 0);
	assert_int_equal(mm_copy_out(task->mm, task->regs.rsp + at, &hostile, 8), 0);
	come_back();
	assert_int_equal(task->regs.rflags & ~(uint64_t)0x50dd5, 0x202);
}

static void altstack_is_entered_and_restored(void **state UNUSED)
{
	gva_t alt = (gva_t)fake_map_page(task, 0), normal = task->regs.rsp;

	task->altstack_base = alt;
	task->altstack_size = 4096;
	task->altstack_flags = ABI_SS_AUTODISARM;
	act.flags |= ABI_SA_ONSTACK;
	assert_int_equal(sigframe_push(task, &act, &segv), 0);
	assert_true(task->regs.rsp > alt && task->regs.rsp < alt + 4096);
	assert_int_equal(task->altstack_flags, ABI_SS_DISABLE);
	come_back();
	assert_int_equal(task->regs.rsp, normal);
	assert_int_equal(task->altstack_flags, ABI_SS_AUTODISARM);
	assert_int_equal(task->altstack_base, alt);
}

static void too_small_a_stack(void **state UNUSED)
{
	struct guest_regs before = task->regs;

	task->altstack_base = stack;
	task->altstack_size = 600;
	task->altstack_flags = 0;
	act.flags |= ABI_SA_ONSTACK;
	assert_int_equal(sigframe_push(task, &act, &segv), -EFAULT);
	act.flags &= ~(uint64_t)ABI_SA_ONSTACK;
	task->regs.rsp = stack + 100; /* runs below the page */
	assert_int_equal(sigframe_push(task, &act, &segv), -EFAULT);
	task->regs = before;
	act.flags &= ~(uint64_t)ABI_SA_RESTORER;
	assert_int_equal(sigframe_push(task, &act, &segv), -EFAULT);
}

static void bad_frames_raise_sigsegv(void **state UNUSED)
{
	task->regs.rsp = 0x30000;
	assert_int_equal(signal_return(task), 0);
	assert_true(task->pending.set & sigbit(SIGSEGV));
	assert_int_equal(task->sysno, -1);
}

/* Sizes and marks of the extended state that lie. */
static void lying_xstate(void **state UNUSED)
{
	static const uint32_t sizes[] = { 0, 100, 575, 833, 5000, 0xffffffff };
	struct abi_rt_sigframe f;
	uint32_t size;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct guest_regs before = task->regs;

		assert_int_equal(sigframe_push(task, &act, &segv), 0);
		frame_read(&f);
		size = sizes[i];
		assert_int_equal(mm_copy_out(task->mm, f.uc.mcontext.fpstate + 464 + 16, &size, 4),
				 0);
		come_back();
		assert_int_equal(task->pending.set, 0);
		task->regs = before;
	}
}

static void siginfo_kinds_survive(void **state UNUSED)
{
	static const struct ksiginfo kinds[] = {
		{ .signo = SIGUSR1, .code = SI_USER, .pid = 5, .uid = 6 },
		{ .signo = 64, .code = SI_QUEUE, .pid = 5, .uid = 6, .value = ~(uint64_t)0 },
		{ .signo = SIGUSR1, .code = SI_TIMER, .timerid = 3, .overrun = 9, .value = 1 },
		{ .signo = SIGCHLD,
		  .code = CLD_EXITED,
		  .pid = 7,
		  .uid = 1,
		  .status = 2,
		  .utime = 3,
		  .stime = 4 },
		{ .signo = SIGSEGV, .code = SEGV_ACCERR, .addr = 0x7fff00000000 },
		{ .signo = SIGPOLL, .code = POLL_IN, .value = 65, .fd = 4 },
		{ .signo = SIGSYS, .code = 1, .addr = 0x1000, .status = 42, .arch = 0xc000003e },
	};
	uint8_t user[128];
	struct ksiginfo back;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		siginfo_to_user(&kinds[i], user);
		siginfo_from_user(user, &back);
		assert_memory_equal(&back, &kinds[i], sizeof(back));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(round_trip),
		TEST(flags_are_filtered),
		TEST(altstack_is_entered_and_restored),
		TEST(too_small_a_stack),
		TEST(bad_frames_raise_sigsegv),
		TEST(lying_xstate),
		TEST(siginfo_kinds_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
