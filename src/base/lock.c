/*
 * Mutexes and rwlocks on park_wait() and park_wake(), and the checker of the
 * lock order.
 *
 * MUTEX. The word is 0 free, 1 held, 2 held and somebody may sleep. A locker
 * that has slept, or is about to, always takes it as 2: it cannot know whether
 * others sleep too, and a wake too many is harmless. Spinning is short and
 * only while nobody sleeps: with sleepers about, the holder's unlock goes
 * through the host kernel anyway.
 *
 * RWLOCK. state is the number of readers, or WRITER. Readers stay out while
 * writers_waiting is not 0, so that writers do not starve. Everybody sleeps on
 * one word, `waiting`, of which bit 0 says that somebody may be asleep:
 *
 *	sleeper                                releaser
 *	(A) waiting |= 1                       (B) state released
 *	    look at state again                    waiting & 1 ?
 *	    sleep while waiting unchanged          yes: clear bit, bump, wake all
 *
 * All four are sequentially consistent, so that one of the two sees the other:
 * either the sleeper finds the lock free, or the releaser finds the bit.
 * Waking all is a herd, but these locks are rarely waited for, and it keeps
 * readers and writers on one word. (Rejected: two words and a hand-off.)
 *
 * CHECKER (NACRE_DEBUG). Each thread has a slot that lists the locks it holds.
 * Slots are on a global list that only grows; a thread's end frees its slot for
 * another. Only the owner writes to a slot; lock_for_each_held() reads it from
 * any thread without a lock, so that a dump works in a stuck kernel.
 */
#include "base/lock.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/park.h"

#define SPINS 100
#define WRITER (1u << 31)
#define SLEEPERS 1u

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

static const char *const rank_names[LOCK_RANK_COUNT] = {
	[LOCK_NONE] = "none",
	[LOCK_BOOT] = "boot",
	[LOCK_TASK_EXEC] = "task_exec",
	[LOCK_VFS_RENAME] = "vfs_rename",
	[LOCK_VFS_DIR] = "vfs_dir",
	[LOCK_VFS_DIR2] = "vfs_dir2",
	[LOCK_COPY_UP] = "copy_up",
	[LOCK_VFS_DIR_UPPER] = "vfs_dir_upper",
	[LOCK_VFS_MOUNT] = "vfs_mount",
	[LOCK_FILE_POS] = "file_pos",
	[LOCK_EPOLL_ALL] = "epoll_all",
	[LOCK_SOCKET] = "socket",
	[LOCK_SOCKET_PEER] = "socket_peer",
	[LOCK_SOCKET_NAMES] = "socket_names",
	[LOCK_SOCKET_GC] = "socket_gc",
	[LOCK_PIPE] = "pipe",
	[LOCK_PIPE_PEER] = "pipe_peer",
	[LOCK_TTY] = "tty",
	[LOCK_FILE_WRITE] = "file_write",
	[LOCK_FILE] = "file",
	[LOCK_VFS_FILELOCK] = "vfs_filelock",
	[LOCK_PIDS] = "pids",
	[LOCK_GROUP] = "group",
	[LOCK_SIGHAND] = "sighand",
	[LOCK_FDTABLE] = "fdtable",
	[LOCK_FILE_OWNER] = "file owner",
	[LOCK_FS_CONTEXT] = "fs_context",
	[LOCK_USER] = "user",
	[LOCK_IPC] = "ipc",
	[LOCK_IPC_UNDO] = "ipc undo",
	[LOCK_IPC_OBJECT] = "ipc object",
	[LOCK_CRED] = "cred",
	[LOCK_FUTEX] = "futex",
	[LOCK_FUTEX2] = "futex2",
	[LOCK_MM_MAP] = "mm_map",
	[LOCK_MM_MAP2] = "mm_map2",
	[LOCK_INODE_MAPS] = "inode_maps",
	[LOCK_MM_ACTIVE] = "mm_active",
	[LOCK_MM_ACTIVE2] = "mm_active2",
	[LOCK_MM_PINS] = "mm_pins",
	[LOCK_INODE] = "inode",
	[LOCK_INODE_DATA] = "inode_data",
	[LOCK_INODE_LOWER] = "inode_lower",
	[LOCK_INODE_LOWER_DATA] = "inode_lower_data",
	[LOCK_DCACHE] = "dcache",
	[LOCK_OVERLAY] = "overlay",
	[LOCK_REMOTE] = "remote",
	[LOCK_PAGECACHE] = "pagecache",
	[LOCK_NOTIFY] = "notify",
	[LOCK_NOTIFY_QUEUE] = "notify_queue",
	[LOCK_HOSTMAP] = "hostmap",
	[LOCK_MEMFILE] = "memfile",
	[LOCK_PLATFORM] = "platform",
	[LOCK_PLATFORM_AS] = "platform_as",
	[LOCK_PLATFORM_SLOTS] = "platform_slots",
	[LOCK_NOTIFIER] = "notifier",
	[LOCK_BLK_QUEUE] = "blk_queue",
	[LOCK_FUSE_CHANNEL] = "fuse_channel",
	[LOCK_VIRTQ] = "virtq",
	[LOCK_URING_RINGS] = "uring_rings",
	[LOCK_URING] = "uring",
	[LOCK_URING_POOL] = "uring_pool",
	[LOCK_TIMER] = "timer",
	[LOCK_WAITQ] = "waitq",
	[LOCK_EPOLL_READY] = "epoll_ready",
	[LOCK_URING_WORK] = "uring_work",
	[LOCK_WAITER] = "waiter",
	[LOCK_HOSTFD] = "hostfd",
	[LOCK_POOL] = "pool",
	[LOCK_LOG] = "log",
};

