/*
 * fs/aio/: contexts of asynchronous i/o of the old kind (io_setup(2)): what has been
 * done and not been asked for yet.
 *
 * A context is a mapping in its process's memory, whose address is its id, as in Linux.
 * There it holds a ring that programs may read themselves, if its magic number says so;
 * ours does not, and they ask with io_getevents(2). The context is the mapping's
 * mappable: it is found through it, is not inherited by fork, and goes with it at exec
 * and exit.
 *
 * Requests are carried out while they are submitted, as Linux does for files without
 * O_DIRECT. A context counts what it has room for:
 *
 *	aio_reserve() -> aio_complete()           a request
 *	aio_take() -> aio_taken()                 events on their way out
 */
#pragma once

#include "abi/aio.h"
#include "task/task.h"

struct aio_context;

/* Maps one for max requests: *id. -EAGAIN (too many in all), -ENOMEM. */
int aio_create(struct task *t, unsigned max, gva_t *id) MUST_CHECK;
/* The caller's context; a reference. -EINVAL. */
int aio_find(struct task *t, gva_t id, struct aio_context **out) MUST_CHECK;
void aio_put(struct aio_context *c);
/* Ends it for everybody who waits, and unmaps it. -EINVAL. */
int aio_destroy(struct task *t, gva_t id);

/* How many requests one submission may bring. */
unsigned aio_capacity(const struct aio_context *c);
/* Room for one event: -EAGAIN. */
int aio_reserve(struct aio_context *c) MUST_CHECK;
void aio_unreserve(struct aio_context *c);
void aio_complete(struct aio_context *c, const struct abi_io_event *ev);

/* Takes up to max events: how many. They come back unless aio_taken() says that they
 * have reached the guest. */
unsigned aio_take(struct aio_context *c, struct abi_io_event *ev, unsigned max);
void aio_taken(struct aio_context *c, const struct abi_io_event *ev, unsigned n, bool arrived);
/* Until there is an event. -EINVAL: destroyed; -ETIMEDOUT, -ERESTARTSYS. */
int aio_wait(struct task *t, struct aio_context *c, uint64_t deadline_ns);
