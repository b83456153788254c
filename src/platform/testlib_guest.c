#include "platform/testlib_guest.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/log.h"
#include "host/host.h"

struct platform *plat;
uint8_t *mem;
unsigned tests_failed;

static int memfd;

static int map_guest(struct platform_as *as, unsigned page, const void *code, size_t size)
{
	struct platform_op ops[] = {
		{ .kind = PLATFORM_OP_MAP,
		  .prot = PROT_READ | PROT_EXEC,
		  .fd = memfd,
		  .addr = CODE,
		  .size = PAGE_SIZE,
		  .offset = page * PAGE_SIZE },
		{ .kind = PLATFORM_OP_MAP,
		  .prot = PROT_READ | PROT_WRITE,
		  .fd = memfd,
		  .addr = STACK,
		  .size = PAGE_SIZE,
		  .offset = (page + 1) * PAGE_SIZE },
		{ .kind = PLATFORM_OP_MAP,
		  .prot = PROT_READ | PROT_WRITE,
		  .fd = memfd,
		  .addr = DATA,
		  .size = PAGE_SIZE,
		  .offset = (page + 2) * PAGE_SIZE },
	};

	memcpy(mem + page * PAGE_SIZE, code, size);
	return platform_as_apply(as, ops, ARRAY_SIZE(ops));
}

static void first_regs(struct guest_regs *regs)
{
	memset(regs, 0, sizeof(*regs));
	regs->rip = CODE;
	regs->rsp = STACK + PAGE_SIZE;
	regs->cs = 0x33;
	regs->ss = 0x2b;
}

int guest_start(struct guest *g, unsigned page, const void *code, size_t size)
{
	int r = platform_as_create(plat, &g->as);

	if (r < 0)
		return r;
	r = map_guest(g->as, page, code, size);
	if (r < 0)
		return r;
	first_regs(&g->regs);
	return platform_ctx_create(g->as, &g->ctx);
}

int guest_twin(const struct guest *g, struct guest *twin)
{
	twin->as = g->as;
	first_regs(&twin->regs);
	return platform_ctx_create(g->as, &twin->ctx);
}

void guest_run(struct guest *g)
{
	do {
		platform_ctx_switch(g->ctx, &g->regs, &g->ev);
	} while (g->ev.kind == PLATFORM_EV_INTERRUPTED);
}

void guest_end(struct guest *g)
{
	platform_ctx_destroy(g->ctx);
	platform_as_destroy(g->as);
}

int run_platform_tests(const struct platform_test *tests, size_t count)
{
	struct platform_options opt = { .ncpus = 2, .pool_max = 4 };
	unsigned passed = 0;

	log_init(2, LOG_WARN);
	memfd = host_memfd_create("guest", 0);
	if (host_ftruncate(memfd, MEM_PAGES * PAGE_SIZE) < 0 ||
	    host_mmap(NULL, MEM_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0,
		      (void **)&mem) < 0 ||
	    (platform_prepare(), platform_create(&opt, &plat)) < 0)
		return 1;
	for (size_t i = 0; i < count; i++) {
		unsigned before = tests_failed;

		tests[i].fn();
		passed += tests_failed == before;
		printf("%s %s\n", tests_failed == before ? "ok" : "not ok", tests[i].name);
		fflush(stdout);
	}
	platform_destroy(plat);
	if (waitpid(-1, NULL, WNOHANG) != -1) {
		printf("FAIL: a stub is left\n");
		tests_failed++;
	}
	printf("%u passed, %u failed\n", passed, tests_failed);
	return tests_failed != 0;
}
