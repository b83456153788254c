/*
 * net/netlink/: AF_NETLINK (netlink(7)), as far as programs ask it what the network
 * looks like.
 *
 *	netlink.c  the socket: names, requests, the queue of answers
 *	answer.c   building messages and attributes
 *	route.c    NETLINK_ROUTE (rtnetlink(7)): links, addresses, routes, rules
 *
 * A request is answered while it is sent: its answers are on the socket's own queue
 * when sendmsg returns. Nothing ever changes, so groups have no news.
 *
 * Requests are foreign bytes: netlink_request() checks the header's length against
 * what there is, a handler that of what it reads behind it.
 */
#pragma once

#include <linux/netlink.h>

#include "net/internal.h"

/* One datagram of answers. */
struct netlink_answer {
	struct list link;
	size_t size, room;
	bool failed;   /* out of memory: nothing more is added */
	uint32_t port; /* of who asks */
	uint32_t seq;
	uint16_t flags; /* of each message */
	size_t message; /* where the present one starts */
	uint8_t *bytes;
};

/* What a protocol's handler gets: a whole message, with its header. */
struct netlink_request {
	const struct nlmsghdr *h;
	const void *payload;
	size_t size;
	bool is_strict; /* NETLINK_GET_STRICT_CHK */
	const struct vfs_ctx *ctx;
};

/* ---- answer.c ---- */
struct netlink_answer *netlink_answer_new(uint32_t port, uint32_t seq) MUST_CHECK;
void netlink_answer_free(struct netlink_answer *a);
/* Starts a message with a payload of its own; attributes follow. */
void netlink_message(struct netlink_answer *a, uint16_t type, const void *payload, size_t size);
/* Bytes that are no message, alone. */
void netlink_raw(struct netlink_answer *a, const void *bytes, size_t size);
void netlink_attr(struct netlink_answer *a, uint16_t type, const void *data, size_t size);
void netlink_attr_u32(struct netlink_answer *a, uint16_t type, uint32_t val);
void netlink_attr_u8(struct netlink_answer *a, uint16_t type, uint8_t val);
void netlink_attr_string(struct netlink_answer *a, uint16_t type, const char *s);
/* The attribute of that type behind the first `skip` bytes of a request's payload, and
 * its size; NULL: none. */
const void *netlink_find(const struct netlink_request *rq, size_t skip, uint16_t type,
			 size_t *size);

/* ---- route.c ---- */
/* Adds what is asked for. 0 or a negative errno, which is acknowledged. */
int route_request(const struct netlink_request *rq, struct netlink_answer *a);
