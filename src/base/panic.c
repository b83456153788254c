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
#define FRAME_SIZE_MAX (256u << 10)

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

/* No unwinder is loaded: where the kernel process runs there is no file to load it
 * from. All of our code keeps frame pointers; the walk ends where libc has begun. */
struct frame {
	const struct frame *next;
	uintptr_t ret;
};

extern const char __ehdr_start[], end[]; /* of the program; from the linker */

static void print_return_address(int fd, uintptr_t ret)
{
	uintptr_t base = (uintptr_t)__ehdr_start;
	char line[64];
	int n;

	if (ret >= base && ret < (uintptr_t)end)
		n = snprintf(line, sizeof(line), "    nacre+0x%lx\n", ret - base);
	else
		n = snprintf(line, sizeof(line), "    0x%lx\n", ret);
	(void)rawcall3(SYS_write, fd, (long)line, n); /* host: write */
}

static void print_frames(int fd)
{
	const struct frame *f = __builtin_frame_address(0);

	for (int i = 0; i < MAX_FRAMES; i++) {
		const struct frame *next = f->next;

		print_return_address(fd, f->ret);
		if (next <= f || (uintptr_t)next % sizeof(void *) ||
		    (uintptr_t)next - (uintptr_t)f > FRAME_SIZE_MAX)
			break;
		f = next;
	}
}

static void report(int fd, const char *text, size_t len)
{
	(void)rawcall3(SYS_write, fd, (long)text, (long)len); /* host: write */
	print_frames(fd);
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
