/* Control messages that are neither files nor credentials. */
#include <asm/socket.h>
#include <linux/net_tstamp.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "abi/errno.h"
#include "net/internal.h"

#define NSEC_PER_SEC 1000000000ull

int socket_control_add(struct socket_control *c, int level, int type, const void *data, size_t size)
{
	struct abi_cmsghdr h = { .len = sizeof(h) + size, .level = level, .type = type };

	if (ABI_CMSG_ALIGN(h.len) > SOCKET_CONTROL_MAX - c->size)
		return -EINVAL;
	memcpy(c->bytes + c->size, &h, sizeof(h));
	memcpy(c->bytes + c->size + sizeof(h), data, size);
	c->size += ABI_CMSG_ALIGN(h.len);
	return 0;
}

const struct abi_cmsghdr *socket_control_next(const struct socket_control *c, size_t *at)
{
	const struct abi_cmsghdr *h;

	if (*at >= c->size)
		return NULL;
	h = (const void *)(c->bytes + *at);
	*at += ABI_CMSG_ALIGN(h->len);
	return h;
}

static void add_stamp(const struct socket *s, const struct timespec *ts, struct socket_control *c)
{
	bool is_new = sock_has(s, SOCK_BIT_TIMESTAMP_NEW);
	struct timeval tv = { .tv_sec = ts->tv_sec, .tv_usec = ts->tv_nsec / 1000 };

	if (sock_has(s, SOCK_BIT_TIMESTAMPNS))
		(void)socket_control_add(c, SOL_SOCKET,
					 is_new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS_OLD, ts,
					 sizeof(*ts));
	else
		(void)socket_control_add(c, SOL_SOCKET,
					 is_new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP_OLD, &tv,
					 sizeof(tv));
}

void sock_describe(const struct socket *s, uint64_t time_ns, uint32_t drops,
		   struct socket_control *c)
{
	struct timespec ts[3] = { { .tv_sec = (time_t)(time_ns / NSEC_PER_SEC),
				    .tv_nsec = (long)(time_ns % NSEC_PER_SEC) } };

	if (sock_has(s, SOCK_BIT_TIMESTAMP))
		add_stamp(s, &ts[0], c);
	if (s->opt.timestamping & SOF_TIMESTAMPING_SOFTWARE)
		(void)socket_control_add(c, SOL_SOCKET,
					 sock_has(s, SOCK_BIT_TIMESTAMP_NEW) ? SO_TIMESTAMPING_NEW
									     : SO_TIMESTAMPING_OLD,
					 ts, sizeof(ts));
	if (sock_has(s, SOCK_BIT_RXQ_OVFL) && drops)
		(void)socket_control_add(c, SOL_SOCKET, SO_RXQ_OVFL, &drops, sizeof(drops));
}
