/*
 * select and pselect6, on top of poll.
 *
 * The three sets of bits are copied in once; each descriptor that is in one of
 * them becomes an entry of poll. What was ready is written back bit by bit into
 * the same words, which then go out whole.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/signal.h"
#include "abi/time.h"
#include "syscall/families.h"
#include "syscall/polling.h"
#include "syscall/syscall.h"

#define SETS 3u
#define INLINE_WORDS (SETS * 16u) /* 1024 descriptors, as FD_SETSIZE */
#define INLINE_FDS 32u

/* What makes a descriptor ready for reading, writing, exceptions. */
static const uint32_t set_events[SETS] = {
	EV_IN | EV_RDNORM | EV_RDBAND | EV_HUP | EV_ERR,
	EV_OUT | EV_WRNORM | EV_WRBAND | EV_ERR,
	EV_PRI,
};

struct selection {
	unsigned nfds, nwords; /* words of one set */
	const gva_t *user;     /* of the sets; 0: not given */
	uint64_t *words;       /* the sets, one behind the other */
	unsigned count;        /* descriptors in any set */
	struct pollfd_k *k;
	uint64_t inline_words[INLINE_WORDS];
	struct pollfd_k inline_k[INLINE_FDS];
};

static uint64_t *word_of(struct selection *s, unsigned set, unsigned fd)
{
	return &s->words[set * s->nwords + fd / 64];
}

static uint64_t any_of(struct selection *s, unsigned word)
{
	return s->words[word] | s->words[s->nwords + word] | s->words[2 * s->nwords + word];
}

static int selection_read(struct task *t, struct selection *s)
{
	size_t size = s->nwords * sizeof(uint64_t);

	s->words = s->inline_words;
	if (s->nwords * SETS > INLINE_WORDS) {
		s->words = malloc(size * SETS);
		if (!s->words)
			return -ENOMEM;
	}
	memset(s->words, 0, size * SETS);
	for (unsigned i = 0; i < SETS; i++) {
		if (s->user[i] &&
		    syscall_copy_in(t, s->words + i * s->nwords, s->user[i], size) < 0)
			return -EFAULT;
		/* Bits past the last descriptor do not count. */
		if (s->nfds & 63)
			*word_of(s, i, s->nfds) &= ((uint64_t)1 << (s->nfds & 63)) - 1;
	}
	for (unsigned w = 0; w < s->nwords; w++)
		s->count += (unsigned)__builtin_popcountll(any_of(s, w));
	return 0;
}

static int selection_add(struct task *t, struct selection *s, unsigned fd, unsigned at)
{
	struct pollfd_k *k = &s->k[at];

	*k = (struct pollfd_k){ .file = fd_get(t, (int)fd) };
	if (!k->file)
		return -EBADF;
	for (unsigned i = 0; i < SETS; i++) {
		if (*word_of(s, i, fd) >> (fd & 63) & 1)
			k->events |= set_events[i];
	}
	return 0;
}

/* Calls fn for each descriptor of any set, with its place in k. */
static int selection_each(struct task *t, struct selection *s,
			  int (*fn)(struct task *t, struct selection *s, unsigned fd, unsigned at),
			  unsigned *done)
{
	unsigned at = 0;
	int r, sum = 0;

	for (unsigned fd = 0; fd < s->nfds; fd++) {
		uint64_t bits = any_of(s, fd / 64) >> (fd & 63);

		if (!bits) {
			fd |= 63; /* nothing more in this word */
			continue;
		}
		if (!(bits & 1))
			continue;
		r = fn(t, s, fd, at);
		if (r < 0) {
			*done = at;
			return r;
		}
		sum += r;
		at++;
	}
	*done = at;
	return sum;
}

/* Clears the bits of what is not ready: how many are left. */
static int selection_mark(struct task *t UNUSED, struct selection *s, unsigned fd, unsigned at)
{
	uint64_t bit = (uint64_t)1 << (fd & 63);
	int n = 0;

	for (unsigned i = 0; i < SETS; i++) {
		uint64_t *word = word_of(s, i, fd);

		if (!(*word & bit))
			continue;
		if (s->k[at].revents & set_events[i])
			n++;
		else
			*word &= ~bit;
	}
	return n;
}

