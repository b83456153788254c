/*
 * Waiters and wait queues on park_wait(). The protocol is in wait.h.
 *
 * Nothing is lost, because the order is the same on both sides:
 *
 *	sleeper                               waker
 *	waitq_add: entry, count (1)           condition changed
 *	waiter_prepare: clears WOKEN          fence, count == 0 ?  (2)
 *	condition looked at                   no: waiter_wake: sets WOKEN, wakes
 *	sleeps while the word is unchanged
 *
 * (1) and (2) are sequentially consistent with the condition's own accesses:
 * either the waker sees the count, or the sleeper sees the condition.
 */
#include "vfs/wait.h"

/* ---- waiters ---- */

void waiter_init(struct waiter *w)
{
	atomic_init(&w->word, 0);
	atomic_init(&w->asleep, WAITER_AWAKE);
	w->on_sleep = NULL;
}

void waiter_prepare(struct waiter *w)
{
	atomic_fetch_and(&w->word, ~WAITER_WOKEN);
}

/* Sleeps until one of `stop` or WAITER_WOKEN is set. A wake goes before an
 * interruption: the caller looks at its condition once more. */
static int wait_for(struct waiter *w, unsigned stop, uint64_t deadline_ns)
{
	int r = 0;

	if (w->on_sleep && !(atomic_load(&w->word) & (WAITER_WOKEN | stop)))
		w->on_sleep(w);
	atomic_store(&w->asleep, stop & WAITER_INTERRUPTED ? WAITER_SLEEPS : WAITER_SLEEPS_DEEP);
	for (;;) {
		unsigned word = atomic_load(&w->word);

		if (word & WAITER_WOKEN)
			break;
		if (word & stop) {
			r = -ERESTARTSYS;
			break;
		}
		if (park_wait(&w->word, word, deadline_ns) == -ETIMEDOUT) {
			r = atomic_load(&w->word) & WAITER_WOKEN ? 0 : -ETIMEDOUT;
			break;
		}
	}
	atomic_store(&w->asleep, WAITER_AWAKE);
	return r;
}

int waiter_wait(struct waiter *w, uint64_t deadline_ns)
{
	lock_assert_none_held("waiter_wait");
	return wait_for(w, WAITER_INTERRUPTED | WAITER_KILLED, deadline_ns);
}

int waiter_wait_killable(struct waiter *w, uint64_t deadline_ns)
{
	return wait_for(w, WAITER_KILLED, deadline_ns);
}

int waiter_wait_woken(struct waiter *w, uint64_t deadline_ns)
{
	return wait_for(w, 0, deadline_ns);
}

static void set_bits(struct waiter *w, unsigned bits)
{
	unsigned old = atomic_fetch_or(&w->word, bits);

	if ((old & bits) != bits)
		park_wake(&w->word, 1);
}

void waiter_wake(struct waiter *w)
{
	set_bits(w, WAITER_WOKEN);
}

void waiter_interrupt(struct waiter *w, bool killed)
{
	set_bits(w, WAITER_INTERRUPTED | (killed ? WAITER_KILLED : 0));
}

void waiter_clear_interrupt(struct waiter *w)
{
	atomic_fetch_and(&w->word, ~WAITER_INTERRUPTED);
}

bool waiter_is_interrupted(const struct waiter *w)
{
	return atomic_load(&w->word) & (WAITER_INTERRUPTED | WAITER_KILLED);
}

enum waiter_state waiter_state(const struct waiter *w)
{
	enum waiter_state asleep = atomic_load(&w->asleep);
	unsigned word = atomic_load(&w->word), ends = WAITER_WOKEN | WAITER_KILLED;

	if (asleep == WAITER_SLEEPS)
		ends |= WAITER_INTERRUPTED;
	return word & ends ? WAITER_AWAKE : asleep;
}

/* ---- wait queues ---- */

static void wake_waiter(struct waitq_entry *e, uint32_t events)
{
	(void)events;
	waiter_wake(e->waiter);
}

void waitq_init(struct waitq *q)
{
	mutex_init(&q->lock, LOCK_WAITQ);
	list_init(&q->entries);
	atomic_init(&q->count, 0);
}

void waitq_entry_init(struct waitq_entry *e, struct waiter *w, uint32_t events)
{
	list_init(&e->link);
	e->wake = wake_waiter;
	e->waiter = w;
	e->events = events;
	e->exclusive = false;
}

void waitq_add(struct waitq *q, struct waitq_entry *e)
{
	mutex_lock(&q->lock);
	list_push_back(&q->entries, &e->link);
	atomic_fetch_add(&q->count, 1);
	mutex_unlock(&q->lock);
	atomic_thread_fence(memory_order_seq_cst);
}

void waitq_remove(struct waitq *q, struct waitq_entry *e)
{
	mutex_lock(&q->lock);
	if (!list_empty(&e->link)) {
		list_del(&e->link);
		atomic_fetch_sub(&q->count, 1);
	}
	mutex_unlock(&q->lock);
}

static void wake_entries(struct waitq *q, uint32_t events, bool all)
{
	bool exclusive_done = false;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&q->count, memory_order_relaxed) == 0)
		return;
	mutex_lock(&q->lock);
	list_for_each_safe(e, tmp, &q->entries, struct waitq_entry, link) {
		if (!(events & (e->events | EV_ERR | EV_HUP)))
			continue;
		if (e->exclusive && exclusive_done && !all)
			continue;
		exclusive_done |= e->exclusive;
		e->wake(e, events);
	}
	mutex_unlock(&q->lock);
}

void waitq_wake(struct waitq *q, uint32_t events)
{
	wake_entries(q, events, false);
}

void waitq_wake_all(struct waitq *q, uint32_t events)
{
	wake_entries(q, events, true);
}
