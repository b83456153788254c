/*
 * Timers of requests: TIMEOUT, LINK_TIMEOUT.
 *
 * A timer's callback runs on the timer thread: it takes the request out of the hash,
 * under ring.lock, and puts it on its task's work list. Who wants to end it earlier
 * does so under the same lock, and only if the timer had not begun to fire: then it
 * is the callback's.
 *
 * Clocks: everything is CLOCK_MONOTONIC inside. A time of another clock is converted
 * when the timer starts: guests cannot set clocks.
 */
#include "uring/timeout.h"

#include <string.h>

#include "abi/time.h"
#include "uring/cancel.h"
#include "uring/internal.h"

uint64_t uring_now(int clock)
{
	uint64_t now = 0;

	(void)task_clock_ns(NULL, clock, &now);
	return now;
}

/* ---- times ---- */

static int clock_of(uint32_t flags)
{
	if (flags & IORING_TIMEOUT_BOOTTIME)
		return CLOCK_BOOTTIME;
	return flags & IORING_TIMEOUT_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
}

static uint64_t sat_add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return add_overflow(a, b, &sum) ? PARK_FOREVER : sum;
}

uint64_t uring_deadline(uint32_t flags, uint64_t ns)
{
	int clock = clock_of(flags);
	uint64_t now;

	if (!(flags & IORING_TIMEOUT_ABS))
		return sat_add(uring_now(CLOCK_MONOTONIC), ns);
	if (clock == CLOCK_MONOTONIC)
		return ns;
	now = uring_now(clock);
	return ns <= now ? 0 : sat_add(uring_now(CLOCK_MONOTONIC), ns - now);
}

int uring_timespec(struct task *t, gva_t user, uint64_t *ns)
{
	struct abi_timespec ts;

	if (mm_copy_in(t->mm, &ts, user, sizeof(ts)) < 0)
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0)
		return -EINVAL;
	*ns = ts.sec >= INT64_MAX / (int64_t)NSEC_PER_SEC - 1
		      ? INT64_MAX
		      : sat_add((uint64_t)ts.sec * NSEC_PER_SEC, (uint64_t)ts.nsec);
	return 0;
}

/* ---- firing ---- */

static int start_locked(struct req *req)
{
	int err = -ECANCELED;

	mutex_assert_held(&req->ring->lock);
	if (!req->ring->is_dying && !atomic_load(&req->ut->ends))
		err = ktimer_arm(&req->timeout.timer, req->timeout.deadline_ns);
	if (err == 0)
		waiting_add_locked(req, WAIT_TIMER);
	return err;
}

static void timeout_done(struct req *req, struct issue *is)
{
	struct op_timeout *to = &req->timeout;
	struct ring *r = req->ring;
	int err;

	if (is->task && (to->flags & IORING_TIMEOUT_MULTISHOT) && (!to->count || --to->count) &&
	    complete_post_more(req, is, -ETIME, 0)) {
		mutex_lock(&r->lock);
		to->deadline_ns = sat_add(to->deadline_ns, to->period_ns);
		err = start_locked(req);
		mutex_unlock(&r->lock);
		if (err < 0)
			complete_failed(req, is, err);
		return;
	}
	if (!(to->flags & IORING_TIMEOUT_ETIME_SUCCESS))
		req_set_fail(req);
	req->res = -ETIME;
	complete_later(req, is);
}

static void timeout_fires(struct ktimer *timer)
{
	struct req *req = container_of(timer, struct req, timeout.timer);
	struct ring *r = req->ring;

	ring_get(r);
	mutex_lock(&r->lock);
	list_del(&req->timeout.link);
	waiting_del_locked(req);
	atomic_fetch_add(&r->cq_timeouts, 1);
	mutex_unlock(&r->lock);
	work_add(req, timeout_done);
	ring_put(r);
}

bool timeout_take_locked(struct req *req)
{
	mutex_assert_held(&req->ring->lock);
	if (!ktimer_try_cancel(&req->timeout.timer))
		return false;
	list_del(&req->timeout.link);
	waiting_del_locked(req);
	return true;
}

