/* A queue of bytes of a fixed capacity. head and tail count bytes for ever; the
 * caller has a lock. */
#pragma once

#include <string.h>

#include "base/base.h"

struct byteq {
	uint8_t *buf;
	size_t size; /* a power of two */
	size_t head, tail;
};

static inline void byteq_init(struct byteq *q, uint8_t *buf, size_t size)
{
	*q = (struct byteq){ .buf = buf, .size = size };
}

static inline size_t byteq_used(const struct byteq *q)
{
	return q->head - q->tail;
}

static inline size_t byteq_room(const struct byteq *q)
{
	return q->size - byteq_used(q);
}

/* The bytes at the front that lie in one piece. */
static inline const uint8_t *byteq_front(const struct byteq *q, size_t *size)
{
	size_t at = q->tail & (q->size - 1);

	*size = MIN(byteq_used(q), q->size - at);
	return q->buf + at;
}

/* There is room. */
static inline void byteq_put(struct byteq *q, uint8_t c)
{
	q->buf[q->head++ & (q->size - 1)] = c;
}

/* As much as there is room for; returns it. */
static inline size_t byteq_write(struct byteq *q, const uint8_t *src, size_t n)
{
	size_t done = 0;

	n = MIN(n, byteq_room(q));
	while (done < n) {
		size_t at = q->head & (q->size - 1), step = MIN(n - done, q->size - at);

		memcpy(q->buf + at, src + done, step);
		q->head += step;
		done += step;
	}
	return n;
}

static inline void byteq_clear(struct byteq *q)
{
	q->tail = q->head;
}
