/* What the files of vhost/ share. */
#pragma once

#include "vhost/protocol.h"
#include "vhost/vhost.h"

/* Descriptors of one queue: kept from session to session. */
struct vhost_queue {
	int kick[2]; /* [I] a pipe: the device's end, ours */
	int call;    /* [I] an eventfd */
	int err;     /* [I] an eventfd */
	bool is_started;
};

/* [I] immutable; all else belongs to the thread that uses the object */
struct vhost {
	char *name;                 /* [I] */
	struct vhost_config config; /* [I] but its name, which is the caller's */
	struct vhost_queue *queues; /* [I] config.nr_queues */
	int wake;                   /* [I] an eventfd */

	int socket;  /* -1: not connected */
	int backend; /* our end of the back-end channel, or -1 */
	int err;     /* of the session: nothing more is sent */
	bool is_accepted;
	uint64_t offered, accepted; /* features */
	uint64_t protocol;          /* features: what both know */
	unsigned nr_queues;
	char error[256];
};

/* ---- vhost.c ---- */

/* Ends the session with this errno and, after the name, this sentence; unless it is over
 * already: the first error counts. Returns what it is over with. */
int vhost_fail(struct vhost *v, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
const char *vhost_request_name(uint32_t request);

/* ---- message.c ---- */

/* A request without an answer of its own, with at most one descriptor (-1: none). Where the device
 * can say yes or no, that is waited for. */
int vhost_send(struct vhost *v, enum vhost_request request, const void *payload, size_t size,
	       int fd) MUST_CHECK;
/* The same with an array of descriptors. */
int vhost_send_fds(struct vhost *v, enum vhost_request request, const void *payload, size_t size,
		   const int *fds, unsigned nr_fds) MUST_CHECK;
/* A request that is answered, by exactly `answer_size` bytes into p, which had the
 * request's. */
int vhost_ask(struct vhost *v, enum vhost_request request, union vhost_payload *p, size_t size,
	      size_t answer_size) MUST_CHECK;
/* A request with a number for an answer. */
int vhost_ask_u64(struct vhost *v, enum vhost_request request, uint64_t *out) MUST_CHECK;
/* One message of the device's, on its channel: answered if it wants that. */
int vhost_serve_backend(struct vhost *v, struct vhost_events *events) MUST_CHECK;
