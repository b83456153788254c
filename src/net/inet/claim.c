/* Claims on ports. See claim.h. */
#include "net/inet/claim.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "abi/errno.h"
#include "base/hash.h"
#include "base/pool.h"
#include "host/host.h"

#define PORTS 65536u
#define BUCKETS 4096u

/* A port that somebody claims. */
struct port {
	uint16_t number;
	struct list claims, listeners; /* [t] */
};

struct port_table {
	struct mutex lock;
	bool is_stream, is_ready;    /* [lock] */
	unsigned next;               /* [lock] where the search for a free port begins */
	unsigned nr_waiting;         /* [lock] */
	struct list waiting;         /* [lock] struct waiting_claim */
	struct list tuples[BUCKETS]; /* [lock] */
	struct port *port[PORTS];    /* [lock] */
};

struct waiting_claim {
	struct inet_claim claim;
	struct list age_link; /* [t] */
	uint64_t deadline_ns; /* [t] */
};

struct port_table tcp_ports = { .lock = MUTEX_INIT(LOCK_SOCKET_NAMES), .is_stream = true };
struct port_table udp_ports = { .lock = MUTEX_INIT(LOCK_SOCKET_NAMES) };
struct port_table udplite_ports = { .lock = MUTEX_INIT(LOCK_SOCKET_NAMES) };
static POOL_DEFINE(port_pool, struct port);
static POOL_DEFINE(waiting_pool, struct waiting_claim);

/* ---- the table ---- */

static void enter(struct port_table *t) ACQUIRES(t->lock)
{
	mutex_lock(&t->lock);
	if (t->is_ready)
		return;
	list_init(&t->waiting);
	for (unsigned i = 0; i < BUCKETS; i++)
		list_init(&t->tuples[i]);
	t->is_ready = true;
}

static void leave(struct port_table *t) RELEASES(t->lock)
{
	mutex_unlock(&t->lock);
}

static uint64_t tuple_hash(const struct inet_name *local, const struct inet_name *remote)
{
	struct inet_name both[2] = { *local, *remote };

	return hash_bytes(both, sizeof(both));
}

_Static_assert(sizeof(struct inet_name) == 18, "no padding is hashed");

static struct inet_claim *tuple_find(struct port_table *t, const struct inet_name *local,
				     const struct inet_name *remote)
{
	struct list *bucket = &t->tuples[tuple_hash(local, remote) % BUCKETS];

	list_for_each(c, bucket, struct inet_claim, tuple_link) {
		if (name_equal(&c->local, local) && name_equal(&c->remote, remote))
			return c;
	}
	return NULL;
}

static void tuple_add(struct port_table *t, struct inet_claim *c)
{
	list_push_front(&t->tuples[tuple_hash(&c->local, &c->remote) % BUCKETS], &c->tuple_link);
}

static int port_get(struct port_table *t, uint16_t number, struct port **out)
{
	struct port *p = t->port[number];

	if (!p) {
		p = pool_alloc(&port_pool);
		if (!p)
			return -ENOMEM;
		p->number = number;
		list_init(&p->claims);
		list_init(&p->listeners);
		t->port[number] = p;
	}
	*out = p;
	return 0;
}

static void port_put(struct port_table *t, uint16_t number)
{
	struct port *p = t->port[number];

	if (!p || !list_empty(&p->claims))
		return;
	t->port[number] = NULL;
	pool_free(&port_pool, p);
}

void claim_init(struct inet_claim *c, struct socket *owner)
{
	*c = (struct inet_claim){ .owner = owner, .kind = CLAIM_NONE };
	if (owner)
		c->family = owner->family;
	list_init(&c->port_link);
	list_init(&c->listen_link);
	list_init(&c->tuple_link);
}

/* Takes the claim off every list. */
static void unlink_claim(struct port_table *t, struct inet_claim *c)
{
	if (c->kind == CLAIM_NONE)
		return;
	list_del(&c->port_link);
	list_del(&c->listen_link);
	list_del(&c->tuple_link);
	port_put(t, c->local.port);
	c->kind = CLAIM_NONE;
	c->is_automatic = false;
}

/* ---- those that wait ---- */

static struct waiting_claim *waiting_of(struct inet_claim *c)
{
	return container_of(c, struct waiting_claim, claim);
}

