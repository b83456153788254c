#include <execinfo.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "base/park.h"
#include "base/rawcall.h"

#define MAX_DUMPS 16
#define MAX_FRAMES 64

typedef void (*dump_fn)(int fd);

static _Atomic(dump_fn) dumps[MAX_DUMPS];
static atomic_uint panicking; /* the host thread id of the first panic, or 0 */

void panic_register_dump(void (*fn)(int fd))
{
	for (size_t i = 0; i < ARRAY_SIZE(dumps); i++) {
		dump_fn none = NULL;

		if (atomic_compare_exchange_strong(&dumps[i], &none, fn) || none == fn)
			return;
	}
	panic("more than %d state dumps registered", MAX_DUMPS);
}

void panic_run_dumps(int fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(dumps); i++) {
		dump_fn fn = atomic_load(&dumps[i]);

		if (fn)
			fn(fd);
	}
}

void panic_init(void)
{
	void *frame[1];

	/* The first call loads libgcc's unwinder. */
	(void)backtrace(frame, 1);
}

static void report(int fd, const char *text, size_t len)
{
	void *frames[MAX_FRAMES];
	int count;

	(void)rawcall3(SYS_write, fd, (long)text, (long)len); /* host: write */
	count = backtrace(frames, MAX_FRAMES);
	if (count > 0)
		backtrace_symbols_fd(frames, count, fd); /* host: writev */
	panic_run_dumps(fd);
}

/* One thread reports. A second panic on the same thread (in a dump, say)
 * aborts at once; those of other threads wait for the end. */
static void claim_panic(void)
{
	static atomic_uint never;
	unsigned first = 0;

	if (atomic_compare_exchange_strong(&panicking, &first, park_tid()))
		return;
	if (first == park_tid())
		abort();
	for (;;)
		park_wait(&never, 0, PARK_FOREVER);
}

void panic(const char *fmt, ...)
{
	char text[1024];
	size_t len;
	va_list ap;
	int fd;

	claim_panic();
	len = (size_t)snprintf(text, sizeof(text), "nacre: panic: ");
	va_start(ap, fmt);
	vsnprintf(text + len, sizeof(text) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(text);
	text[len++] = '\n';
	/* Only there: standard error is the guest's, who may have put a file of
	 * its own in its place. */
	fd = log_fd();
	report(fd >= 0 ? fd : STDERR_FILENO, text, len);
	abort(); /* host: rt_sigprocmask rt_sigaction gettid getpid tgkill */
}
