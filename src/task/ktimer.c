/* See ktimer.h: a binary min-heap by deadline, and the thread that waits for
 * its top. */
#include "task/ktimer.h"

#include <stdlib.h>
#include <time.h>

#include "base/lock.h"
#include "base/park.h"
#include "host/host.h"
#include "host/thread.h"

static struct mutex timer_lock = MUTEX_INIT(LOCK_TIMER);
static struct ktimer **heap;   /* [timer] from 1 */
static size_t count, capacity; /* [timer] */
static struct ktimer *running; /* [timer] whose callback runs now */
static atomic_uint changed;    /* bumped when the top changes */
static atomic_uint finished;   /* bumped when a callback has returned */
static bool started, stopping; /* [timer] */
static struct host_thread thread;
static _Thread_local bool is_timer_thread;

static void place(size_t i, struct ktimer *t)
{
	heap[i] = t;
	t->heap_index = i;
}

static void sift_up(size_t i, struct ktimer *t)
{
	for (; i > 1 && heap[i / 2]->deadline_ns > t->deadline_ns; i /= 2)
		place(i, heap[i / 2]);
	place(i, t);
}

static void sift_down(size_t i, struct ktimer *t)
{
	for (size_t c; (c = 2 * i) <= count; i = c) {
		if (c < count && heap[c + 1]->deadline_ns < heap[c]->deadline_ns)
			c++;
		if (heap[c]->deadline_ns >= t->deadline_ns)
			break;
		place(i, heap[c]);
	}
	place(i, t);
}

static void remove_locked(struct ktimer *t)
{
	size_t i = t->heap_index;
	struct ktimer *last = heap[count--];

	t->heap_index = 0;
	if (last == t)
		return;
	if (i > 1 && heap[i / 2]->deadline_ns > last->deadline_ns)
		sift_up(i, last);
	else
		sift_down(i, last);
}

static void REQUIRES(timer_lock) fire_locked(struct ktimer *t)
{
	remove_locked(t);
	running = t;
	mutex_unlock(&timer_lock);
	t->fn(t);
	mutex_lock(&timer_lock);
	running = NULL;
	atomic_fetch_add(&finished, 1);
	park_wake(&finished, INT32_MAX);
}

static void timer_main(void *arg UNUSED)
{
	is_timer_thread = true;
	mutex_lock(&timer_lock);
	while (!stopping) {
		unsigned seen = atomic_load(&changed);
		uint64_t deadline = count ? heap[1]->deadline_ns : PARK_FOREVER;

		if (count && deadline <= host_clock_ns(CLOCK_MONOTONIC)) {
			fire_locked(heap[1]);
			continue;
		}
		mutex_unlock(&timer_lock);
		(void)park_wait(&changed, seen, deadline);
		mutex_lock(&timer_lock);
	}
	mutex_unlock(&timer_lock);
}

void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t))
{
	t->fn = fn;
	t->deadline_ns = 0;
	t->heap_index = 0;
}

static int prepare_locked(void)
{
	if (count + 2 > capacity) {
		size_t cap = capacity ? capacity * 2 : 64;
		struct ktimer **grown = realloc(heap, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		heap = grown;
		capacity = cap;
	}
	if (!started) {
		int r = host_thread_create(&thread, "timer", 0, timer_main, NULL);

		if (r < 0)
			return r;
		started = true;
	}
	return 0;
}

int ktimer_arm(struct ktimer *t, uint64_t deadline_ns)
{
	int r;

	mutex_lock(&timer_lock);
	r = prepare_locked();
	if (r == 0) {
		if (t->heap_index)
			remove_locked(t);
		t->deadline_ns = deadline_ns;
		sift_up(++count, t);
		if (heap[1] == t) {
			atomic_fetch_add(&changed, 1);
			park_wake(&changed, 1);
		}
	}
	mutex_unlock(&timer_lock);
	return r;
}

bool ktimer_try_cancel(struct ktimer *t)
{
	bool armed;

	mutex_lock(&timer_lock);
	armed = t->heap_index != 0;
	if (armed)
		remove_locked(t);
	mutex_unlock(&timer_lock);
	return armed;
}

/* A callback may arm its timer again: take it off until it stays off. */
bool ktimer_cancel(struct ktimer *t)
{
	bool armed = false;

	mutex_lock(&timer_lock);
	for (;;) {
		unsigned seen = atomic_load(&finished);

		if (t->heap_index) {
			armed = true;
			remove_locked(t);
		}
		if (running != t || is_timer_thread)
			break;
		mutex_unlock(&timer_lock);
		(void)park_wait(&finished, seen, PARK_FOREVER);
		mutex_lock(&timer_lock);
	}
	mutex_unlock(&timer_lock);
	return armed;
}

void ktimer_shutdown(void)
{
	bool join;

	mutex_lock(&timer_lock);
	stopping = true;
	join = started;
	atomic_fetch_add(&changed, 1);
	park_wake(&changed, 1);
	mutex_unlock(&timer_lock);
	if (join)
		host_thread_join(&thread);
	free(heap);
	heap = NULL;
	count = capacity = 0;
	started = stopping = false;
}
