/* Checks for guest tests: the first that fails ends the test with a sentence.
 * A child process that fails exits with CHECK_FAILED, which its parent's own
 * check of the wait status shows. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK_FAILED 99

#define CHECK(cond)                                                                       \
	do {                                                                              \
		if (!(cond)) {                                                            \
			int check_errno = errno;                                          \
			fprintf(stderr, "%s:%d: not true: %s (errno %d, %s)\n", __FILE__, \
				__LINE__, #cond, check_errno, strerror(check_errno));     \
			_exit(CHECK_FAILED);                                              \
		}                                                                         \
	} while (0)

/* The expression is -1 with that errno. */
#define CHECK_ERR(expr, err)                                                                      \
	do {                                                                                      \
		errno = 0;                                                                        \
		long check_value = (long)(expr);                                                  \
		int check_errno = errno;                                                          \
		if (check_value != -1 || check_errno != (err)) {                                  \
			fprintf(stderr, "%s:%d: %s is %ld, errno %d (%s), not %s\n", __FILE__,    \
				__LINE__, #expr, check_value, check_errno, strerror(check_errno), \
				#err);                                                            \
			_exit(CHECK_FAILED);                                                      \
		}                                                                                 \
	} while (0)

/* Two integers are equal; shows both. */
#define CHECK_EQ(a, b)                                                                           \
	do {                                                                                     \
		long long check_a = (long long)(a), check_b = (long long)(b);                    \
		if (check_a != check_b) {                                                        \
			fprintf(stderr, "%s:%d: %s is %lld (0x%llx), not %s = %lld (0x%llx)\n",  \
				__FILE__, __LINE__, #a, check_a, check_a, #b, check_b, check_b); \
			_exit(CHECK_FAILED);                                                     \
		}                                                                                \
	} while (0)

/* The test cannot run here. */
#define SKIP(why)                          \
	do {                               \
		printf("SKIP: %s\n", why); \
		exit(77);                  \
	} while (0)
