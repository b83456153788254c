/*
 * Multicast and broadcast of IPv4 on lo (ip(7)). A group has members on lo when some
 * socket has joined it there; then every socket that has the port bound gets a copy,
 * but for those that want only groups of their own (IP_MULTICAST_ALL off). Datagrams
 * to a group without members vanish.
 *
 * Lock: members_lock (LOCK_SOCKET_NAMES) guards the count of each group's members; a
 * socket's own list is guarded by its lock.
 */
#include "net/inet/udp.h"

#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "base/kmem.h"
#include "base/pool.h"

/* A group that somebody has joined. */
struct membership {
	struct list link;
	struct inet_name group;
	unsigned count;
};

static struct mutex members_lock = MUTEX_INIT(LOCK_SOCKET_NAMES);
static struct list members = LIST_INIT(members); /* [members] of membership */
static POOL_DEFINE(group_pool, struct udp_group);
static POOL_DEFINE(membership_pool, struct membership);

/* ---- groups with members ---- */

static struct membership *find_locked(const struct inet_name *group)
{
	list_for_each(m, &members, struct membership, link) {
		if (name_same_addr(&m->group, group))
			return m;
	}
	return NULL;
}

static int count_in(const struct inet_name *group)
{
	struct membership *m;
	int r = 0;

	mutex_lock(&members_lock);
	m = find_locked(group);
	if (!m) {
		m = pool_alloc(&membership_pool);
		if (m) {
			m->group = *group;
			list_push_back(&members, &m->link);
		}
	}
	if (m)
		m->count++;
	else
		r = -ENOBUFS;
	mutex_unlock(&members_lock);
	return r;
}

static void count_out(const struct inet_name *group)
{
	struct membership *m;

	mutex_lock(&members_lock);
	m = find_locked(group);
	if (m && --m->count == 0) {
		list_del(&m->link);
		pool_free(&membership_pool, m);
	}
	mutex_unlock(&members_lock);
}

/* Every host is a member of "all hosts" (RFC 1112). */
static bool has_members(const struct inet_name *group)
{
	bool r;

	if (name_v4(group) == htonl(INADDR_ALLHOSTS_GROUP))
		return true;
	mutex_lock(&members_lock);
	r = find_locked(group);
	mutex_unlock(&members_lock);
	return r;
}

/* ---- delivery ---- */

static struct udp_group *joined_locked(const struct udp_sock *u, const struct inet_name *group)
{
	list_for_each(g, &u->groups, struct udp_group, link) {
		if (name_same_addr(&g->group, group))
			return g;
	}
	return NULL;
}

static bool wants(struct udp_sock *u, const struct udp_msg *msg)
{
	bool r = true;

	if (name_route(&msg->to) != ROUTE_MULTICAST)
		return true;
	mutex_lock(&u->i.s.lock);
	if (!joined_locked(u, &msg->to))
		r = u->i.opt[IP4_MULTICAST_ALL];
	mutex_unlock(&u->i.s.lock);
	return r;
}

#define RECEIVERS_MAX 256u

struct gathering {
	const struct udp_msg *msg;
	struct socket *socket[RECEIVERS_MAX];
	unsigned count;
};

static bool fits(const struct inet_claim *c, const struct udp_msg *msg)
{
	if (c->remote.port && !name_equal(&c->remote, &msg->from))
		return false;
	if (name_same_addr(&c->local, &msg->to))
		return true;
	return name_is_any(&c->local) && (name_is_v4(&c->local) || !c->v6only);
}

static bool gather(const struct inet_claim *c, void *arg)
{
	struct gathering *g = arg;

	if (fits(c, g->msg)) {
		g->socket[g->count] = claim_owner_get(c);
		g->count += g->socket[g->count] != NULL;
	}
	return g->count < RECEIVERS_MAX;
}

