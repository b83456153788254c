/* sigaltstack: handlers run on it, its state is reported, errors, nested use,
 * SS_AUTODISARM, overflow of the normal stack. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>

#include "check.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
#define SIZE 65536

static char *stack;
static volatile int set_inside = 1;
static volatile int on_stack, state, nested_error;
static volatile stack_t seen_uc;

static int is_on(const void *p)
{
	return (const char *)p >= stack && (const char *)p < stack + SIZE;
}

static void handler(int sig, siginfo_t *si, void *uc)
{
	stack_t ss, other = { .ss_sp = stack, .ss_size = SIZE };

	(void)sig;
	(void)si;
	on_stack = is_on(&ss);
	CHECK(sigaltstack(NULL, &ss) == 0);
	state = ss.ss_flags;
	if (set_inside)
		nested_error = sigaltstack(&other, NULL) < 0 ? errno : 0;
	seen_uc = ((ucontext_t *)uc)->uc_stack;
}

static void install(int sig, int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = handler;
	sa.sa_flags = SA_SIGINFO | flags;
	CHECK(sigaction(sig, &sa, NULL) == 0);
}

static void runs_on_it(void)
{
	stack_t ss = { .ss_sp = stack, .ss_size = SIZE }, old;

	CHECK(sigaltstack(NULL, &old) == 0);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	CHECK(sigaltstack(&ss, NULL) == 0);
	CHECK(sigaltstack(NULL, &old) == 0);
	CHECK(old.ss_sp == stack && old.ss_size == SIZE && old.ss_flags == 0);
	install(SIGUSR1, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(on_stack);
	CHECK_EQ(state, SS_ONSTACK);
	CHECK_EQ(nested_error, EPERM);
	CHECK(seen_uc.ss_sp == stack && seen_uc.ss_size == SIZE);
	install(SIGUSR1, 0);
	raise(SIGUSR1);
	CHECK(!on_stack);
	CHECK_EQ(state, 0);
}

static void errors(void)
{
	stack_t small = { .ss_sp = stack, .ss_size = 100 };
	stack_t bad = { .ss_sp = stack, .ss_size = SIZE, .ss_flags = 64 };
	stack_t off = { .ss_flags = SS_DISABLE }, old;

	CHECK_ERR(sigaltstack(&small, NULL), ENOMEM);
	CHECK_ERR(sigaltstack(&bad, NULL), EINVAL);
	CHECK_ERR(sigaltstack((stack_t *)8, NULL), EFAULT);
	CHECK(sigaltstack(&off, NULL) == 0);
	CHECK(sigaltstack(NULL, &old) == 0);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	install(SIGUSR1, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(!on_stack);
}

static void autodisarm(void)
{
	stack_t ss = { .ss_sp = stack, .ss_size = SIZE, .ss_flags = (int)SS_AUTODISARM }, old;

	CHECK(sigaltstack(&ss, NULL) == 0);
	install(SIGUSR1, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(on_stack);
	CHECK_EQ(state, SS_DISABLE);
	CHECK_EQ(nested_error, 0);
	/* Returning from the handler put it back, unless the handler itself set
	 * one that it was on. */
	CHECK(sigaltstack(NULL, &old) == 0);
	CHECK_EQ(old.ss_flags, 0);
	set_inside = 0;
	CHECK(sigaltstack(&ss, NULL) == 0);
	raise(SIGUSR1);
	CHECK(on_stack);
	CHECK(sigaltstack(NULL, &old) == 0);
	CHECK_EQ(old.ss_flags, (int)SS_AUTODISARM);
	CHECK(old.ss_sp == stack);
}

static sigjmp_buf env;

static void overflow_handler(int sig)
{
	(void)sig;
	siglongjmp(env, 1);
}

static int (*volatile again)(int n);

static int recurse(int n)
{
	volatile char block[4096];

	memset((char *)block, n, sizeof(block));
	return again(n + 1) + block[5];
}

static void overflow(void)
{
	struct rlimit lim;
	stack_t ss = { .ss_sp = stack, .ss_size = SIZE };
	struct sigaction sa;

	getrlimit(RLIMIT_STACK, &lim);
	lim.rlim_cur = 512 * 1024;
	CHECK(setrlimit(RLIMIT_STACK, &lim) == 0);
	CHECK(sigaltstack(&ss, NULL) == 0);
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = overflow_handler;
	sa.sa_flags = SA_ONSTACK;
	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0);
	for (int i = 0; i < 3; i++) {
		if (sigsetjmp(env, 1) == 0) {
			again = recurse;
			recurse(0);
			CHECK(0);
		}
	}
}

int main(void)
{
	stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(stack != MAP_FAILED);
	runs_on_it();
	errors();
	autodisarm();
	overflow();
	return 0;
}
