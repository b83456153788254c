/*
 * The debug registers of a traced task. There are none that the platform could give, so
 * a task that watches memory runs one instruction at a time, and what it watches is
 * compared after each. A store of the value that is there already is not seen; reads
 * and instructions cannot be watched.
 *
 * DR7 (Intel SDM 3, 17.2.4): two bits to enable each of four, from bit 0; from bit 16
 * four bits each: what for (1: stores), and how much (1, 2, 8, 4 bytes).
 */
#include "abi/errno.h"
#include "task/internal.h"
#include "task/ptrace.h"

#define WATCHES 4u
#define DR6_CLEAR 0xffff0ff0u /* what reads as set when nothing has happened */
#define RW_STORES 1u
#define GUEST_TOP ((uint64_t)1 << 47)

static bool is_enabled(uint64_t dr7, unsigned i)
{
	return dr7 >> 2 * i & 3;
}

static unsigned size_of(uint64_t dr7, unsigned i)
{
	static const uint8_t sizes[] = { 1, 2, 8, 4 };

	return sizes[dr7 >> (18 + 4 * i) & 3];
}

static uint64_t load(struct task *t, unsigned i)
{
	const struct ptrace_watch *w = &t->ptrace.watch;
	uint64_t val = 0;

	(void)!mm_read_partial(t->mm, &val, w->addr[i], size_of(w->dr7, i), true);
	return val;
}

static void remember(struct task *t)
{
	struct ptrace_watch *w = &t->ptrace.watch;

	for (unsigned i = 0; i < WATCHES; i++)
		w->old[i] = is_enabled(w->dr7, i) ? load(t, i) : 0;
}

static int check(const uint64_t addr[WATCHES], uint64_t dr7)
{
	for (unsigned i = 0; i < WATCHES; i++) {
		if (!is_enabled(dr7, i))
			continue;
		if ((dr7 >> (16 + 4 * i) & 3) != RW_STORES || addr[i] % size_of(dr7, i))
			return -EINVAL;
	}
	return 0;
}

uint64_t ptrace_get_debugreg(const struct task *t, unsigned n)
{
	const struct ptrace_watch *w = &t->ptrace.watch;

	if (n < WATCHES)
		return w->addr[n];
	if (n == 6)
		return w->dr6 ^ DR6_CLEAR;
	return n == 7 ? w->dr7 : 0;
}

int ptrace_set_debugreg(struct task *t, unsigned n, uint64_t val)
{
	struct ptrace_watch new = t->ptrace.watch;
	int r;

	if (n == 4 || n == 5)
		return -EIO;
	if (n == 6)
		new.dr6 = val ^ DR6_CLEAR;
	else if (n == 7)
		new.dr7 = val;
	else if (val >= GUEST_TOP)
		return -EINVAL;
	else
		new.addr[n] = val;
	r = check(new.addr, new.dr7);
	if (r < 0)
		return r;
	t->ptrace.watch = new;
	remember(t);
	return 0;
}

bool ptrace_is_watching(const struct task *t)
{
	return t->ptrace.watch.dr7 & 0xff;
}

bool ptrace_watch_hit(struct task *t)
{
	struct ptrace_watch *w = &t->ptrace.watch;
	bool hit = false;

	for (unsigned i = 0; i < WATCHES; i++) {
		uint64_t now = is_enabled(w->dr7, i) ? load(t, i) : w->old[i];

		if (now == w->old[i])
			continue;
		w->old[i] = now;
		w->dr6 |= (uint64_t)1 << i;
		hit = true;
	}
	return hit;
}
