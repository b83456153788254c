/* What a hand-over costs: platform.h alone, no kernel around it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/log.h"
#include "host/host.h"
#include "platform/platform.h"

#define CODE 0x400000ull

static const uint8_t loop_getpid[] = { 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7 };

static uint64_t now(void)
{
	return host_clock_ns(CLOCK_MONOTONIC);
}

static void run(struct platform *p, int fd, const char *name)
{
	struct platform_op op = { .kind = PLATFORM_OP_MAP,
				  .prot = PROT_READ | PROT_EXEC,
				  .fd = fd,
				  .addr = CODE,
				  .size = PAGE_SIZE };
	struct platform_as *as;
	struct platform_ctx *ctx;
	struct guest_regs regs = { .rip = CODE, .cs = 0x33, .ss = 0x2b };
	struct platform_event ev;
	uint64_t t0;
	int n = 200000;

	if (platform_as_create(p, &as) < 0 || platform_as_apply(as, &op, 1) < 0 ||
	    platform_ctx_create(as, &ctx) < 0)
		exit(1);
	t0 = now();
	for (int i = 0; i < n; i++)
		platform_ctx_switch(ctx, &regs, &ev);
	printf("%-28s %8.2f us\n", name, (double)(now() - t0) / n / 1e3);

	n = 20000;
	t0 = now();
	for (int i = 0; i < n; i++) {
		struct platform_op ops[2] = {
			{ .kind = PLATFORM_OP_MAP,
			  .prot = PROT_READ,
			  .fd = fd,
			  .addr = 0x800000,
			  .size = PAGE_SIZE },
			{ .kind = PLATFORM_OP_UNMAP, .addr = 0x800000, .size = PAGE_SIZE },
		};
		if (platform_as_apply(as, ops, 1) < 0 || platform_as_apply(as, ops + 1, 1) < 0)
			exit(1);
	}
	printf("%-28s %8.2f us\n", "  map + unmap", (double)(now() - t0) / n / 1e3);
	platform_ctx_destroy(ctx);
	platform_as_destroy(as);

	n = 1000;
	t0 = now();
	for (int i = 0; i < n; i++) {
		if (platform_as_create(p, &as) < 0)
			exit(1);
		platform_as_destroy(as);
	}
	printf("%-28s %8.2f us\n", "  space create+destroy, pool", (double)(now() - t0) / n / 1e3);
	t0 = now();
	for (int i = 0; i < n; i++) {
		if (platform_as_create(p, &as) < 0 || platform_ctx_create(as, &ctx) < 0)
			exit(1);
		platform_as_kill(as);
		platform_ctx_destroy(ctx);
		platform_as_destroy(as);
	}
	printf("%-28s %8.2f us\n", "  space + thread, new + kill", (double)(now() - t0) / n / 1e3);
}

int main(void)
{
	struct platform_options opt = { .ncpus = 2, .pool_max = 4 };
	struct platform *p;
	int fd = host_memfd_create("code", 0);

	log_init(2, LOG_WARN);
	if (host_pwrite(fd, loop_getpid, sizeof(loop_getpid), 0) < 0 ||
	    host_ftruncate(fd, PAGE_SIZE) < 0 || platform_create(&opt, &p) < 0)
		return 1;
	run(p, fd, "system call, spinning");
	platform_destroy(p);
	opt.no_spin = true;
	if (platform_create(&opt, &p) < 0)
		return 1;
	run(p, fd, "system call, sleeping");
	platform_destroy(p);
	return 0;
}
