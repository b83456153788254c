/* ptrace(2): PTRACE_SINGLESTEP: one instruction at a time, over system calls, into
 * handlers, through page faults, with instructions that touch the trap flag. */
#include <sys/mman.h>

#include "tracee.h"

#define TF 0x100u

static int (*entry)(void);

static int runs_entry(void)
{
	return entry();
}

/* The code of the tests: a label after each instruction. */
extern char code_plain[], code_plain_1[], code_plain_2[], code_plain_3[];
extern char code_call[], code_call_1[], code_call_2[], code_call_3[];
extern char code_flags[], code_flags_1[], code_flags_2[], code_flags_3[], code_flags_4[];
extern char code_touch[], code_touch_1[], code_touch_2[];
extern char code_popf[], code_popf_3[], code_popf_4[];

__asm__(".text\n"
	"code_plain: mov $5, %eax\n"
	"code_plain_1: add $2, %eax\n"
	"code_plain_2: nop\n"
	"code_plain_3: ret\n"
	"code_call: mov $110, %eax\n" /* getppid */
	"code_call_1: syscall\n"
	"code_call_2: and $0x7f, %eax\n"
	"code_call_3: ret\n"
	"code_flags: pushf\n"
	"code_flags_1: pop %rax\n"
	"code_flags_2: shr $8, %eax\n"
	"code_flags_3: and $1, %eax\n"
	"code_flags_4: ret\n"
	"code_touch: mov touched(%rip), %rax\n"
	"code_touch_1: mov (%rax), %eax\n"
	"code_touch_2: ret\n"
	"code_popf: pushf\n"
	"orl $0x100, (%rsp)\n"
	"code_popf_3: popf\n"
	"code_popf_4: nop\n"
	"ret\n");

volatile char *touched __attribute__((used));

static void step(pid_t pid, const char *to)
{
	go(PTRACE_SINGLESTEP, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	CHECK_EQ(PEEK_REG(pid, rip), (uintptr_t)to);
}

/* A tracee that is about to execute the code. */
static pid_t at(const char *code)
{
	pid_t pid;
	uint64_t text;

	entry = (int (*)(void))(uintptr_t)code;
	pid = traced_child(runs_entry);
	text = peek(PTRACE_PEEKTEXT, pid, (uintptr_t)code);
	CHECK(trace(PTRACE_POKETEXT, pid, (uintptr_t)code, (text & ~0xffull) | 0xcc) == 0);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	CHECK_EQ(PEEK_REG(pid, rip), (uintptr_t)code + 1);
	CHECK(trace(PTRACE_POKETEXT, pid, (uintptr_t)code, text) == 0);
	POKE_REG(pid, rip, code);
	return pid;
}

static void test_plain(void)
{
	pid_t pid = at(code_plain);
	siginfo_t si;

	step(pid, code_plain_1);
	CHECK_EQ(PEEK_REG(pid, rax), 5);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_signo, SIGTRAP);
	CHECK_EQ(si.si_code, TRAP_TRACE);
	CHECK_EQ((uintptr_t)si.si_addr, (uintptr_t)code_plain_1);
	CHECK(!(PEEK_REG(pid, eflags) & TF));
	step(pid, code_plain_2);
	CHECK_EQ(PEEK_REG(pid, rax), 7);
	step(pid, code_plain_3);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 7);
}

static void test_detached(void)
{
	pid_t pid = at(code_plain);

	step(pid, code_plain_1);
	go(PTRACE_DETACH, pid, 0);
	expect_exit(pid, 7);
}

/* One stop, right after the call. */
static void test_call(void)
{
	pid_t pid = at(code_call);
	siginfo_t si;

	step(pid, code_call_1);
	step(pid, code_call_2);
	CHECK_EQ(PEEK_REG(pid, rax), getpid());
	si = siginfo_of(pid);
	CHECK_EQ(si.si_code, TRAP_BRKPT);
	CHECK_EQ((uintptr_t)si.si_addr, (uintptr_t)code_call_2);
	CHECK(!(PEEK_REG(pid, eflags) & TF));
	step(pid, code_call_3);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, getpid() & 0x7f);
}

