/*
 * Options of level SOL_SOCKET (socket(7)). Flags are bits, the rest is listed;
 * those that mean nothing for a socket that never leaves the sandbox are recorded,
 * so that a program reads back what it set.
 */
#include <asm/socket.h>
#include <string.h>
#include <sys/time.h>

#include "abi/errno.h"
#include "net/internal.h"

/* Newer than the C library's headers, or with two numbers. */
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#define SO_RCVTIMEO_TIME64 66
#define SO_SNDTIMEO_TIME64 67
#define BUF_MAX 4194304 /* net.core.wmem_max, rmem_max */
#define NSEC_PER_SEC 1000000000ull
#define PRIORITY_UNPRIVILEGED 6
#define TIMESTAMPING_MASK 0x7ffff /* SOF_TIMESTAMPING_* */

static const struct {
	int name;
	enum sock_bit bit;
} flags[] = {
	{ SO_DEBUG, SOCK_BIT_DEBUG },
	{ SO_REUSEADDR, SOCK_BIT_REUSEADDR },
	{ SO_REUSEPORT, SOCK_BIT_REUSEPORT },
	{ SO_KEEPALIVE, SOCK_BIT_KEEPALIVE },
	{ SO_DONTROUTE, SOCK_BIT_DONTROUTE },
	{ SO_BROADCAST, SOCK_BIT_BROADCAST },
	{ SO_OOBINLINE, SOCK_BIT_OOBINLINE },
	{ SO_NO_CHECK, SOCK_BIT_NO_CHECK },
	{ SO_PASSCRED, SOCK_BIT_PASSCRED },
	{ SO_PASSSEC, SOCK_BIT_PASSSEC },
	{ SO_WIFI_STATUS, SOCK_BIT_WIFI_STATUS },
	{ SO_RXQ_OVFL, SOCK_BIT_RXQ_OVFL },
};

static int find_flag(int name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].name == name)
			return (int)flags[i].bit;
	}
	return -1;
}

/* ---- setting ---- */

static void set_bit(struct socket *s, enum sock_bit bit, bool on)
{
	uint32_t bits = s->opt.bits & ~(1u << bit);

	__atomic_store_n(&s->opt.bits, bits | (on ? 1u << bit : 0), __ATOMIC_RELAXED);
}

/* The kernel doubles what is asked, for its own overhead. */
static int buffer_size(int val, int min, bool force)
{
	if (!force)
		val = (int)MIN((unsigned)val, (unsigned)BUF_MAX);
	val = (int)MIN((unsigned)val, INT32_MAX / 2u);
	return MAX(val * 2, min);
}

static int set_timeout(uint64_t *ns, const void *val, size_t size)
{
	struct timeval tv;

	if (size < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, val, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	if (tv.tv_sec < 0)
		*ns = 1; /* at once */
	else if ((uint64_t)tv.tv_sec > INT64_MAX / NSEC_PER_SEC / 2)
		*ns = 0;
	else
		*ns = (uint64_t)tv.tv_sec * NSEC_PER_SEC + (uint64_t)tv.tv_usec * 1000;
	return 0;
}

static int set_linger(struct socket *s, const void *val, size_t size)
{
	if (size < sizeof(s->opt.linger))
		return -EINVAL;
	memcpy(&s->opt.linger, val, sizeof(s->opt.linger));
	s->opt.linger.l_onoff = !!s->opt.linger.l_onoff;
	return 0;
}

static int set_priority(struct socket *s, int val, const struct vfs_ctx *ctx)
{
	if ((val < 0 || val > PRIORITY_UNPRIVILEGED) && !cred_has_cap(ctx->cred, CAP_NET_ADMIN))
		return -EPERM;
	s->opt.priority = val;
	return 0;
}

/* Stamps are in microseconds or nanoseconds, and say so with the old numbers or the
 * new ones: what was set last. */
static const struct {
	int name;
	bool is_ns, is_new;
} stamps[] = {
	{ SO_TIMESTAMP_OLD, false, false },
	{ SO_TIMESTAMPNS_OLD, true, false },
	{ SO_TIMESTAMP_NEW, false, true },
	{ SO_TIMESTAMPNS_NEW, true, true },
};

static int find_stamp(int name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(stamps); i++) {
		if (stamps[i].name == name)
			return (int)i;
	}
	return -1;
}

static void set_stamp(struct socket *s, int i, bool on)
{
	set_bit(s, SOCK_BIT_TIMESTAMP, on);
	set_bit(s, SOCK_BIT_TIMESTAMPNS, on && stamps[i].is_ns);
	set_bit(s, SOCK_BIT_TIMESTAMP_NEW, on && stamps[i].is_new);
}

static bool has_stamp(const struct socket *s, int i)
{
	return sock_has(s, SOCK_BIT_TIMESTAMP) &&
	       sock_has(s, SOCK_BIT_TIMESTAMPNS) == stamps[i].is_ns &&
	       sock_has(s, SOCK_BIT_TIMESTAMP_NEW) == stamps[i].is_new;
}

/* socket(7): receivers' software stamps are given; others are asked for in vain. */
static int set_timestamping(struct socket *s, int name, int val)
{
	if (val & ~TIMESTAMPING_MASK)
		return -EINVAL;
	s->opt.timestamping = val;
	set_bit(s, SOCK_BIT_TIMESTAMP_NEW, name == SO_TIMESTAMPING_NEW);
	return 0;
}