static void waiting_end(struct port_table *t, struct inet_claim *c)
{
	struct waiting_claim *w = waiting_of(c);

	unlink_claim(t, c);
	list_del(&w->age_link);
	t->nr_waiting--;
	pool_free(&waiting_pool, w);
}

/* Their time is always the same: the oldest is the first. */
static void waiting_expire(struct port_table *t)
{
	uint64_t now;

	if (list_empty(&t->waiting))
		return;
	now = host_clock_ns(CLOCK_MONOTONIC);
	while (!list_empty(&t->waiting)) {
		struct waiting_claim *w = list_first(&t->waiting, struct waiting_claim, age_link);

		if (w->deadline_ns > now)
			break;
		waiting_end(t, &w->claim);
	}
}

static void waiting_begin(struct port_table *t, struct waiting_claim *w)
{
	w->deadline_ns = host_clock_ns(CLOCK_MONOTONIC) + TIME_WAIT_NS;
	list_del(&w->age_link);
	list_push_back(&t->waiting, &w->age_link);
}

/* May a new connection from here take the tuple over? */
static bool waiting_is_reusable(struct inet_claim *c)
{
	return c->kind == CLAIM_TIME_WAIT &&
	       waiting_of(c)->deadline_ns - TIME_WAIT_NS + TIME_WAIT_REUSE_NS <=
		       host_clock_ns(CLOCK_MONOTONIC);
}

uint64_t claim_wait_left_ns(const struct inet_claim *c)
{
	const struct waiting_claim *w = container_of(c, const struct waiting_claim, claim);
	uint64_t now = host_clock_ns(CLOCK_MONOTONIC);

	return w->deadline_ns > now ? w->deadline_ns - now : 0;
}

/* ---- who may share a port (socket(7), SO_REUSEADDR and SO_REUSEPORT) ---- */

static bool has_reuse(const struct inet_claim *c)
{
	return c->owner ? sock_has(c->owner, SOCK_BIT_REUSEADDR) : c->waits_reuse;
}

static bool has_reuseport(const struct inet_claim *c)
{
	return c->owner ? sock_has(c->owner, SOCK_BIT_REUSEPORT) : c->waits_reuseport;
}

/* Would some packet be for both addresses? */
static bool names_overlap(const struct inet_claim *c, const struct inet_claim *d)
{
	bool c4 = name_is_v4(&c->local), d4 = name_is_v4(&d->local);

	if (c4 == d4)
		return name_same_addr(&c->local, &d->local) || name_is_any(&c->local) ||
		       name_is_any(&d->local);
	if (!c4)
		return name_is_any(&c->local) && !c->v6only;
	return name_is_any(&d->local) && !d->v6only;
}

/* is_chosen: the port was not asked for, so it need not be shared. */
static bool conflicts(const struct port_table *t, const struct inet_claim *c,
		      const struct inet_claim *d, bool is_chosen)
{
	if (c == d || !names_overlap(c, d))
		return false;
	if (is_chosen)
		return true;
	if (has_reuse(c) && has_reuse(d) && !(t->is_stream && d->kind == CLAIM_LISTENING))
		return false;
	return !has_reuseport(c) || !has_reuseport(d) ||
	       (d->kind != CLAIM_TIME_WAIT && d->kind != CLAIM_FIN_WAIT && c->uid != d->uid);
}

static bool conflicts_with_any(const struct port_table *t, const struct inet_claim *c,
			       uint16_t number, bool is_chosen)
{
	const struct port *p = t->port[number];

	if (!p)
		return false;
	list_for_each(d, &p->claims, struct inet_claim, port_link) {
		if (conflicts(t, c, d, is_chosen))
			return true;
	}
	return false;
}

/* ---- choosing a port ---- */

/* The next candidate: i counts them. As in Linux, bind looks at odd numbers first and
 * connect at even ones, so that they seldom meet. */
static uint16_t candidate(unsigned start, unsigned i, bool is_even)
{
	unsigned half = (EPHEMERAL_LAST - EPHEMERAL_FIRST + 1) / 2;
	unsigned parity = (i < half) == is_even ? 0 : 1;

	return (uint16_t)(EPHEMERAL_FIRST + 2 * ((start + i) % half) + parity);
}

