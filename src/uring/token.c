/* See internal.h. The waiter looks again after it has prepared, the giver wakes after
 * it has let go: no wake is lost. */
#include "uring/internal.h"

void token_init(struct token *k)
{
	atomic_init(&k->state, 0);
	waitq_init(&k->waitq);
}

bool token_try(struct token *k)
{
	unsigned free_state = 0;

	return atomic_compare_exchange_strong(&k->state, &free_state, 1);
}

static int take(struct token *k, struct waiter *w, bool interruptible)
{
	struct waitq_entry e;
	int r = 0;

	waitq_entry_init(&e, w, EV_IN);
	e.exclusive = true;
	waitq_add(&k->waitq, &e);
	for (;;) {
		waiter_prepare(w);
		if (token_try(k))
			break;
		r = interruptible ? waiter_wait(w, PARK_FOREVER)
				  : waiter_wait_woken(w, PARK_FOREVER);
		if (r < 0) {
			r = -EINTR;
			break;
		}
	}
	waitq_remove(&k->waitq, &e);
	/* A wake that was meant for one of us may have come to who gave up. */
	if (r < 0 && !atomic_load(&k->state))
		waitq_wake(&k->waitq, EV_IN);
	return r;
}

int token_take(struct token *k, struct waiter *w)
{
	return likely(token_try(k)) ? 0 : take(k, w, true);
}

void token_take_slow(struct token *k)
{
	struct waiter w;

	if (likely(token_try(k)))
		return;
	waiter_init(&w);
	(void)take(k, &w, false);
}

void token_give(struct token *k)
{
	atomic_store(&k->state, 0);
	waitq_wake(&k->waitq, EV_IN);
}
