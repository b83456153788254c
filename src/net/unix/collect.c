/*
 * Descriptors in flight, and the cycles that they can make: a socket whose only
 * references lie in messages that wait on that very socket can never be closed by
 * anybody. Counted, not traced from roots:
 *
 *	inflight(u)  how many messages hold u's file
 *	candidate    every reference to u's file lies in a message:
 *	             refs(file) == inflight
 *	garbage      a candidate that no message outside of the candidates holds, nor
 *	             one that waits on a candidate that is alive
 *
 * Why the snapshot is right: a candidate's file is in nobody's hands, so it can only
 * be had by taking it out of a message, which needs the lock; and a file that is
 * being sent is referenced by the sender as well until its message holds it. A
 * message that is built but not queued yet counts in `inflight` and is found on no
 * queue: its files stay alive.
 *
 * Lock: unix_gc_lock (LOCK_SOCKET_GC), innermost of the sockets' locks, guards inflight
 * counts, file_msgs of every socket, and (with socket.lock) embryos.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "base/fault.h"
#include "net/unix/unix.h"

/* Linux: RLIMIT_NOFILE for each user. One sandbox, one bound. */
#define INFLIGHT_MAX 65536u

struct mutex unix_gc_lock = MUTEX_INIT(LOCK_SOCKET_GC);
static struct list inflight_sockets = LIST_INIT(inflight_sockets); /* [gc] */
static unsigned inflight_files;                                    /* [gc] of every kind */
static atomic_uint nr_inflight_sockets;                            /* [a] lets collect skip */
/* [gc] One thread collects; another that wants to only says so. */
static bool is_collecting, is_wanted;

/* ---- counting ---- */

static void count_in_locked(struct unix_sock *u)
{
	if (u->inflight++ == 0) {
		list_push_back(&inflight_sockets, &u->inflight_link);
		atomic_fetch_add(&nr_inflight_sockets, 1);
	}
}

static void count_out_locked(struct unix_sock *u)
{
	ASSERT(u->inflight);
	if (--u->inflight == 0) {
		list_del(&u->inflight_link);
		atomic_fetch_sub(&nr_inflight_sockets, 1);
	}
}

int unix_files_attach(struct socket_files *sf)
{
	int r = -ETOOMANYREFS;

	mutex_lock(&unix_gc_lock);
	if (sf->count <= INFLIGHT_MAX - inflight_files) {
		inflight_files += sf->count;
		for (unsigned i = 0; i < sf->count; i++) {
			struct unix_sock *u = unix_of_file(sf->file[i]);

			if (u)
				count_in_locked(u);
		}
		r = 0;
	}
	mutex_unlock(&unix_gc_lock);
	return r;
}

void unix_files_queued(struct unix_sock *u, struct unix_msg *msg)
{
	mutex_lock(&unix_gc_lock);
	list_push_back(&u->file_msgs, &msg->files_link);
	mutex_unlock(&unix_gc_lock);
}

struct socket_files *unix_files_take(struct unix_msg *msg)
{
	struct socket_files *sf;

	if (!msg->files) /* only its one holder changes it */
		return NULL;
	mutex_lock(&unix_gc_lock);
	sf = msg->files;
	msg->files = NULL;
	list_del(&msg->files_link);
	inflight_files -= sf->count;
	for (unsigned i = 0; i < sf->count; i++) {
		struct unix_sock *u = unix_of_file(sf->file[i]);

		if (u)
			count_out_locked(u);
	}
	mutex_unlock(&unix_gc_lock);
	return sf;
}

int unix_files_share(struct unix_msg *msg, struct socket_files **out)
{
	const struct socket_files *sf = msg->files;
	struct socket_files *copy;

	*out = NULL;
	if (!sf)
		return 0;
	copy = FAULT_POINT("unix.files") ? NULL : malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	copy->count = sf->count;
	mutex_lock(&unix_gc_lock); /* a collection must not see half of it */
	for (unsigned i = 0; i < sf->count; i++) {
		copy->file[i] = sf->file[i];
		file_get(copy->file[i]);
	}
	mutex_unlock(&unix_gc_lock);
	*out = copy;
	return 0;
}

/* ---- collecting ---- */

typedef void (*held_fn)(struct unix_sock *held, struct list *work);

static void for_each_held_in(struct unix_sock *u, held_fn fn, struct list *work)
{
	list_for_each(msg, &u->file_msgs, struct unix_msg, files_link) {
		for (unsigned i = 0; i < msg->files->count; i++) {
			struct unix_sock *held = unix_of_file(msg->files->file[i]);

			if (held && held->is_candidate)
				fn(held, work);
		}
	}
}

/* Every candidate that a message on u, or on a connection that waits on it, holds. */
static void for_each_held(struct unix_sock *u, held_fn fn, struct list *work)
{
	for_each_held_in(u, fn, work);
	list_for_each(e, &u->embryos, struct unix_sock, embryo_link)
		for_each_held_in(e, fn, work);
}

static void find_candidates_locked(struct list *candidates)
{
	list_for_each(u, &inflight_sockets, struct unix_sock, inflight_link) {
		struct file *f = atomic_load(&u->s.file);

		u->is_candidate = f && refcount_read(&f->refs) == u->inflight;
		u->is_live = false;
		u->gc_count = u->inflight;
		if (u->is_candidate)
			list_push_back(candidates, &u->gc_link);
	}
}

static void discount(struct unix_sock *held, struct list *work UNUSED)
{
	if (held->gc_count) /* more may have been queued than was counted */
		held->gc_count--;
}

static void make_live(struct unix_sock *held, struct list *work)
{
	if (held->is_live)
		return;
	held->is_live = true;
	list_del(&held->gc_link);
	list_push_back(work, &held->gc_link);
}

/* Leaves on `candidates` those that are garbage. */
static void find_garbage_locked(struct list *candidates)
{
	struct list work = LIST_INIT(work);

	list_for_each(u, candidates, struct unix_sock, gc_link)
		for_each_held(u, discount, NULL);
	list_for_each_safe(u, tmp, candidates, struct unix_sock, gc_link) {
		if (u->gc_count)
			make_live(u, &work);
	}
	while (!list_empty(&work)) {
		struct unix_sock *u = list_first(&work, struct unix_sock, gc_link);

		list_del(&u->gc_link);
		for_each_held(u, make_live, &work);
	}
}

/* One pass. => drops and retakes unix_gc_lock */
static void REQUIRES(unix_gc_lock) collect_relock(void)
{
	struct list garbage = LIST_INIT(garbage);

	find_candidates_locked(&garbage);
	find_garbage_locked(&garbage);
	list_for_each(u, &garbage, struct unix_sock, gc_link)
		unix_get(u);
	while (!list_empty(&garbage)) {
		struct unix_sock *u = list_first(&garbage, struct unix_sock, gc_link);

		list_del(&u->gc_link);
		mutex_unlock(&unix_gc_lock);
		unix_purge(u);
		unix_put(u);
		mutex_lock(&unix_gc_lock);
	}
}

void unix_collect(void)
{
	if (!atomic_load_explicit(&nr_inflight_sockets, memory_order_relaxed))
		return;
	mutex_lock(&unix_gc_lock);
	is_wanted = true;
	while (is_wanted && !is_collecting) {
		is_wanted = false;
		is_collecting = true;
		collect_relock();
		is_collecting = false;
	}
	mutex_unlock(&unix_gc_lock);
}
