/* Guests for tests of the platform: a few machine instructions in a memfd. */
#pragma once

#include <stdio.h>

#include "platform/platform.h"

#define CODE 0x400000ull
#define STACK 0x600000ull
#define DATA 0x700000ull

#define MEM_PAGES 64

/* A failed check ends the test it is in. */
#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			tests_failed++;                                        \
			return;                                                \
		}                                                              \
	} while (0)

struct guest {
	struct platform_as *as;
	struct platform_ctx *ctx;
	struct guest_regs regs;
	struct platform_event ev;
};

struct platform_test {
	const char *name;
	void (*fn)(void);
};

extern struct platform *plat;
extern uint8_t *mem; /* the guests' memory file, MEM_PAGES long */
extern unsigned tests_failed;

/* A page of code at CODE (page `page` of the memory file), a stack and a page of
 * data behind it; registers zero, at the first instruction. */
int guest_start(struct guest *g, unsigned page, const void *code, size_t size);
/* One more context of the same address space, as g began. */
int guest_twin(const struct guest *g, struct guest *twin);
/* To the next event that is no interrupt. */
void guest_run(struct guest *g);
void guest_end(struct guest *g);

/* Brings a platform up, runs the tests, looks for stubs that are left. The exit
 * status. */
int run_platform_tests(const struct platform_test *tests, size_t count);
