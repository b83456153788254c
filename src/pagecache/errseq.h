/*
 * Errors of write-back, each reported once to every descriptor that was open when
 * it happened, and to whoever opens next if nobody has seen it.
 *
 * The sequence is one word: the last error, a counter, and whether somebody has
 * seen this value. A descriptor keeps the value that it saw last; a different
 * one now means that something went wrong in between. The counter only moves
 * when the value has been seen, so that it does not wrap while nobody looks.
 */
#pragma once

#include "base/base.h"

struct errseq {
	atomic_uint word; /* [a] */
};

/* What a new descriptor starts from: 0 while an error waits that nobody saw. */
unsigned errseq_sample(const struct errseq *e);
/* err: a negative errno. */
void errseq_set(struct errseq *e, int err);
/* The error since *since, or 0; *since moves on. */
int errseq_check(struct errseq *e, atomic_uint *since);