/* Starts the timer, or only waits to be counted down. */
int timeout_start(struct req *req)
{
	struct op_timeout *to = &req->timeout;
	struct ring *r = req->ring;
	int err;

	ktimer_init(&to->timer, timeout_fires);
	list_init(&to->link);
	mutex_lock(&r->lock);
	to->has_target = to->count && !(to->flags & IORING_TIMEOUT_MULTISHOT);
	if (to->has_target)
		to->target = r->cq_tail - atomic_load(&r->cq_timeouts) + to->count;
	err = start_locked(req);
	if (err == 0 && to->has_target)
		list_push_back(&r->timeouts, &to->link);
	mutex_unlock(&r->lock);
	return err;
}

/* So many completions have come, not counting those of timeouts: who waited for that
 * is done. */
void timeouts_count_locked(struct ring *r, struct req ***ended)
{
	uint32_t seq = r->cq_tail - atomic_load(&r->cq_timeouts);

	list_for_each_safe(req, tmp, &r->timeouts, struct req, timeout.link) {
		if (!req->timeout.has_target || (int32_t)(seq - req->timeout.target) < 0)
			continue;
		if (!timeout_take_locked(req))
			continue;
		atomic_fetch_add(&r->cq_timeouts, 1);
		req->res = 0;
		req->cflags = 0;
		req->link_done = NULL;
		**ended = req;
		*ended = &req->link_done;
	}
}

/* ---- linked timeouts ---- */

/* It is over: what it guards is cancelled, if it still waits. */
static void ltimeout_done(struct req *req, struct issue *is)
{
	const struct cancel_key key = {
		.ring = req->ring,
		.user_data = req->timeout.head_data,
		.ut = req->ut,
	};
	int r = -ETIME;

	if (!is->task)
		r = -ECANCELED;
	else if (req->timeout.has_target) /* there was a request to guard */
		r = cancel_matching(&key, is);
	req->res = r == 0 ? -ETIME : r;
	complete_later(req, is);
}

static void ltimeout_fires(struct ktimer *timer)
{
	struct req *lt = container_of(timer, struct req, timeout.timer), *head;
	struct ring *r = lt->ring;

	ring_get(r);
	mutex_lock(&r->lock);
	waiting_del_locked(lt);
	head = lt->timeout.head;
	lt->timeout.has_target = head != NULL;
	if (head) {
		lt->timeout.head_data = head->user_data;
		head->link = lt->link;
		head->is_doomed = true;
		/* head's flags are its thread's: that it had a linked timeout stays there,
		 * and nothing is found behind it. */
		lt->link = NULL;
		lt->timeout.head = NULL;
	}
	mutex_unlock(&r->lock);
	work_add(lt, ltimeout_done);
	ring_put(r);
}

void ltimeout_arm_locked(struct req *req)
{
	struct req *lt = req->link;

	if (!lt || lt->opcode != IORING_OP_LINK_TIMEOUT || lt->wait != WAIT_NONE ||
	    lt->timeout.is_linked)
		return;
	lt->timeout.is_linked = true; /* once */
	lt->timeout.head = req;
	list_init(&lt->timeout.link);
	ktimer_init(&lt->timeout.timer, ltimeout_fires);
	lt->timeout.deadline_ns = uring_deadline(lt->timeout.flags, lt->timeout.period_ns);
	if (ktimer_arm(&lt->timeout.timer, lt->timeout.deadline_ns) == 0)
		waiting_add_locked(lt, WAIT_TIMER);
}

/* ---- changing ---- */

int timeout_change(struct ring *r, uint64_t user_data, uint8_t opcode, uint64_t deadline_ns)
{
	int err = -ENOENT;

	mutex_lock(&r->lock);
	list_for_each(req, waiting_bucket(r, user_data), struct req, hash_link) {
		if (req->user_data != user_data || req->opcode != opcode || req->wait != WAIT_TIMER)
			continue;
		err = -EALREADY;
		if (ktimer_try_cancel(&req->timeout.timer)) {
			req->timeout.deadline_ns = deadline_ns;
			list_del(&req->timeout.link);
			req->timeout.has_target = opcode == IORING_OP_LINK_TIMEOUT &&
						  req->timeout.has_target;
			/* There was room in the heap a moment ago. */
			err = ktimer_arm(&req->timeout.timer, deadline_ns);
		}
		break;
	}
	mutex_unlock(&r->lock);
	return err;
}
