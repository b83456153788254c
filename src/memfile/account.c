/*
 * How much the memory file holds: by kind (what was handed out), and in truth
 * (what the host has given, which it alone knows). Nothing here walks ranges.
 */
#include "memfile/internal.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* mincore() at a time. */
#define INCORE_STEP ((uint64_t)64 << 20)
#define COUNT_PAGES 1024u

uint64_t memfile_used(struct memfile *mf)
{
	struct stat st;
	uint64_t used, peak;

	if (host_fstat(mf->fd, &st) < 0)
		return 0;
	used = (uint64_t)st.st_blocks * 512;
	peak = atomic_load_explicit(&mf->peak, memory_order_relaxed);
	while (used > peak && !atomic_compare_exchange_weak(&mf->peak, &peak, used))
		;
	return used;
}

uint64_t memfile_limit(const struct memfile *mf)
{
	return mf->limit;
}

bool memfile_over_limit(struct memfile *mf)
{
	/* Not even all that was handed out could exceed it. */
	if (likely(atomic_load_explicit(&mf->handed_out, memory_order_relaxed) <= mf->limit))
		return false;
	return memfile_used(mf) > mf->limit;
}

bool memfile_is_exhausted(struct memfile *mf)
{
	return memfile_over_limit(mf) &&
	       memfile_used(mf) > mf->limit + mf->limit / RESERVE_FRACTION;
}

bool memfile_is_tight(struct memfile *mf)
{
	uint64_t room = mf->limit - mf->limit / RESERVE_FRACTION;

	if (likely(atomic_load_explicit(&mf->handed_out, memory_order_relaxed) <= room))
		return false;
	mutex_lock(&mf->lock);
	room += mf->evictable;
	mutex_unlock(&mf->lock);
	return memfile_used(mf) > room;
}

void memfile_get_stats(struct memfile *mf, struct memfile_stats *out)
{
	out->used = memfile_used(mf);
	out->peak = atomic_load(&mf->peak);
	mutex_lock(&mf->lock);
	for (int i = 0; i < MEMFILE_KINDS; i++)
		out->allocated[i] = mf->allocated[i];
	out->evictable = mf->evictable;
	mutex_unlock(&mf->lock);
}

/* Holes are skipped by asking for the next data; pages of data are counted by
 * mincore(), because to ask for the next hole would look at all data up to it,
 * however far that reaches. */
uint64_t memfile_resident(const struct memfile *mf, uint64_t offset, uint64_t size)
{
	unsigned char vec[COUNT_PAGES];
	uint64_t end = offset + size, sum = 0;

	while (offset < end) {
		int64_t data = host_lseek(mf->fd, (int64_t)offset, SEEK_DATA);
		uint64_t step;

		if (data < 0 || (uint64_t)data >= end)
			break;
		offset = page_down((uint64_t)data);
		step = MIN(end - offset, COUNT_PAGES * PAGE_SIZE);
		memfile_incore(mf, offset, step, vec);
		for (uint64_t i = 0; i < step / PAGE_SIZE; i++)
			sum += (vec[i] & 1) * PAGE_SIZE;
		offset += step;
	}
	return sum;
}

void memfile_residency(struct memfile *mf, uint64_t offset, uint64_t size, unsigned own,
		       struct memfile_residency *out)
{
	uint64_t end = offset + size, stop;

	*out = (struct memfile_residency){ 0 };
	for (; offset < end; offset = stop) {
		unsigned refs = memfile_refs(mf, offset, &stop), users;
		uint64_t n;

		stop = MIN(stop, end);
		n = memfile_resident(mf, offset, stop - offset);
		users = refs > own ? refs - own + 1 : 1;
		out->resident += n;
		out->proportional += n / users;
		out->shared += users > 1 ? n : 0;
	}
}

void memfile_incore(const struct memfile *mf, uint64_t offset, uint64_t size, unsigned char *vec)
{
	while (size) {
		uint64_t step = MIN(size, INCORE_STEP);

		if (host_mincore(memfile_addr(mf, offset), step, vec) < 0)
			__builtin_memset(vec, 1, step / PAGE_SIZE);
		offset += step;
		size -= step;
		vec += step / PAGE_SIZE;
	}
}