const char *lock_rank_name(enum lock_rank rank)
{
	const char *name = NULL;

	if ((unsigned)rank < LOCK_RANK_COUNT)
		name = rank_names[rank];
	return name ? name : "unknown";
}

/* --- the checker ---------------------------------------------------------- */

#ifdef NACRE_DEBUG

#define HELD_MAX 32

enum held_mode { HELD_MUTEX, HELD_READ, HELD_WRITE };

struct held_lock {
	const void *lock;    /* owner thread only */
	enum held_mode mode; /* owner thread only */
	atomic_uint rank;    /* read by any thread */
};

struct held_slot {
	struct held_slot *next; /* immutable once on the list */
	atomic_bool in_use;
	atomic_uint tid;
	atomic_uint count;
	struct held_lock held[HELD_MAX];
};

static _Atomic(struct held_slot *) all_slots;
static _Thread_local struct held_slot *my_slot;
static pthread_key_t slot_key;
static pthread_once_t slot_key_once = PTHREAD_ONCE_INIT;

static void slot_release(void *arg)
{
	struct held_slot *slot = arg;
	unsigned count = atomic_load(&slot->count);

	if (count != 0)
		panic("a thread ended holding %u locks, the last of rank %s", count,
		      lock_rank_name(slot->held[count - 1].rank));
	my_slot = NULL;
	atomic_store_explicit(&slot->in_use, false, memory_order_release);
}

static void slot_key_create(void)
{
	if (pthread_key_create(&slot_key, slot_release) != 0)
		panic("no thread key for the lock checker");
}

static struct held_slot *slot_create(void)
{
	struct held_slot *slot = calloc(1, sizeof(*slot));
	struct held_slot *head = atomic_load_explicit(&all_slots, memory_order_relaxed);

	if (!slot)
		panic("no memory for the lock checker");
	atomic_store(&slot->in_use, true);
	do {
		slot->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&all_slots, &head, slot, memory_order_release, memory_order_relaxed));
	return slot;
}

static struct held_slot *slot_claim(void)
{
	struct held_slot *slot = atomic_load_explicit(&all_slots, memory_order_acquire);

	for (; slot; slot = slot->next) {
		bool idle = false;

		if (atomic_compare_exchange_strong(&slot->in_use, &idle, true))
			return slot;
	}
	return slot_create();
}

static struct held_slot *slot_get(void)
{
	if (likely(my_slot))
		return my_slot;
	pthread_once(&slot_key_once, slot_key_create);
	my_slot = slot_claim();
	if (pthread_setspecific(slot_key, my_slot) != 0)
		panic("no thread data for the lock checker");
	return my_slot;
}

static unsigned slot_count(const struct held_slot *slot)
{
	return atomic_load_explicit(&slot->count, memory_order_relaxed);
}

static const struct held_lock *held_find(const void *lock)
{
	struct held_slot *slot = slot_get();

	for (unsigned i = slot_count(slot); i > 0; i--) {
		if (slot->held[i - 1].lock == lock)
			return &slot->held[i - 1];
	}
	return NULL;
}

/* Panics when taking `lock` now would break the order. */
static void held_check(const void *lock, unsigned rank, bool nested)
{
	struct held_slot *slot = slot_get();
	unsigned count = slot_count(slot);

	for (unsigned i = 0; i < count; i++) {
		const struct held_lock *h = &slot->held[i];
		unsigned held = atomic_load_explicit(&h->rank, memory_order_relaxed);

		if (h->lock == lock)
			panic("taking lock %s (%p) while holding it", lock_rank_name(rank), lock);
		if (rank == LOCK_NONE || held < rank)
			continue;
		if (nested && held == rank && h->lock < lock)
			continue;
		panic("lock order: taking %s (%p) while holding %s (%p)", lock_rank_name(rank),
		      lock, lock_rank_name(held), h->lock);
	}
}

