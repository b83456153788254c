/*
 * Locks: small, futex-based, ranked. In debug builds each thread keeps the
 * locks that it holds, and taking one out of order (lockrank.h) panics with
 * both names; assert_held() checks that the caller holds a lock.
 *
 * A mutex is not recursive. An rwlock prefers writers: a reader must not take
 * the same rwlock again. An unlock may touch the lock after another thread has
 * got it: free an object with a lock in it only when no thread can still be
 * inside an unlock of it (a reference held across the unlock does that).
 */
#pragma once

#include "base/base.h"
#include "base/lockrank.h"

#if defined(__clang__)
#define CAPABILITY(x) __attribute__((capability(x)))
#define ACQUIRES(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASES(...) __attribute__((release_capability(__VA_ARGS__)))
#define TRY_ACQUIRES(...) __attribute__((try_acquire_capability(true, __VA_ARGS__)))
/* After it clang knows that the lock is held: for locks that go by two names. */
#define ASSERTS_HELD(x) __attribute__((assert_capability(x)))
/* For a function whose locking clang cannot follow. */
#define LOCKS_UNCHECKED __attribute__((no_thread_safety_analysis))
#else
#define CAPABILITY(x)
#define ACQUIRES(...)
#define RELEASES(...)
#define TRY_ACQUIRES(...)
#define ASSERTS_HELD(x)
#define LOCKS_UNCHECKED
#endif

struct CAPABILITY("mutex") mutex {
	atomic_uint state; /* 0 free, 1 held, 2 held with waiters */
	uint16_t rank;
	uint32_t owner; /* host thread id; debug builds only */
};

struct CAPABILITY("mutex") rwlock {
	atomic_uint state;   /* readers, or the writer bit */
	atomic_uint waiting; /* sleepers' futex word: bit 0 says that there are some */
	atomic_uint writers_waiting;
	uint16_t rank;
	uint32_t owner; /* the writer, debug builds only */
};

#define MUTEX_INIT(r)                   \
	{                               \
		.state = 0, .rank = (r) \
	}
#define RWLOCK_INIT(r)                  \
	{                               \
		.state = 0, .rank = (r) \
	}

void mutex_init(struct mutex *m, enum lock_rank rank);
void mutex_lock(struct mutex *m) ACQUIRES(m);
/* For the second of two locks of one rank; the caller orders them by address. */
void mutex_lock_nested(struct mutex *m) ACQUIRES(m);
bool mutex_trylock(struct mutex *m) MUST_CHECK TRY_ACQUIRES(m);
void mutex_unlock(struct mutex *m) RELEASES(m);

void rwlock_init(struct rwlock *l, enum lock_rank rank);
void rwlock_read(struct rwlock *l);
void rwlock_read_unlock(struct rwlock *l);
void rwlock_write(struct rwlock *l);
void rwlock_write_nested(struct rwlock *l);
void rwlock_write_unlock(struct rwlock *l);
/* Turns a held write lock into a read lock without letting a writer in. */
void rwlock_downgrade(struct rwlock *l);

#ifdef NACRE_DEBUG
void mutex_assert_held(const struct mutex *m) ASSERTS_HELD(m);
void rwlock_assert_held(const struct rwlock *l); /* read or write */
void rwlock_assert_write_held(const struct rwlock *l);
/* Panics when the calling thread holds any lock: at points that may sleep for
 * long, such as a switch to guest code or a wait. */
void lock_assert_none_held(const char *where);
#else
static inline void mutex_assert_held(const struct mutex *m) ASSERTS_HELD(m)
{
	(void)m;
}
static inline void rwlock_assert_held(const struct rwlock *l)
{
	(void)l;
}
static inline void rwlock_assert_write_held(const struct rwlock *l)
{
	(void)l;
}
static inline void lock_assert_none_held(const char *where)
{
	(void)where;
}
#endif

/* Calls fn for every lock held by any thread (debug builds; else nothing):
 * the state dump of SIGQUIT. */
void lock_for_each_held(void (*fn)(uint32_t tid, enum lock_rank rank, void *arg), void *arg);
const char *lock_rank_name(enum lock_rank rank);