void multicast_deliver(struct port_table *t, struct udp_msg *msg)
{
	struct gathering *g = malloc(sizeof(*g));

	if (!g || (name_route(&msg->to) == ROUTE_MULTICAST && !has_members(&msg->to))) {
		free(g);
		kmem_free(msg);
		return;
	}
	g->msg = msg;
	g->count = 0;
	claim_for_each(t, msg->to.port, gather, g);
	for (unsigned i = 0; i < g->count; i++) {
		struct udp_sock *u = udp_of(g->socket[i]);
		struct udp_msg *copy = wants(u, msg) ? udp_msg_copy(msg) : NULL;

		if (copy)
			udp_enqueue(u, copy);
		socket_put(g->socket[i]);
	}
	free(g);
	kmem_free(msg);
}

/* ---- joining and leaving ---- */

static int join(struct udp_sock *u, const struct inet_name *group)
{
	struct udp_group *g = pool_alloc(&group_pool);
	int r = g ? count_in(group) : -ENOBUFS;

	if (r < 0) {
		pool_free(&group_pool, g);
		return r;
	}
	g->group = *group;
	mutex_lock(&u->i.s.lock);
	if (joined_locked(u, group))
		r = -EADDRINUSE;
	else if (u->nr_groups >= GROUPS_MAX)
		r = -ENOBUFS;
	if (r == 0) {
		list_push_back(&u->groups, &g->link);
		u->nr_groups++;
	}
	mutex_unlock(&u->i.s.lock);
	if (r < 0) {
		count_out(group);
		pool_free(&group_pool, g);
	}
	return r;
}

static int leave(struct udp_sock *u, const struct inet_name *group)
{
	struct udp_group *g;

	mutex_lock(&u->i.s.lock);
	g = joined_locked(u, group);
	if (g) {
		list_del(&g->link);
		u->nr_groups--;
	}
	mutex_unlock(&u->i.s.lock);
	if (!g)
		return -EADDRNOTAVAIL;
	count_out(group);
	pool_free(&group_pool, g);
	return 0;
}

void multicast_leave_all(struct udp_sock *u)
{
	for (;;) {
		struct inet_name group = { 0 };
		bool has;

		mutex_lock(&u->i.s.lock);
		has = !list_empty(&u->groups);
		if (has)
			group = list_first(&u->groups, struct udp_group, link)->group;
		mutex_unlock(&u->i.s.lock);
		if (!has)
			return;
		(void)leave(u, &group);
	}
}

static int change(struct udp_sock *u, const struct inet_name *group, bool is_joining)
{
	if (name_route(group) != ROUTE_MULTICAST)
		return -EINVAL;
	return is_joining ? join(u, group) : leave(u, group);
}

/* Is the interface lo, by number or by an address of its own? 0 and none: the group
 * has no route. */
static int check_interface4(int index, uint32_t addr)
{
	struct inet_name n = name_from_v4(addr, 0);

	if (index)
		return index == LOOPBACK_INDEX ? 0 : -ENODEV;
	return name_route(&n) == ROUTE_LOCAL ? 0 : -ENODEV;
}

/* ---- options ---- */

static int change4(struct udp_sock *u, const void *val, size_t size, bool is_joining)
{
	struct ip_mreqn mreq = { 0 };
	struct inet_name group;
	int r;

	if (size < sizeof(struct ip_mreq))
		return -EINVAL;
	memcpy(&mreq, val, MIN(size, sizeof(mreq)));
	group = name_from_v4(mreq.imr_multiaddr.s_addr, 0);
	if (name_route(&group) != ROUTE_MULTICAST)
		return -EINVAL;
	r = check_interface4(mreq.imr_ifindex, mreq.imr_address.s_addr);
	if (r == -ENODEV && !is_joining && !mreq.imr_ifindex && !mreq.imr_address.s_addr)
		r = 0; /* wherever it was joined */
	return r < 0 ? r : change(u, &group, is_joining);
}

