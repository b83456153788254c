#include "pagecache/errseq.h"

#define ERROR_BITS 12u
#define ERROR_MASK ((1u << ERROR_BITS) - 1)
#define SEEN (1u << ERROR_BITS)
#define TURN (1u << (ERROR_BITS + 1))

unsigned errseq_sample(const struct errseq *e)
{
	unsigned now = atomic_load(&e->word);

	return now & SEEN ? now : 0;
}

void errseq_set(struct errseq *e, int err)
{
	unsigned old = atomic_load(&e->word), now;

	ASSERT(err < 0 && err >= -(int)ERROR_MASK);
	do {
		now = (old & ~(ERROR_MASK | SEEN)) | (unsigned)-err;
		if (old & SEEN)
			now += TURN;
	} while (!atomic_compare_exchange_weak(&e->word, &old, now));
}

int errseq_check(struct errseq *e, atomic_uint *since)
{
	unsigned now = atomic_load(&e->word), before = atomic_load(since);

	do {
		/* Of two threads with one descriptor, one reports. */
		if ((now | SEEN) == (before | SEEN))
			return 0;
	} while (!atomic_compare_exchange_weak(since, &before, now | SEEN));
	(void)atomic_compare_exchange_strong(&e->word, &now, now | SEEN);
	return -(int)((now | SEEN) & ERROR_MASK);
}
