/*
 * base/: what every folder may lean on, and nothing that knows about guests.
 *
 *	base.h      this file: attributes, arithmetic, panic
 *	list.h      intrusive doubly linked lists
 *	ivmap.h     the interval map (vmas, pmas, caches, reference sets)
 *	lock.h      mutex, rwlock; ranks in lockrank.h, checked in debug builds
 *	park.h      the futex wait and wake under every lock and wait queue
 *	refcount.h  reference counts that saturate instead of wrapping
 *	pool.h      typed object pools
 *	log.h       log lines and levels
 *	fault.h     fault points: tests make the nth allocation fail
 *	hash.h      keyed and unkeyed hashes
 *	htable.h    hash tables that grow
 *	bitmap.h    bitmaps of 64-bit words
 *
 * Errors are negative errno values everywhere (0 is success).
 */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define UNUSED __attribute__((unused))
#define COLD __attribute__((cold))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* A lock that the caller must hold, where clang can check it. */
#if defined(__clang__)
#define REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#else
#define REQUIRES(...)
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(uintptr_t)(ptr)-offsetof(type, member)))

/* Types of the guest's world. A gva_t is an integer: it never becomes a
 * pointer outside mm/ and platform/. */
typedef uint64_t gva_t;
typedef uint64_t fileoff_t;

#define PAGE_SHIFT 12
#define PAGE_SIZE ((uint64_t)1 << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

static inline uint64_t page_down(uint64_t v)
{
	return v & PAGE_MASK;
}

/* Rounds up; the result wraps to 0 for v > UINT64_MAX - 4095: check first. */
static inline uint64_t page_up(uint64_t v)
{
	return (v + PAGE_SIZE - 1) & PAGE_MASK;
}

/* Evaluate each argument once; may be nested. */
#define MIN(a, b) BASE_PICK(<, a, b, __COUNTER__)
#define MAX(a, b) BASE_PICK(>, a, b, __COUNTER__)
#define BASE_PICK(op, a, b, n) BASE_PICK_NAMED(op, a, b, n)
#define BASE_PICK_NAMED(op, a, b, n)                                \
	({                                                          \
		__typeof__(a) pick_a_##n = (a);                     \
		__typeof__(b) pick_b_##n = (b);                     \
		pick_a_##n op pick_b_##n ? pick_a_##n : pick_b_##n; \
	})

/* Addition that reports overflow instead of wrapping: true when it wrapped. */
#define add_overflow(a, b, out) __builtin_add_overflow(a, b, out)

/* Read or write memory that somebody else may change at any time: once. */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

/* Our own invariant is broken: prints the sentence, a back trace (addr2line -e nacre
 * tells the lines), and every registered state dump, then aborts the kernel process.
 * Never for anything a guest, device, file or config can cause. */
NORETURN COLD void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Adds a state dump that panic() runs before it aborts: fn writes text to fd
 * with dprintf() or write(), takes no locks and may be called on any thread. */
void panic_register_dump(void (*fn)(int fd));
/* Runs every registered dump on fd: what panic() and SIGQUIT do. */
void panic_run_dumps(int fd);

/* An invariant of ours, always checked. */
#define ASSERT(cond)                                                             \
	do {                                                                     \
		if (unlikely(!(cond)))                                           \
			panic("%s:%d: not true: %s", __FILE__, __LINE__, #cond); \
	} while (0)

/* The same where the check itself costs something: debug builds only. */
#ifdef NACRE_DEBUG
#define DEBUG_ASSERT(cond) ASSERT(cond)
#else
#define DEBUG_ASSERT(cond) ((void)sizeof(cond))
#endif
