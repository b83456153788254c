/*
 * Copies into fresh ranges of the memory file.
 *
 * A page that the file does not hold yet costs a host fault when it is stored
 * to; written with pwrite() it costs a third of that. A page that it holds (a
 * scratch range) is cheapest to store to. Pages that the source does not hold
 * are zeros, and stay holes.
 */
#include "memfile/internal.h"

/* Looked at together; mincore() wants a byte for each page. */
#define STEP_PAGES 256u

/* How many pages from i on are alike in both. */
static size_t run_at(const unsigned char *a, const unsigned char *b, size_t i, size_t n)
{
	size_t end = i + 1;

	while (end < n && ((a[end] ^ a[i]) & 1) == 0 && ((b[end] ^ b[i]) & 1) == 0)
		end++;
	return end - i;
}

/* Returns the bytes copied. */
static size_t store(const struct memfile *mf, uint64_t to, bool is_present, const void *src,
		    size_t size)
{
	size_t done = 0;

	if (is_present)
		return size - block_safecopy(memfile_addr(mf, to), src, size);
	while (done < size) {
		ssize_t n = host_pwrite(mf->fd, (const char *)src + done, size - done, to + done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

size_t memfile_write(const struct memfile *mf, uint64_t to, const void *src, size_t size)
{
	unsigned char present[STEP_PAGES];
	size_t done = 0;

	while (done < size) {
		size_t step = MIN(size - done, STEP_PAGES * PAGE_SIZE);
		size_t n = page_up(step) / PAGE_SIZE;

		memfile_incore(mf, to + done, n * PAGE_SIZE, present);
		for (size_t i = 0, run; i < n; i += run) {
			size_t want, got;

			run = run_at(present, present, i, n);
			want = MIN(run * PAGE_SIZE, size - done);
			got = store(mf, to + done, present[i] & 1, (const char *)src + done, want);
			done += got;
			if (got < want)
				return done;
		}
	}
	return done;
}

static bool copy_run(const struct memfile *mf, uint64_t to, uint64_t from, size_t size,
		     bool to_present, bool from_present)
{
	if (from_present)
		return store(mf, to, to_present, memfile_addr(mf, from), size) == size;
	return !to_present || block_safezero(memfile_addr(mf, to), size) == 0;
}

bool memfile_copy(const struct memfile *mf, uint64_t to, uint64_t from, uint64_t size)
{
	unsigned char a[STEP_PAGES], b[STEP_PAGES];

	while (size) {
		uint64_t step = MIN(size, STEP_PAGES * PAGE_SIZE);
		size_t n = step / PAGE_SIZE;

		memfile_incore(mf, to, step, a);
		memfile_incore(mf, from, step, b);
		for (size_t i = 0, run; i < n; i += run) {
			uint64_t at = i * PAGE_SIZE;

			run = run_at(a, b, i, n);
			if (!copy_run(mf, to + at, from + at, run * PAGE_SIZE, a[i] & 1, b[i] & 1))
				return false;
		}
		to += step;
		from += step;
		size -= step;
	}
	return true;
}
