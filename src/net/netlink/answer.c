/* Messages and attributes: each has a header with its length, and is aligned to 4. */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "net/netlink/netlink.h"

#define ROOM_FIRST 1024u

struct netlink_answer *netlink_answer_new(uint32_t port, uint32_t seq)
{
	struct netlink_answer *a = FAULT_POINT("netlink.answer") ? NULL : calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	list_init(&a->link);
	a->port = port;
	a->seq = seq;
	return a;
}

void netlink_answer_free(struct netlink_answer *a)
{
	if (a)
		free(a->bytes);
	free(a);
}

/* Room for size more bytes, zeroed and aligned; NULL: none. */
static uint8_t *extend(struct netlink_answer *a, size_t size)
{
	size_t aligned = NLMSG_ALIGN(size), room = a->room ? a->room : ROOM_FIRST;
	uint8_t *grown;

	while (room - a->size < aligned)
		room *= 2;
	if (room != a->room) {
		grown = a->failed ? NULL : realloc(a->bytes, room);
		if (!grown) {
			a->failed = true;
			return NULL;
		}
		a->bytes = grown;
		a->room = room;
	}
	memset(a->bytes + a->size, 0, aligned);
	a->size += aligned;
	return a->bytes + a->size - aligned;
}

void netlink_raw(struct netlink_answer *a, const void *bytes, size_t size)
{
	uint8_t *to = extend(a, size);

	if (to)
		memcpy(to, bytes, size);
}

/* The present message ends where the bytes do. */
static void set_length(struct netlink_answer *a)
{
	uint32_t len = (uint32_t)(a->size - a->message);

	memcpy(a->bytes + a->message + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof(len));
}

void netlink_message(struct netlink_answer *a, uint16_t type, const void *payload, size_t size)
{
	struct nlmsghdr h = { .nlmsg_type = type,
			      .nlmsg_flags = a->flags,
			      .nlmsg_seq = a->seq,
			      .nlmsg_pid = a->port };
	uint8_t *at = extend(a, sizeof(h) + size);

	if (!at)
		return;
	a->message = (size_t)(at - a->bytes);
	memcpy(at, &h, sizeof(h));
	if (size)
		memcpy(at + sizeof(h), payload, size);
	set_length(a);
}

void netlink_attr(struct netlink_answer *a, uint16_t type, const void *data, size_t size)
{
	struct nlattr h = { .nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type };
	uint8_t *at = extend(a, NLA_HDRLEN + size);

	if (!at)
		return;
	memcpy(at, &h, sizeof(h));
	if (size)
		memcpy(at + NLA_HDRLEN, data, size);
	set_length(a);
}

void netlink_attr_u32(struct netlink_answer *a, uint16_t type, uint32_t val)
{
	netlink_attr(a, type, &val, sizeof(val));
}

void netlink_attr_u8(struct netlink_answer *a, uint16_t type, uint8_t val)
{
	netlink_attr(a, type, &val, sizeof(val));
}

void netlink_attr_string(struct netlink_answer *a, uint16_t type, const char *s)
{
	netlink_attr(a, type, s, strlen(s) + 1);
}

const void *netlink_find(const struct netlink_request *rq, size_t skip, uint16_t type, size_t *size)
{
	size_t at = NLMSG_ALIGN(skip);
	struct nlattr h;

	while (at + NLA_HDRLEN <= rq->size) {
		memcpy(&h, (const uint8_t *)rq->payload + at, sizeof(h));
		if (h.nla_len < NLA_HDRLEN || h.nla_len > rq->size - at)
			return NULL;
		if ((h.nla_type & NLA_TYPE_MASK) == type) {
			*size = h.nla_len - NLA_HDRLEN;
			return (const uint8_t *)rq->payload + at + NLA_HDRLEN;
		}
		at += NLA_ALIGN(h.nla_len);
	}
	return NULL;
}
