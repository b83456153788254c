/*
 * Options of level IPPROTO_TCP (tcp(7)). Between two sockets of one sandbox there is
 * nothing to tune: most are checked, recorded and given back.
 */
#include <string.h>

#include "abi/errno.h"
#include "net/inet/tcp.h"

#define OPTIONS ARRAY_SIZE(((struct tcp_options *)0)->value)
#define FIN_TIMEOUT 60
#define FIN_TIMEOUT_MAX 120
#define MSS_UNCONNECTED 536
#define MSS_MIN 88
#define MSS_MAX 32767
#define WINDOW_CLAMP_MIN 1152
#define RTO_MAX_S 120
#define INITIAL_CWND 10
#define RTO_US 204000
#define RTT_US 30

/* What may be set, and what it is at first; a flag is 0 or 1 whatever is given. */
struct tcp_option_rule {
	bool is_known, is_flag;
	int min, max, initial;
};

#define FLAG                                      \
	{                                         \
		.is_known = true, .is_flag = true \
	}
#define RANGE(lo, hi, first)                                                   \
	{                                                                      \
		.is_known = true, .min = (lo), .max = (hi), .initial = (first) \
	}

static const struct tcp_option_rule rules[OPTIONS] = {
	[TCP_NODELAY] = FLAG,
	[TCP_MAXSEG] = RANGE(0, MSS_MAX, 0),
	[TCP_CORK] = FLAG,
	[TCP_KEEPIDLE] = RANGE(1, 32767, 7200),
	[TCP_KEEPINTVL] = RANGE(1, 32767, 75),
	[TCP_KEEPCNT] = RANGE(1, 127, 9),
	[TCP_SYNCNT] = RANGE(1, 127, 6),
	[TCP_LINGER2] = RANGE(INT32_MIN, INT32_MAX, 0),
	[TCP_DEFER_ACCEPT] = RANGE(INT32_MIN, INT32_MAX, 0),
	[TCP_WINDOW_CLAMP] = RANGE(0, INT32_MAX, 0),
	[TCP_QUICKACK] = { .is_known = true, .is_flag = true, .initial = 1 },
	[TCP_THIN_LINEAR_TIMEOUTS] = RANGE(0, 1, 0),
	[TCP_THIN_DUPACK] = RANGE(0, 1, 0),
	[TCP_USER_TIMEOUT] = RANGE(0, INT32_MAX, 0),
	[TCP_FASTOPEN] = RANGE(0, INT32_MAX, 0),
	[TCP_NOTSENT_LOWAT] = RANGE(INT32_MIN, INT32_MAX, 0),
	[TCP_SAVE_SYN] = RANGE(0, 2, 0),
};

void tcp_options_init(struct tcp_options *o)
{
	for (unsigned i = 0; i < OPTIONS; i++)
		o->value[i] = rules[i].initial;
	strcpy(o->congestion, "cubic");
}

int tcp_option(const struct tcp_options *o, int name)
{
	return o->value[name];
}

/* ---- setting ---- */

static int set_congestion(struct tcp_sock *t, const void *val, size_t size)
{
	char name[16] = "";

	if (size < 1)
		return -EINVAL;
	memcpy(name, val, MIN(size, sizeof(name) - 1));
	if (strcmp(name, "cubic") != 0 && strcmp(name, "reno") != 0)
		return -ENOENT;
	mutex_lock(&t->i.s.lock);
	strcpy(t->opt.congestion, name);
	mutex_unlock(&t->i.s.lock);
	return 0;
}

/* Seconds, as the count of retransmissions that take so long; and back. */
static int defer_accept_seconds(int val)
{
	int total = 0;

	for (int rto = 1; val > total && total < 255 * RTO_MAX_S;) {
		total += rto;
		rto = MIN(2 * rto, RTO_MAX_S);
	}
	return total;
}

static int adjust(int name, int val)
{
	switch (name) {
	case TCP_LINGER2:
		return val < 0 ? -1 : MIN(val, FIN_TIMEOUT_MAX);
	case TCP_DEFER_ACCEPT:
		return defer_accept_seconds(val);
	case TCP_WINDOW_CLAMP:
		return val ? MAX(val, WINDOW_CLAMP_MIN) : 0;
	default:
		return val;
	}
}

static bool is_idle(const struct tcp_sock *t)
{
	return t->state == TCP_CLOSE || t->state == TCP_LISTEN;
}

static int set_locked(struct tcp_sock *t, int name, int val)
{
	const struct tcp_option_rule *rule = &rules[name];

	if (rule->is_flag)
		val = !!val;
	else if (val < rule->min || val > rule->max)
		return -EINVAL;
	if (name == TCP_MAXSEG && val && val < MSS_MIN)
		return -EINVAL;
	if (name == TCP_FASTOPEN && !is_idle(t))
		return -EINVAL;
	if (name == TCP_WINDOW_CLAMP && !val && t->state != TCP_CLOSE)
		return -EINVAL;
	t->opt.value[name] = adjust(name, val);
	return 0;
}

/* Those that are refused: with the errno of a Linux where it is not allowed. */
static int set_other(int name, int val)
{
	switch (name) {
	case TCP_REPAIR:
	case TCP_REPAIR_QUEUE:
	case TCP_QUEUE_SEQ:
	case TCP_REPAIR_OPTIONS:
	case TCP_REPAIR_WINDOW:
	case TCP_TIMESTAMP:
		return -EPERM;
	case TCP_FASTOPEN_CONNECT:
		return val < 0 || val > 1 ? -EINVAL : -EOPNOTSUPP;
	case TCP_ULP:
		return -ENOENT;
	default:
		return -ENOPROTOOPT;
	}
}