/* From the stop before a call: the step ends after it. */
static void test_from_entry(void)
{
	pid_t pid = at(code_call);

	CHECK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK_EQ(next_stop(pid), SYSGOOD);
	step(pid, code_call_2);
	CHECK_EQ(PEEK_REG(pid, rax), getpid());
	step(pid, code_call_3);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, getpid() & 0x7f);
}

/* SYSEMU, stepping: the call is not carried out. */
static void test_emulated(void)
{
	pid_t pid = at(code_call);

	CHECK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	go(PTRACE_SYSEMU_SINGLESTEP, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	CHECK_EQ(PEEK_REG(pid, rip), (uintptr_t)code_call_1);
	go(PTRACE_SYSEMU_SINGLESTEP, pid, 0);
	CHECK_EQ(next_stop(pid), SYSGOOD);
	CHECK_EQ(PEEK_REG(pid, rip), (uintptr_t)code_call_2);
	CHECK_EQ(PEEK_REG(pid, rax), -ENOSYS);
	POKE_REG(pid, rax, 9);
	/* Now without SYSEMU: the step ends with the call that was none. */
	step(pid, code_call_2);
	step(pid, code_call_3);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 9);
}

/* pushf shows what the processor has: the flag that the step set. */
static void test_pushf(void)
{
	pid_t pid = at(code_flags);

	step(pid, code_flags_1);
	step(pid, code_flags_2);
	CHECK(PEEK_REG(pid, rax) & TF);
	step(pid, code_flags_3);
	step(pid, code_flags_4);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 1);
}

/* The program sets the flag itself: that is its own. */
static void test_popf(void)
{
	pid_t pid = at(code_popf);

	go(PTRACE_SINGLESTEP, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	step(pid, code_popf_3);
	step(pid, code_popf_4);
	CHECK(PEEK_REG(pid, eflags) & TF);
	POKE_REG(pid, eflags, PEEK_REG(pid, eflags) & ~(uint64_t)TF);
	POKE_REG(pid, rax, 21);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 21);
}

/* An instruction that faults a page in is one step all the same. */
static void test_page_fault(void)
{
	pid_t pid;

	touched = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(touched != MAP_FAILED);
	pid = at(code_touch);
	step(pid, code_touch_1);
	step(pid, code_touch_2);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0);
}

static void test_segv(void)
{
	pid_t pid;

	touched = (char *)8;
	pid = at(code_touch);
	step(pid, code_touch_1);
	go(PTRACE_SINGLESTEP, pid, 0);
	CHECK_EQ(next_stop(pid), SIGSEGV);
	CHECK_EQ(PEEK_REG(pid, rip), (uintptr_t)code_touch_1);
	CHECK_EQ((uintptr_t)siginfo_of(pid).si_addr, 8);
	go(PTRACE_SINGLESTEP, pid, SIGSEGV);
	expect_killed(pid, SIGSEGV);
}

/* ---- handlers ---- */

static volatile sig_atomic_t seen;

static void handler(int signo)
{
	seen = signo;
}

static int raises(void)
{
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	return seen;
}

/* The step ends at the handler's first instruction. */
static void test_into_handler(void)
{
	pid_t pid = traced_child(raises);

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	go(PTRACE_SINGLESTEP, pid, SIGUSR1);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	CHECK_EQ(PEEK_REG(pid, rip), (uintptr_t)handler);
	CHECK_EQ(PEEK_REG(pid, rdi), SIGUSR1);
	CHECK_EQ(siginfo_of(pid).si_code, SIGTRAP);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, SIGUSR1);
}

/* Through a handler and its return, to the instruction after the call. */
static void test_through_handler(void)
{
	pid_t pid = traced_child(raises);
	uint64_t rip;
	int steps = 0;

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	rip = PEEK_REG(pid, rip);
	go(PTRACE_SINGLESTEP, pid, SIGUSR1);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	while (PEEK_REG(pid, rip) != rip) {
		CHECK(steps++ < 10000);
		go(PTRACE_SINGLESTEP, pid, 0);
		CHECK_EQ(next_stop(pid), SIGTRAP);
		CHECK(!(PEEK_REG(pid, eflags) & TF));
	}
	CHECK(steps > 2);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, SIGUSR1);
}

int main(void)
{
	test_plain();
	test_detached();
	test_call();
	test_from_entry();
	test_emulated();
	test_pushf();
	test_popf();
	test_page_fault();
	test_segv();
	test_into_handler();
	test_through_handler();
	return 0;
}