static void held_push(const void *lock, unsigned rank, enum held_mode mode)
{
	struct held_slot *slot = slot_get();
	unsigned count = slot_count(slot);

	if (count == HELD_MAX)
		panic("a thread holds more than %d locks", HELD_MAX);
	slot->held[count].lock = lock;
	slot->held[count].mode = mode;
	atomic_store_explicit(&slot->held[count].rank, rank, memory_order_relaxed);
	atomic_store_explicit(&slot->tid, park_tid(), memory_order_relaxed);
	atomic_store_explicit(&slot->count, count + 1, memory_order_release);
}

static void held_pop(const void *lock, unsigned rank, enum held_mode mode)
{
	const struct held_lock *found = held_find(lock);
	struct held_slot *slot = slot_get();
	unsigned count = slot_count(slot);

	if (!found || found->mode != mode)
		panic("releasing lock %s (%p) that is not held so", lock_rank_name(rank), lock);
	for (unsigned i = (unsigned)(found - slot->held); i + 1 < count; i++) {
		slot->held[i].lock = slot->held[i + 1].lock;
		slot->held[i].mode = slot->held[i + 1].mode;
		atomic_store_explicit(&slot->held[i].rank, slot->held[i + 1].rank,
				      memory_order_relaxed);
	}
	atomic_store_explicit(&slot->count, count - 1, memory_order_release);
}

static void owner_set(uint32_t *owner)
{
	*owner = park_tid();
}

static void owner_clear(uint32_t *owner)
{
	*owner = 0;
}

void mutex_assert_held(const struct mutex *m)
{
	if (!held_find(m))
		panic("mutex %s (%p) is not held", lock_rank_name(m->rank), (const void *)m);
}

void rwlock_assert_held(const struct rwlock *l)
{
	if (!held_find(l))
		panic("rwlock %s (%p) is not held", lock_rank_name(l->rank), (const void *)l);
}

void rwlock_assert_write_held(const struct rwlock *l)
{
	const struct held_lock *h = held_find(l);

	if (!h || h->mode != HELD_WRITE)
		panic("rwlock %s (%p) is not held for writing", lock_rank_name(l->rank),
		      (const void *)l);
}

void lock_assert_none_held(const char *where)
{
	struct held_slot *slot = slot_get();
	unsigned count = slot_count(slot);

	if (count != 0)
		panic("%s: lock %s is held", where, lock_rank_name(slot->held[count - 1].rank));
}

void lock_for_each_held(void (*fn)(uint32_t tid, enum lock_rank rank, void *arg), void *arg)
{
	struct held_slot *slot = atomic_load_explicit(&all_slots, memory_order_acquire);

	for (; slot; slot = slot->next) {
		unsigned count = atomic_load_explicit(&slot->count, memory_order_acquire);

		for (unsigned i = 0; i < count; i++)
			fn(atomic_load_explicit(&slot->tid, memory_order_relaxed),
			   (enum lock_rank)atomic_load(&slot->held[i].rank), arg);
	}
}

#else

#define held_check(lock, rank, nested) ((void)0)
#define held_push(lock, rank, mode) ((void)0)
#define held_pop(lock, rank, mode) ((void)0)
#define owner_set(owner) ((void)0)
#define owner_clear(owner) ((void)0)

void lock_for_each_held(void (*fn)(uint32_t tid, enum lock_rank rank, void *arg), void *arg)
{
	(void)fn;
	(void)arg;
}

#endif

/* --- mutex ---------------------------------------------------------------- */

void mutex_init(struct mutex *m, enum lock_rank rank)
{
	atomic_init(&m->state, 0);
	m->rank = (uint16_t)rank;
	m->owner = 0;
}

static bool mutex_try(struct mutex *m)
{
	unsigned expected = 0;

	return atomic_compare_exchange_strong_explicit(&m->state, &expected, 1,
						       memory_order_acquire, memory_order_relaxed);
}

static void mutex_lock_slow(struct mutex *m)
{
	for (int i = 0; i < SPINS; i++) {
		unsigned state = atomic_load_explicit(&m->state, memory_order_relaxed);

		if (state == 2)
			break;
		if (state == 0 && mutex_try(m))
			return;
		cpu_relax();
	}
	while (atomic_exchange_explicit(&m->state, 2, memory_order_acquire) != 0)
		park_wait(&m->state, 2, PARK_FOREVER);
}

static void mutex_take(struct mutex *m)
{
	if (unlikely(!mutex_try(m)))
		mutex_lock_slow(m);
	held_push(m, m->rank, HELD_MUTEX);
	owner_set(&m->owner);
}

