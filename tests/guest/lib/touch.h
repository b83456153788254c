/* Touching memory that may not be there: what the kernel says of it. */
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

struct touch {
	int signo, code; /* 0: it worked */
	void *addr;
};

static sigjmp_buf touch_back;
static struct touch touch_seen;

static void touch_on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	touch_seen = (struct touch){ sig, info->si_code, info->si_addr };
	siglongjmp(touch_back, 1);
}

static inline void touch_init(void)
{
	struct sigaction act = { .sa_sigaction = touch_on_signal, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
}

static inline struct touch touch_read(const volatile void *p)
{
	touch_seen = (struct touch){ 0, 0, NULL };
	if (sigsetjmp(touch_back, 1) == 0)
		(void)*(const volatile char *)p;
	return touch_seen;
}

static inline struct touch touch_write(volatile void *p)
{
	touch_seen = (struct touch){ 0, 0, NULL };
	if (sigsetjmp(touch_back, 1) == 0)
		*(volatile char *)p = 1;
	return touch_seen;
}

/* Checks that the touch gave that signal, with that code, at that address. */
#define CHECK_TOUCH(how, p, sig, what)                     \
	do {                                               \
		struct touch check_touch = touch_##how(p); \
		CHECK_EQ(check_touch.signo, sig);          \
		if (sig) {                                 \
			CHECK_EQ(check_touch.code, what);  \
			CHECK(check_touch.addr == (p));    \
		}                                          \
	} while (0)