int tcp_setsockopt(struct socket *s, int level, int name, const void *val, size_t size,
		   const struct vfs_ctx *ctx)
{
	struct tcp_sock *t = tcp_of(s);
	int n, r;

	if (level != IPPROTO_TCP)
		return inet_setsockopt(s, level, name, val, size, ctx);
	if (name == TCP_CONGESTION)
		return set_congestion(t, val, size);
	if (size < sizeof(n))
		return -EINVAL;
	memcpy(&n, val, sizeof(n));
	if (name == TCP_INQ) {
		if (n < 0 || n > 1)
			return -EINVAL;
		mutex_lock(&s->lock);
		t->gives_inq = n;
		mutex_unlock(&s->lock);
		return 0;
	}
	if (name < 0 || (size_t)name >= OPTIONS || !rules[name].is_known)
		return set_other(name, n);
	mutex_lock(&s->lock);
	r = set_locked(t, name, n);
	mutex_unlock(&s->lock);
	return r;
}

/* ---- getting ---- */

static int give(void *val, size_t *size, const void *src, size_t n)
{
	*size = MIN(*size, n);
	memcpy(val, src, *size);
	return 0;
}

static bool is_connected(const struct tcp_sock *t)
{
	return !is_idle(t) && t->state != TCP_SYN_SENT;
}

static void info_locked(const struct tcp_sock *t, struct tcp_info *ti)
{
	const struct tcp_sock *peer = t->peer;

	memset(ti, 0, sizeof(*ti));
	ti->tcpi_state = (uint8_t)t->state;
	ti->tcpi_rto = RTO_US;
	ti->tcpi_snd_mss = ti->tcpi_rcv_mss = MSS_UNCONNECTED;
	ti->tcpi_snd_ssthresh = INT32_MAX;
	ti->tcpi_snd_cwnd = INITIAL_CWND;
	ti->tcpi_reordering = 3;
	ti->tcpi_pmtu = LOOPBACK_MTU - 1;
	ti->tcpi_bytes_received = t->next_seq;
	ti->tcpi_segs_in = ti->tcpi_data_segs_in = (uint32_t)t->nr_received;
	if (t->state == TCP_LISTEN) { /* what ss(8) shows as its queue */
		ti->tcpi_unacked = t->nr_embryos;
		ti->tcpi_sacked = t->backlog;
	}
	if (!is_connected(t))
		return;
	ti->tcpi_options = TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE;
	ti->tcpi_snd_wscale = ti->tcpi_rcv_wscale = 7;
	ti->tcpi_snd_mss = ti->tcpi_rcv_mss = ti->tcpi_advmss = TCP_MSS_LO;
	ti->tcpi_rtt = RTT_US;
	ti->tcpi_rttvar = RTT_US / 2;
	ti->tcpi_rcv_space = ti->tcpi_rcv_ssthresh = (uint32_t)t->i.s.opt.rcvbuf / 2;
	if (peer) { /* a look without its lock */
		ti->tcpi_bytes_acked = __atomic_load_n(&peer->next_seq, __ATOMIC_RELAXED);
		ti->tcpi_notsent_bytes = (uint32_t)tcp_unread_locked(t);
	}
}

/* The numbers that are not what was set. */
static int value_locked(const struct tcp_sock *t, int name)
{
	int val = t->opt.value[name];

	switch (name) {
	case TCP_MAXSEG:
		return is_connected(t) ? TCP_MSS_LO / 2 : val ? val : MSS_UNCONNECTED;
	case TCP_LINGER2:
		return val ? val : FIN_TIMEOUT;
	default:
		return val;
	}
}

static int get_info(struct tcp_sock *t, void *val, size_t *size)
{
	struct tcp_info ti;

	mutex_lock(&t->i.s.lock);
	info_locked(t, &ti);
	mutex_unlock(&t->i.s.lock);
	return give(val, size, &ti, sizeof(ti));
}

static int get_congestion(struct tcp_sock *t, void *val, size_t *size)
{
	char name[16];

	mutex_lock(&t->i.s.lock);
	memcpy(name, t->opt.congestion, sizeof(name));
	mutex_unlock(&t->i.s.lock);
	return give(val, size, name, sizeof(name));
}

static int get_number(struct tcp_sock *t, int name, int *n)
{
	int r = 0;

	mutex_lock(&t->i.s.lock);
	if (name == TCP_INQ)
		*n = t->gives_inq;
	else if (name >= 0 && (size_t)name < OPTIONS && rules[name].is_known)
		*n = value_locked(t, name);
	else if (name == TCP_REPAIR || name == TCP_FASTOPEN_CONNECT || name == TCP_TIMESTAMP)
		*n = 0;
	else
		r = -ENOPROTOOPT;
	mutex_unlock(&t->i.s.lock);
	return r;
}

int tcp_getsockopt(struct socket *s, int level, int name, void *val, size_t *size)
{
	struct tcp_sock *t = tcp_of(s);
	int n = 0, r;

	if (level != IPPROTO_TCP)
		return inet_getsockopt(s, level, name, val, size);
	if (name == TCP_INFO)
		return get_info(t, val, size);
	if (name == TCP_CONGESTION)
		return get_congestion(t, val, size);
	if (name == TCP_ULP)
		return give(val, size, "", 0);
	r = get_number(t, name, &n);
	return r < 0 ? r : give(val, size, &n, sizeof(n));
}
