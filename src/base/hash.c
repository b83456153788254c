/* SipHash with one round a word and three at the end (Aumasson and Bernstein). */
#include "base/hash.h"

struct hash_key hash_key = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, int by)
{
	return (x << by) | (x >> (64 - by));
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

uint64_t hash_bytes(const void *data, size_t size)
{
	const unsigned char *at = data;
	struct sip s = {
		hash_key.k0 ^ 0x736f6d6570736575ull,
		hash_key.k1 ^ 0x646f72616e646f6dull,
		hash_key.k0 ^ 0x6c7967656e657261ull,
		hash_key.k1 ^ 0x7465646279746573ull,
	};
	uint64_t word;
	size_t left;

	for (left = size; left >= sizeof(word); left -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sip_word(&s, word);
	}
	word = 0;
	if (left)
		memcpy(&word, at, left);
	sip_word(&s, word | (uint64_t)size << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
