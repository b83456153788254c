/* Where the bytes of a send or receive lie: a range, a vector with its header, provided
 * buffers, a registered buffer. */
#pragma once

#include "net/message.h"
#include "uring/kbuf.h"
#include "uring/req.h"

/* Reads the header at op_net.addr, and what hangs on it, into req->data. */
int netmem_header(struct req *req, enum uio_dir dir) MUST_CHECK;
/* A range, or with IORING_SEND_VECTORIZED a vector; and an address to send to, or 0. */
int netmem_range(struct req *req, gva_t name, int name_size) MUST_CHECK;

/* One try; on the stack. */
struct netmem_try {
	struct message *msg;
	struct message own; /* of requests without a header */
	struct uio_seg seg;
	struct kbuf_choice bufs;
	uint64_t size; /* bytes that are asked for */
	uint32_t cflags;
};
/* msg is ready to be sent, or received into. -ENOBUFS, -EFAULT. */
int netmem_begin(struct netmem_try *x, struct req *req, struct issue *is, enum uio_dir dir)
	MUST_CHECK;
/* MSG_WAITALL on a stream, of which r bytes were not all: they are remembered, and the
 * rest is waited for. */
bool netmem_goes_on(struct req *req, const struct netmem_try *x, long r) MUST_CHECK;
/* What all tries have given, the last of them r. With MSG_WAITALL less than all breaks
 * a link. */
long netmem_total(struct req *req, const struct netmem_try *x, long r);
/* A multishot RECVMSG leaves the front of its provided buffer free. */
uint64_t netmem_reserved(const struct req *req);
/* The header that was read, with its data, or NULL. */
struct message *netmem_message(const struct req *req);
bool netmem_is_inet(struct file *f);