#define NR_CANDIDATES (EPHEMERAL_LAST - EPHEMERAL_FIRST + 1)

static int choose_bind_port(struct port_table *t, struct inet_claim *c)
{
	unsigned start = (unsigned)hash_u64_keyed(t->next++ ^ (uintptr_t)c);

	for (unsigned i = 0; i < NR_CANDIDATES; i++) {
		uint16_t number = candidate(start, i, false);

		if (!conflicts_with_any(t, c, number, true)) {
			c->local.port = number;
			return 0;
		}
	}
	return -EADDRINUSE;
}

/* The tuple (c->local, c->remote): is it, and its mirror, free? */
static bool tuple_is_free(struct port_table *t, const struct inet_claim *c)
{
	struct inet_claim *same = tuple_find(t, &c->local, &c->remote), *mirror;

	if (same && same != c && !waiting_is_reusable(same))
		return false;
	mirror = tuple_find(t, &c->remote, &c->local);
	return !mirror || mirror == c || !mirror->owner;
}

/* A port that nobody bound, though others may be connected from it elsewhere. */
static bool is_connect_port(const struct port_table *t, uint16_t number)
{
	const struct port *p = t->port[number];

	if (!p)
		return true;
	list_for_each(d, &p->claims, struct inet_claim, port_link) {
		if (!d->is_automatic)
			return false;
	}
	return true;
}

static int choose_connect_port(struct port_table *t, struct inet_claim *c)
{
	struct inet_name to[2] = { c->local, c->remote };
	unsigned start = (unsigned)hash_bytes(to, sizeof(to)) + t->next++;

	for (unsigned i = 0; i < NR_CANDIDATES; i++) {
		c->local.port = candidate(start, i, true);
		if (is_connect_port(t, c->local.port) && tuple_is_free(t, c))
			return 0;
	}
	c->local.port = 0;
	return -EADDRNOTAVAIL;
}

/* ---- taking ---- */

static int add_to_port(struct port_table *t, struct inet_claim *c, enum claim_kind kind)
{
	struct port *p;
	int r = port_get(t, c->local.port, &p);

	if (r < 0)
		return r;
	list_push_front(&p->claims, &c->port_link);
	c->kind = kind;
	return 0;
}

int claim_bind(struct port_table *t, struct inet_claim *c, const struct inet_name *name,
	       bool v6only, uint32_t uid)
{
	int r = 0;

	enter(t);
	waiting_expire(t);
	c->local = *name;
	c->v6only = v6only;
	c->uid = uid;
	if (!name->port)
		r = choose_bind_port(t, c);
	else if (conflicts_with_any(t, c, name->port, false))
		r = -EADDRINUSE;
	if (r == 0)
		r = add_to_port(t, c, CLAIM_BOUND);
	leave(t);
	return r;
}

int claim_listen(struct port_table *t, struct inet_claim *c)
{
	int r = -EADDRINUSE;

	enter(t);
	waiting_expire(t);
	if (!conflicts_with_any(t, c, c->local.port, false)) {
		c->kind = CLAIM_LISTENING;
		list_push_back(&t->port[c->local.port]->listeners, &c->listen_link);
		r = 0;
	}
	leave(t);
	return r;
}

void claim_unlisten(struct port_table *t, struct inet_claim *c)
{
	enter(t);
	if (c->kind == CLAIM_LISTENING) {
		list_del(&c->listen_link);
		c->kind = CLAIM_BOUND;
	}
	leave(t);
}

/* The tuple is free: what waits on it goes. */
static void tuple_take(struct port_table *t, struct inet_claim *c)
{
	struct inet_claim *old = tuple_find(t, &c->local, &c->remote);

	if (old && !old->owner)
		waiting_end(t, old);
	tuple_add(t, c);
}

static int connect_locked(struct port_table *t, struct inet_claim *c)
{
	int r = 0;

	if (c->kind == CLAIM_BOUND) {
		if (!tuple_is_free(t, c))
			return -EADDRNOTAVAIL;
	} else {
		r = choose_connect_port(t, c);
		if (r == 0)
			r = add_to_port(t, c, CLAIM_BOUND);
		if (r < 0)
			return r;
		c->is_automatic = true;
	}
	tuple_take(t, c);
	c->kind = CLAIM_CONNECTED;
	return 0;
}

