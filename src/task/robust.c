/*
 * Robust lists (get_robust_list(2), and the kernel's documentation of robust
 * futexes): at a thread's exit or exec, the words of the mutexes that it holds
 * are marked FUTEX_OWNER_DIED and one waiter each is woken.
 *
 * The list is the guest's: it may be long, circular, or point anywhere. So at
 * most ABI_ROBUST_LIST_LIMIT entries are followed, each is read once, and the
 * first bad address ends the walk.
 */
#include "abi/futex.h"
#include "task/internal.h"

struct robust_entry {
	gva_t addr;
	bool is_pi;
};

static int robust_fetch(struct task *t, gva_t from, struct robust_entry *out)
{
	uint64_t v;
	int r = mm_copy_in(t->mm, &v, from, sizeof(v));

	if (r < 0)
		return r;
	out->is_pi = v & 1;
	out->addr = v & ~(uint64_t)1;
	return 0;
}

/* The owner of one word died: marks it and wakes one waiter. */
static int robust_death(struct task *t, gva_t addr, bool is_pi, bool is_pending)
{
	uint32_t now, seen, desired;
	int r;

	if (addr & 3)
		return -EINVAL;
	r = mm_load32(t->mm, addr, &now);
	for (;;) {
		if (r < 0)
			return r;
		/* An unlock that was interrupted between storing 0 and waking. */
		if (is_pending && !is_pi && now == 0) {
			(void)futex_wake_addr(t, addr, 1);
			return 0;
		}
		if ((now & FUTEX_TID_MASK) != (uint32_t)t->own_tid)
			return 0;
		desired = (now & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
		r = mm_cmpxchg32(t->mm, addr, now, desired, &seen);
		if (r == 0 && seen == now)
			break;
		now = seen;
	}
	if (!is_pi && (now & FUTEX_WAITERS))
		(void)futex_wake_addr(t, addr, 1);
	return 0;
}

void futex_exit_robust(struct task *t)
{
	gva_t head = t->robust_list;
	struct robust_entry entry, next, pending;
	unsigned limit = ABI_ROBUST_LIST_LIMIT;
	int64_t offset;

	t->robust_list = 0;
	if (!head || robust_fetch(t, head, &entry) < 0 ||
	    mm_copy_in(t->mm, &offset, head + offsetof(struct abi_robust_list_head, futex_offset),
		       sizeof(offset)) < 0 ||
	    robust_fetch(t, head + offsetof(struct abi_robust_list_head, list_op_pending),
			 &pending) < 0)
		return;
	while (entry.addr != head && limit--) {
		/* Before the word is marked: then the entry may be re-used. */
		int r = robust_fetch(t, entry.addr, &next);

		if (entry.addr != pending.addr &&
		    robust_death(t, entry.addr + (uint64_t)offset, entry.is_pi, false) < 0)
			return;
		if (r < 0)
			break;
		entry = next;
	}
	if (pending.addr)
		(void)robust_death(t, pending.addr + (uint64_t)offset, pending.is_pi, true);
}
