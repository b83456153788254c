/*
 * What the random tests share: numbers that a seed determines, and how long to
 * go on.
 *
 *	NACRE_TEST_SEED=n      another run (the default is always the same)
 *	NACRE_TEST_OPS=n       n operations instead of the test's own number
 *	NACRE_TEST_SECONDS=n   go on for n seconds: hours, if wanted
 *
 * A failure is repeated with the seed that was printed and the same number.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"

/* Sanitized programs are slow, and run for their reports. */
#ifdef NACRE_SANITIZED
#define TEST_OPS_DIVISOR 20u
#else
#define TEST_OPS_DIVISOR 1u
#endif

struct test_random {
	uint64_t state;
	uint64_t ops, left;
	time_t deadline; /* 0: by count */
};

static inline uint64_t test_env(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

/* ops: what make check does. Prints the seed. */
static inline void test_random_init(struct test_random *r, const char *what, uint64_t ops)
{
	uint64_t seconds = test_env("NACRE_TEST_SECONDS", 0);

	r->state = test_env("NACRE_TEST_SEED", 1);
	r->ops = r->left = test_env("NACRE_TEST_OPS", ops / TEST_OPS_DIVISOR);
	r->deadline = seconds ? time(NULL) + (time_t)seconds : 0;
	printf("%s: NACRE_TEST_SEED=%llu, %llu operations%s\n", what, (unsigned long long)r->state,
	       (unsigned long long)r->ops, seconds ? " or more" : "");
	fflush(stdout);
}

/* Whether another operation is to be done. */
static inline bool test_random_goes_on(struct test_random *r)
{
	if (r->left) {
		r->left--;
		return true;
	}
	if (r->deadline && time(NULL) < r->deadline) {
		r->left = 10000;
		return true;
	}
	return false;
}

static inline uint64_t test_draw(struct test_random *r)
{
	r->state += 0x9e3779b97f4a7c15ull;
	return hash_u64(r->state);
}

static inline unsigned test_pick(struct test_random *r, unsigned below)
{
	return (unsigned)((test_draw(r) >> 32) % below);
}