LOCKS_UNCHECKED void mutex_lock(struct mutex *m)
{
	held_check(m, m->rank, false);
	mutex_take(m);
}

LOCKS_UNCHECKED void mutex_lock_nested(struct mutex *m)
{
	held_check(m, m->rank, true);
	mutex_take(m);
}

LOCKS_UNCHECKED bool mutex_trylock(struct mutex *m)
{
	if (!mutex_try(m))
		return false;
	held_push(m, m->rank, HELD_MUTEX);
	owner_set(&m->owner);
	return true;
}

LOCKS_UNCHECKED void mutex_unlock(struct mutex *m)
{
	unsigned old;

	held_pop(m, m->rank, HELD_MUTEX);
	owner_clear(&m->owner);
	old = atomic_exchange_explicit(&m->state, 0, memory_order_release);
	DEBUG_ASSERT(old != 0);
	if (unlikely(old == 2))
		park_wake(&m->state, 1);
}

/* --- rwlock --------------------------------------------------------------- */

void rwlock_init(struct rwlock *l, enum lock_rank rank)
{
	atomic_init(&l->state, 0);
	atomic_init(&l->waiting, 0);
	atomic_init(&l->writers_waiting, 0);
	l->rank = (uint16_t)rank;
	l->owner = 0;
}

static bool try_read(struct rwlock *l)
{
	unsigned state = atomic_load(&l->state);

	while (!(state & WRITER) && atomic_load(&l->writers_waiting) == 0) {
		if (atomic_compare_exchange_weak(&l->state, &state, state + 1))
			return true;
	}
	return false;
}

static bool try_write(struct rwlock *l)
{
	unsigned expected = 0;

	return atomic_compare_exchange_strong(&l->state, &expected, WRITER);
}

/* Calls try until it succeeds: a short spin, then sleeping. */
static void rwlock_wait(struct rwlock *l, bool (*try)(struct rwlock *l))
{
	unsigned seen;

	for (int i = 0; i < SPINS; i++) {
		if (atomic_load_explicit(&l->waiting, memory_order_relaxed) & SLEEPERS)
			break;
		if (try(l))
			return;
		cpu_relax();
	}
	for (;;) {
		seen = atomic_fetch_or(&l->waiting, SLEEPERS) | SLEEPERS; /* pairs with (B) */
		if (try(l))
			return;
		park_wait(&l->waiting, seen, PARK_FOREVER);
	}
}

/* (B) After a release that may let somebody in. */
static void rwlock_wake(struct rwlock *l)
{
	unsigned seen = atomic_load(&l->waiting); /* pairs with (A) */

	while (seen & SLEEPERS) {
		if (atomic_compare_exchange_weak(&l->waiting, &seen, seen + 1)) {
			park_wake(&l->waiting, UINT32_MAX);
			return;
		}
	}
}

void rwlock_read(struct rwlock *l)
{
	held_check(l, l->rank, false);
	if (unlikely(!try_read(l)))
		rwlock_wait(l, try_read);
	held_push(l, l->rank, HELD_READ);
}

void rwlock_read_unlock(struct rwlock *l)
{
	unsigned old;

	held_pop(l, l->rank, HELD_READ);
	old = atomic_fetch_sub(&l->state, 1);
	DEBUG_ASSERT(old != 0 && !(old & WRITER));
	if (old == 1)
		rwlock_wake(l);
}

static void write_take(struct rwlock *l)
{
	if (unlikely(!try_write(l))) {
		atomic_fetch_add(&l->writers_waiting, 1);
		rwlock_wait(l, try_write);
		atomic_fetch_sub(&l->writers_waiting, 1);
	}
	held_push(l, l->rank, HELD_WRITE);
	owner_set(&l->owner);
}

void rwlock_write(struct rwlock *l)
{
	held_check(l, l->rank, false);
	write_take(l);
}

void rwlock_write_nested(struct rwlock *l)
{
	held_check(l, l->rank, true);
	write_take(l);
}

void rwlock_write_unlock(struct rwlock *l)
{
	unsigned old;

	held_pop(l, l->rank, HELD_WRITE);
	owner_clear(&l->owner);
	old = atomic_exchange(&l->state, 0);
	DEBUG_ASSERT(old == WRITER);
	(void)old;
	rwlock_wake(l);
}

void rwlock_downgrade(struct rwlock *l)
{
	unsigned old;

	held_pop(l, l->rank, HELD_WRITE);
	owner_clear(&l->owner);
	old = atomic_exchange(&l->state, 1);
	DEBUG_ASSERT(old == WRITER);
	(void)old;
	held_push(l, l->rank, HELD_READ);
	rwlock_wake(l);
}