static int set_value_locked(struct socket *s, int name, int val, const struct vfs_ctx *ctx)
{
	bool force = name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE;
	int bit = find_flag(name), stamp = find_stamp(name);

	if (stamp >= 0) {
		set_stamp(s, stamp, val);
		return 0;
	}
	if (bit >= 0) {
		set_bit(s, (enum sock_bit)bit, val);
		return 0;
	}
	if ((force || name == SO_MARK) && !cred_has_cap(ctx->cred, CAP_NET_ADMIN))
		return -EPERM;
	switch (name) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		s->opt.sndbuf_locked = true;
		__atomic_store_n(&s->opt.sndbuf, buffer_size(val, SOCK_SNDBUF_MIN, force),
				 __ATOMIC_RELAXED);
		return 0;
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		s->opt.rcvbuf_locked = true;
		__atomic_store_n(&s->opt.rcvbuf, buffer_size(val, SOCK_RCVBUF_MIN, force),
				 __ATOMIC_RELAXED);
		return 0;
	case SO_RCVLOWAT:
		s->opt.rcvlowat = val < 0 ? INT32_MAX : val ? val : 1;
		return 0;
	case SO_PRIORITY:
		return set_priority(s, val, ctx);
	case SO_MARK:
		s->opt.mark = val;
		return 0;
	case SO_TIMESTAMPING_OLD:
	case SO_TIMESTAMPING_NEW:
		return set_timestamping(s, name, val);
	case SO_INCOMING_CPU:
	case SO_BUSY_POLL:
	case SO_PREFER_BUSY_POLL:
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int sockopt_set(struct socket *s, int name, const void *val, size_t size, const struct vfs_ctx *ctx)
{
	int n, r;

	if (size < sizeof(n))
		return -EINVAL;
	memcpy(&n, val, sizeof(n));
	mutex_lock(&s->lock);
	switch (name) {
	case SO_RCVTIMEO:
	case SO_RCVTIMEO_TIME64:
		r = set_timeout(&s->opt.rcvtimeo_ns, val, size);
		break;
	case SO_SNDTIMEO:
	case SO_SNDTIMEO_TIME64:
		r = set_timeout(&s->opt.sndtimeo_ns, val, size);
		break;
	case SO_LINGER:
		r = set_linger(s, val, size);
		break;
	default:
		r = set_value_locked(s, name, n, ctx);
		break;
	}
	mutex_unlock(&s->lock);
	if (r == -ENOPROTOOPT && s->ops->setsockopt)
		r = s->ops->setsockopt(s, SOL_SOCKET, name, val, size, ctx);
	if (name == SO_SNDBUF)
		waitq_wake(&s->waitq, EV_OUT | EV_WRNORM);
	return r;
}

/* ---- getting ---- */

/* Writes as much of the value as there is room for. */
static int give(void *val, size_t *size, const void *src, size_t n)
{
	*size = MIN(*size, n);
	memcpy(val, src, *size);
	return 0;
}

static int give_timeout(void *val, size_t *size, uint64_t ns)
{
	struct timeval tv = { .tv_sec = (int64_t)(ns / NSEC_PER_SEC),
			      .tv_usec = (int64_t)(ns % NSEC_PER_SEC / 1000) };

	return give(val, size, &tv, sizeof(tv));
}

static int get_value_locked(struct socket *s, int name, int *out)
{
	int bit = find_flag(name), stamp = find_stamp(name);

	if (stamp >= 0) {
		*out = has_stamp(s, stamp);
		return 0;
	}
	if (bit >= 0) {
		*out = sock_has(s, (enum sock_bit)bit);
		return 0;
	}
	switch (name) {
	case SO_SNDBUF:
		*out = s->opt.sndbuf;
		return 0;
	case SO_RCVBUF:
		*out = s->opt.rcvbuf;
		return 0;
	case SO_RCVLOWAT:
		*out = s->opt.rcvlowat;
		return 0;
	case SO_TIMESTAMPING_OLD:
	case SO_TIMESTAMPING_NEW:
		*out = s->opt.timestamping;
		return 0;
	case SO_SNDLOWAT:
		*out = 1;
		return 0;
	case SO_PRIORITY:
		*out = s->opt.priority;
		return 0;
	case SO_MARK:
		*out = s->opt.mark;
		return 0;
	case SO_TYPE:
		*out = s->type;
		return 0;
	case SO_DOMAIN:
		*out = s->family;
		return 0;
	case SO_PROTOCOL:
		*out = s->protocol;
		return 0;
	case SO_ACCEPTCONN:
		*out = s->is_listening;
		return 0;
	case SO_ERROR:
		*out = -sock_take_error(s);
		return 0;
	case SO_INCOMING_CPU:
		*out = -1;
		return 0;
	case SO_BUSY_POLL:
	case SO_PREFER_BUSY_POLL:
		*out = 0;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int sockopt_get(struct socket *s, int name, void *val, size_t *size)
{
	uint64_t timeout;
	struct linger linger;
	int n = 0, r;

	mutex_lock(&s->lock);
	linger = s->opt.linger;
	timeout = name == SO_RCVTIMEO || name == SO_RCVTIMEO_TIME64 ? s->opt.rcvtimeo_ns
								    : s->opt.sndtimeo_ns;
	r = get_value_locked(s, name, &n);
	mutex_unlock(&s->lock);
	switch (name) {
	case SO_RCVTIMEO:
	case SO_RCVTIMEO_TIME64:
	case SO_SNDTIMEO:
	case SO_SNDTIMEO_TIME64:
		return give_timeout(val, size, timeout);
	case SO_LINGER:
		return give(val, size, &linger, sizeof(linger));
	}
	if (r == 0)
		return give(val, size, &n, sizeof(n));
	return s->ops->getsockopt ? s->ops->getsockopt(s, SOL_SOCKET, name, val, size) : r;
}