int claim_connect(struct port_table *t, struct inet_claim *c, const struct inet_name *local,
		  const struct inet_name *remote, uint32_t uid)
{
	struct inet_name was = c->local;
	int r;

	enter(t);
	waiting_expire(t);
	memcpy(c->local.addr, local->addr, sizeof(c->local.addr));
	c->remote = *remote;
	if (c->kind == CLAIM_NONE)
		c->uid = uid;
	r = connect_locked(t, c);
	if (r < 0) {
		c->local = was;
		c->remote = (struct inet_name){ 0 };
	}
	leave(t);
	return r;
}

int claim_accept(struct port_table *t, struct inet_claim *c, const struct inet_name *local,
		 const struct inet_name *remote, uint32_t uid)
{
	struct inet_claim *old;
	int r = -EADDRINUSE;

	enter(t);
	old = tuple_find(t, local, remote);
	if (!old || !old->owner) {
		c->local = *local;
		c->remote = *remote;
		c->uid = uid;
		r = add_to_port(t, c, CLAIM_CONNECTED);
		if (r == 0)
			tuple_take(t, c);
	}
	leave(t);
	return r;
}

/* ---- leaving ---- */

static void disconnect_locked(struct inet_claim *c, const struct inet_name *name)
{
	list_del(&c->tuple_link);
	memcpy(c->local.addr, name->addr, sizeof(c->local.addr));
	c->remote = (struct inet_name){ 0 };
	c->is_automatic = false;
	c->kind = CLAIM_BOUND;
}

void claim_disconnect(struct port_table *t, struct inet_claim *c, const struct inet_name *name)
{
	enter(t);
	if (c->kind == CLAIM_CONNECTED)
		disconnect_locked(c, name);
	leave(t);
}

void claim_move(struct port_table *t, struct inet_claim *c, const struct inet_name *local,
		const struct inet_name *remote)
{
	enter(t);
	memcpy(c->local.addr, local->addr, sizeof(c->local.addr));
	c->remote = *remote;
	leave(t);
}

void claim_drop(struct port_table *t, struct inet_claim *c)
{
	enter(t);
	unlink_claim(t, c);
	leave(t);
}

/* A claim that waits in c's place. Without memory or room there is none, as in
 * Linux: the names are free at once. */
static void leave_waiting(struct port_table *t, const struct inet_claim *c, bool is_both)
{
	struct waiting_claim *w = t->nr_waiting < TIME_WAIT_MAX ? pool_alloc(&waiting_pool) : NULL;

	if (!w)
		return;
	claim_init(&w->claim, NULL);
	list_init(&w->age_link);
	w->claim.local = c->local;
	w->claim.remote = c->remote;
	w->claim.family = c->family;
	w->claim.uid = c->uid;
	w->claim.v6only = c->v6only;
	w->claim.waits_reuse = has_reuse(c);
	w->claim.waits_reuseport = has_reuseport(c);
	w->claim.is_automatic = c->is_automatic;
	if (add_to_port(t, &w->claim, is_both ? CLAIM_TIME_WAIT : CLAIM_FIN_WAIT) < 0) {
		pool_free(&waiting_pool, w);
		return;
	}
	tuple_add(t, &w->claim);
	waiting_begin(t, w);
	t->nr_waiting++;
}

void claim_wait(struct port_table *t, struct inet_claim *c, const struct inet_name *name,
		bool is_both)
{
	enter(t);
	waiting_expire(t);
	list_del(&c->tuple_link);
	leave_waiting(t, c, is_both);
	if (name)
		disconnect_locked(c, name);
	else
		unlink_claim(t, c);
	leave(t);
}

void claim_peer_closed(struct port_table *t, const struct inet_name *local,
		       const struct inet_name *remote)
{
	struct inet_claim *c;

	enter(t);
	waiting_expire(t);
	c = tuple_find(t, local, remote);
	if (c && c->kind == CLAIM_FIN_WAIT) {
		c->kind = CLAIM_TIME_WAIT;
		waiting_begin(t, waiting_of(c));
	}
	leave(t);
}