static int selection_write(struct task *t, struct selection *s)
{
	for (unsigned i = 0; i < SETS; i++) {
		if (s->user[i] && syscall_copy_out(t, s->user[i], s->words + i * s->nwords,
						   s->nwords * sizeof(uint64_t)) < 0)
			return -EFAULT;
	}
	return 0;
}

/* The entries exist: look them up, wait, report. */
static int selection_run(struct task *t, struct selection *s, uint64_t deadline_ns)
{
	unsigned done;
	int r = selection_each(t, s, selection_add, &done);

	if (r < 0) {
		polling_put_files(s->k, done);
		return r;
	}
	r = polling_wait(t, s->k, s->count, deadline_ns);
	if (r < 0)
		return r;
	r = selection_each(t, s, selection_mark, &done);
	return selection_write(t, s) < 0 ? -EFAULT : r;
}

static void selection_fini(struct selection *s)
{
	if (s->words != s->inline_words)
		free(s->words);
	if (s->k != s->inline_k)
		free(s->k);
}

static long select_run(struct task *t, int nfds, const gva_t user[SETS], uint64_t deadline_ns)
{
	struct selection s UNINITIALIZED;
	unsigned capacity;
	int r;

	if (nfds < 0)
		return -EINVAL;
	/* Linux looks no further than the table reaches. */
	(void)fdtable_count(t->files, &capacity);
	s.nfds = MIN((unsigned)nfds, capacity);
	s.nwords = (s.nfds + 63) / 64;
	s.user = user;
	s.count = 0;
	s.k = s.inline_k;
	r = selection_read(t, &s);
	if (r == 0 && s.count > INLINE_FDS) {
		s.k = malloc(s.count * sizeof(*s.k));
		if (!s.k)
			r = -ENOMEM;
	}
	if (r == 0)
		r = selection_run(t, &s, deadline_ns);
	selection_fini(&s);
	return r;
}

/* A struct timeval, which may have more than a second of microseconds. */
static int select_deadline(struct task *t, gva_t user, uint64_t *deadline_ns)
{
	struct abi_timeval tv;

	*deadline_ns = PARK_FOREVER;
	if (!user)
		return 0;
	if (syscall_copy_in(t, &tv, user, sizeof(tv)) < 0)
		return -EFAULT;
	if (tv.sec < 0 || tv.usec < 0)
		return -EINVAL;
	if (tv.sec < INT64_MAX / ABI_NSEC_PER_SEC / 2 && tv.usec < INT64_MAX / 2000)
		*deadline_ns = syscall_deadline(t, (uint64_t)tv.sec * ABI_NSEC_PER_SEC +
							   (uint64_t)tv.usec * 1000);
	if (tv.sec == 0 && tv.usec == 0)
		*deadline_ns = 0;
	return 0;
}

SYSCALL(select)
{
	uint64_t deadline_ns;
	long r = select_deadline(t, args->a[4], &deadline_ns);

	if (r < 0)
		return r;
	r = select_run(t, (int)args->a[0], &args->a[1], deadline_ns);
	r = polling_put_left(t, args->a[4], deadline_ns, true, r);
	return r == -ERESTARTSYS ? -ERESTARTNOHAND : r;
}

SYSCALL(pselect6)
{
	struct abi_sigset_argpack mask = { 0 };
	uint64_t deadline_ns;
	long r = 0;

	if (args->a[5] && syscall_copy_in(t, &mask, args->a[5], sizeof(mask)) < 0)
		return -EFAULT;
	r = polling_deadline(t, args->a[4], &deadline_ns);
	if (r == 0)
		r = polling_mask_begin(t, mask.set, mask.size);
	if (r < 0)
		return r;
	r = select_run(t, (int)args->a[0], &args->a[1], deadline_ns);
	r = polling_put_left(t, args->a[4], deadline_ns, false, r);
	r = polling_mask_end(t, mask.set, r);
	return r == -ERESTARTSYS ? -ERESTARTNOHAND : r;
}
