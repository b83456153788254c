/* See personality.h: an array that grows, numbers from 1 on, given out in a circle. */
#include "uring/personality.h"

#include <stdlib.h>
#include <string.h>

#include "base/kmem.h"
#include "uring/internal.h"

#define PERSONALITIES_MAX 65535u

struct personalities {
	unsigned capacity, next;
	const struct cred **cred; /* by number - 1 */
};

/* => ring.lock */
static int find_room(struct personalities *p)
{
	const struct cred **grown;
	unsigned capacity;

	for (unsigned i = 0; i < p->capacity; i++) {
		unsigned at = (p->next + i) % p->capacity;

		if (!p->cred[at]) {
			p->next = at + 1;
			return (int)at;
		}
	}
	if (p->capacity == PERSONALITIES_MAX)
		return -EBUSY;
	capacity = MIN(p->capacity ? p->capacity * 2 : 16, PERSONALITIES_MAX);
	grown = kmem_zalloc_for(KMEM_URING, capacity * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	if (p->capacity)
		memcpy(grown, p->cred, p->capacity * sizeof(*grown));
	kmem_free_for(KMEM_URING, p->cred);
	p->cred = grown;
	p->next = p->capacity + 1;
	p->capacity = capacity;
	return (int)p->next - 1;
}

long personality_register(struct ring *r, const struct cred *cred)
{
	int at = -ENOMEM;

	mutex_lock(&r->lock);
	if (!r->personalities)
		r->personalities = calloc(1, sizeof(*r->personalities));
	if (r->personalities)
		at = find_room(r->personalities);
	if (at >= 0)
		r->personalities->cred[at] = cred_get(cred);
	mutex_unlock(&r->lock);
	return at < 0 ? at : at + 1;
}

long personality_unregister(struct ring *r, unsigned id)
{
	const struct cred *cred = NULL;

	mutex_lock(&r->lock);
	if (r->personalities && id && id <= r->personalities->capacity) {
		cred = r->personalities->cred[id - 1];
		r->personalities->cred[id - 1] = NULL;
	}
	mutex_unlock(&r->lock);
	if (!cred)
		return -EINVAL;
	cred_put(cred);
	return 0;
}

const struct cred *personality_get(struct ring *r, unsigned id)
{
	const struct cred *cred = NULL;

	mutex_lock(&r->lock);
	if (r->personalities && id && id <= r->personalities->capacity)
		cred = r->personalities->cred[id - 1];
	if (cred)
		cred = cred_get(cred);
	mutex_unlock(&r->lock);
	return cred;
}

void personalities_destroy(struct ring *r)
{
	struct personalities *p = r->personalities;

	if (!p)
		return;
	for (unsigned i = 0; i < p->capacity; i++) {
		if (p->cred[i])
			cred_put(p->cred[i]);
	}
	kmem_free_for(KMEM_URING, p->cred);
	free(p);
	r->personalities = NULL;
}