void claim_peer_reset(struct port_table *t, const struct inet_name *local,
		      const struct inet_name *remote)
{
	struct inet_claim *c;

	enter(t);
	c = tuple_find(t, local, remote);
	if (c && !c->owner)
		waiting_end(t, c);
	leave(t);
}

/* ---- finding ---- */

struct socket *claim_owner_get(const struct inet_claim *c)
{
	return c->owner && refcount_get_not_zero(&c->owner->refs) ? c->owner : NULL;
}

/* How well the claim fits a packet to dst from src: 0, not at all. */
static unsigned score(const struct inet_claim *c, const struct inet_name *dst,
		      const struct inet_name *src)
{
	unsigned points = c->family == AF_INET ? 2 : 1;

	if (name_same_addr(&c->local, dst))
		points += 4;
	else if (!name_is_any(&c->local))
		return 0;
	else if (name_is_v4(&c->local) != name_is_v4(dst) && (name_is_v4(&c->local) || c->v6only))
		return 0;
	if (c->remote.port) {
		if (!name_equal(&c->remote, src))
			return 0;
		points += 8;
	}
	return points;
}

static bool is_of_group(const struct inet_claim *c, const struct inet_claim *first)
{
	return name_same_addr(&c->local, &first->local) && c->kind == first->kind &&
	       c->remote.port == 0 && has_reuseport(c) && c->uid == first->uid &&
	       c->family == first->family;
}

static const struct inet_claim *claim_in(const struct list *at, bool is_stream)
{
	return is_stream ? container_of(at, const struct inet_claim, listen_link)
			 : container_of(at, const struct inet_claim, port_link);
}

/* One of the group that first belongs to, always the same for the same names. */
static const struct inet_claim *choose_of_group(const struct list *head, bool is_stream,
						const struct inet_claim *first,
						const struct inet_name *dst,
						const struct inet_name *src)
{
	unsigned count = 0, wanted;

	for (const struct list *at = head->next; at != head; at = at->next)
		count += is_of_group(claim_in(at, is_stream), first);
	if (count < 2)
		return first;
	wanted = (unsigned)(tuple_hash(dst, src) % count);
	for (const struct list *at = head->next; at != head; at = at->next) {
		const struct inet_claim *c = claim_in(at, is_stream);

		if (is_of_group(c, first) && wanted-- == 0)
			return c;
	}
	return first;
}

/* The best of the list; of equals the first. */
static struct socket *find_best(const struct list *head, bool is_stream,
				const struct inet_name *dst, const struct inet_name *src)
{
	const struct inet_claim *best = NULL;
	unsigned most = 0;

	for (const struct list *at = head->next; at != head; at = at->next) {
		const struct inet_claim *c = claim_in(at, is_stream);
		unsigned points = score(c, dst, src);

		if (points > most) {
			most = points;
			best = c;
		}
	}
	if (!best)
		return NULL;
	if (!best->remote.port && has_reuseport(best))
		best = choose_of_group(head, is_stream, best, dst, src);
	return claim_owner_get(best);
}

struct socket *claim_find_listener(struct port_table *t, const struct inet_name *dst,
				   const struct inet_name *src)
{
	struct socket *s = NULL;

	enter(t);
	if (t->port[dst->port])
		s = find_best(&t->port[dst->port]->listeners, true, dst, src);
	leave(t);
	return s;
}

struct socket *claim_find_receiver(struct port_table *t, const struct inet_name *dst,
				   const struct inet_name *src)
{
	struct socket *s = NULL;

	enter(t);
	if (t->port[dst->port])
		s = find_best(&t->port[dst->port]->claims, false, dst, src);
	leave(t);
	return s;
}

static bool for_each_on(const struct port *p, bool (*fn)(const struct inet_claim *c, void *arg),
			void *arg)
{
	list_for_each(c, &p->claims, struct inet_claim, port_link) {
		if (!fn(c, arg))
			return false;
	}
	return true;
}

void claim_for_each(struct port_table *t, uint16_t port,
		    bool (*fn)(const struct inet_claim *c, void *arg), void *arg)
{
	enter(t);
	waiting_expire(t);
	for (unsigned i = port; i < (port ? port + 1u : PORTS); i++) {
		if (t->port[i] && !for_each_on(t->port[i], fn, arg))
			break;
	}
	leave(t);
}
