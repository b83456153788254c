/* Bitmaps of 64-bit words; the caller owns the words and the lock. */
#pragma once

#include "base/base.h"

#define BITMAP_WORDS(nr_bits) (((nr_bits) + 63) / 64)

static inline bool bitmap_test(const uint64_t *map, size_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

static inline void bitmap_set(uint64_t *map, size_t bit)
{
	map[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t bit)
{
	map[bit / 64] &= ~((uint64_t)1 << (bit % 64));
}

/* The first bit of value `set` at or after from, or nr_bits when there is none. */
static inline size_t bitmap_find(const uint64_t *map, size_t nr_bits, size_t from, bool set)
{
	while (from < nr_bits) {
		uint64_t word = set ? map[from / 64] : ~map[from / 64];

		word &= ~(uint64_t)0 << (from % 64);
		if (word) {
			size_t bit = (from & ~(size_t)63) + (size_t)__builtin_ctzll(word);

			return MIN(bit, nr_bits);
		}
		from = (from | 63) + 1;
	}
	return nr_bits;
}

static inline size_t bitmap_find_set(const uint64_t *map, size_t nr_bits, size_t from)
{
	return bitmap_find(map, nr_bits, from, true);
}

static inline size_t bitmap_find_clear(const uint64_t *map, size_t nr_bits, size_t from)
{
	return bitmap_find(map, nr_bits, from, false);
}