static int change6(struct udp_sock *u, const void *val, size_t size, bool is_joining)
{
	struct ipv6_mreq mreq;
	struct inet_name group = { 0 };

	if (size < sizeof(mreq))
		return -EINVAL;
	memcpy(&mreq, val, sizeof(mreq));
	memcpy(group.addr, &mreq.ipv6mr_multiaddr, sizeof(group.addr));
	if (name_is_v4(&group) || name_route(&group) != ROUTE_MULTICAST)
		return -EINVAL;
	if (mreq.ipv6mr_interface != LOOPBACK_INDEX && (mreq.ipv6mr_interface || is_joining))
		return -ENODEV;
	return change(u, &group, is_joining);
}

/* MCAST_JOIN_GROUP and its counterpart: either family (RFC 3678). */
static int change_group(struct udp_sock *u, int level, const void *val, size_t size,
			bool is_joining)
{
	struct group_req req;
	struct socket_addr sa = { 0 };
	struct inet_name group;
	int r;

	if (size < sizeof(req))
		return -EINVAL;
	memcpy(&req, val, sizeof(req));
	memcpy(sa.bytes, &req.gr_group, sizeof(req.gr_group));
	sa.size = sizeof(req.gr_group);
	r = name_from_sockaddr(level == IPPROTO_IP ? AF_INET : AF_INET6, &sa, &group);
	if (r < 0)
		return -EINVAL;
	if (req.gr_interface != LOOPBACK_INDEX && (req.gr_interface || is_joining))
		return -ENODEV;
	return change(u, &group, is_joining);
}

static int set_interface(struct udp_sock *u, const void *val, size_t size)
{
	struct ip_mreqn mreq = { 0 };
	struct inet_name from;
	bool any;

	if (size < sizeof(struct in_addr))
		return -EINVAL;
	if (size >= sizeof(struct ip_mreq))
		memcpy(&mreq, val, MIN(size, sizeof(mreq)));
	else
		memcpy(&mreq.imr_address, val, sizeof(mreq.imr_address));
	any = !mreq.imr_ifindex && !mreq.imr_address.s_addr;
	if (!any && check_interface4(mreq.imr_ifindex, mreq.imr_address.s_addr) < 0)
		return -EADDRNOTAVAIL;
	from = name_from_v4(mreq.imr_address.s_addr, 1);
	mutex_lock(&u->i.s.lock);
	u->sends_to_lo = !any;
	u->multicast_from = name_is_any(&from) ? (struct inet_name){ 0 } : from;
	mutex_unlock(&u->i.s.lock);
	return 0;
}

int multicast_setsockopt(struct udp_sock *u, int level, int name, const void *val, size_t size)
{
	if (level == IPPROTO_IP) {
		switch (name) {
		case IP_MULTICAST_IF:
			return set_interface(u, val, size);
		case IP_ADD_MEMBERSHIP:
		case IP_DROP_MEMBERSHIP:
			return change4(u, val, size, name == IP_ADD_MEMBERSHIP);
		}
	}
	if (level == IPPROTO_IPV6 && u->i.s.family == AF_INET6 &&
	    (name == IPV6_ADD_MEMBERSHIP || name == IPV6_DROP_MEMBERSHIP))
		return change6(u, val, size, name == IPV6_ADD_MEMBERSHIP);
	if ((level == IPPROTO_IP || level == IPPROTO_IPV6) &&
	    (name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP))
		return change_group(u, level, val, size, name == MCAST_JOIN_GROUP);
	return -ENOPROTOOPT;
}

int multicast_getsockopt(struct udp_sock *u, int level, int name, void *val, size_t *size)
{
	uint32_t addr;

	if (level != IPPROTO_IP || name != IP_MULTICAST_IF)
		return -ENOPROTOOPT;
	mutex_lock(&u->i.s.lock);
	addr = u->multicast_from.port ? name_v4(&u->multicast_from) : 0;
	mutex_unlock(&u->i.s.lock);
	*size = MIN(*size, sizeof(addr));
	memcpy(val, &addr, *size);
	return 0;
}
