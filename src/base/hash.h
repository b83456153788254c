/*
 * Hashes. hash_bytes() and hash_string() are SipHash-1-3 under a key drawn at
 * start-up: a guest that chooses names cannot choose collisions. hash_u64() is
 * a keyed-free mix for keys that a guest cannot choose (pointers, our ids);
 * hash_u64_keyed() for those that it can.
 */
#pragma once

#include <string.h>

#include "base/base.h"

struct hash_key {
	uint64_t k0, k1;
};

/* Set once, before threads start, by whoever has random bytes. */
extern struct hash_key hash_key;

/* Mixes all bits of v into all bits of the result (a bijection). */
static inline uint64_t hash_u64(uint64_t v)
{
	v ^= v >> 32;
	v *= 0xe9846af9b1a615d5ull;
	v ^= v >> 32;
	v *= 0xe9846af9b1a615d5ull;
	v ^= v >> 28;
	return v;
}

uint64_t hash_bytes(const void *data, size_t size);

static inline uint64_t hash_string(const char *s)
{
	return hash_bytes(s, strlen(s));
}

static inline uint64_t hash_u64_keyed(uint64_t v)
{
	return hash_bytes(&v, sizeof(v));
}
