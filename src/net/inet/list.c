/* Internet sockets for /proc/net and the like: a snapshot that may be a moment old. */
#include <stdlib.h>
#include <string.h>

#include "net/inet/tcp.h"
#include "net/inet/udp.h"

/* What was found under the table's lock: sockets with a reference, to be looked at
 * later, and connections that wait. */
struct found {
	struct socket *socket; /* NULL: a waiting claim */
	struct inet_info info;
};

struct finding {
	struct found *all;
	size_t count, room;
	int family;
};

static void fill_names(const struct inet_claim *c, struct inet_info *info)
{
	memcpy(info->local, c->local.addr, sizeof(info->local));
	memcpy(info->remote, c->remote.addr, sizeof(info->remote));
	info->local_port = c->local.port;
	info->remote_port = c->remote.port;
	info->uid = c->uid;
}

static bool find_one(const struct inet_claim *c, void *arg)
{
	struct finding *f = arg;
	struct found *grown, *new;

	if (c->family != f->family)
		return true;
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 64;

		grown = realloc(f->all, room * sizeof(*grown));
		if (!grown)
			return false;
		f->all = grown;
		f->room = room;
	}
	new = &f->all[f->count];
	*new = (struct found){ .socket = claim_owner_get(c) };
	if (c->owner && !new->socket)
		return true;
	fill_names(c, &new->info);
	if (!c->owner) {
		new->info.state = c->kind == CLAIM_FIN_WAIT ? TCP_FIN_WAIT2 : TCP_TIME_WAIT;
		new->info.waits = true;
		new->info.refs = 3;
		new->info.wait_ns = claim_wait_left_ns(c);
	}
	f->count++;
	return true;
}

static void fill_common_locked(struct socket *s, bool dead, struct inet_info *info)
{
	struct file *f = dead ? NULL : atomic_load(&s->file);

	info->ino = f ? f->inode->ino : 0;
	info->refs = refcount_read(&s->refs) - 1; /* ours */
	fill_names(&inet_of(s)->claim, info);
}

static void fill_tcp(struct socket *s, struct inet_info *info)
{
	struct tcp_sock *t = tcp_of(s);

	mutex_lock(&s->lock);
	fill_common_locked(s, t->dead, info);
	info->state = t->state;
	info->tx = (uint32_t)tcp_unread_locked(t);
	info->rx = t->state == TCP_LISTEN ? t->nr_embryos : (uint32_t)(t->next_seq - t->read_seq);
	mutex_unlock(&s->lock);
}

static void fill_udp(struct socket *s, struct inet_info *info)
{
	struct udp_sock *u = udp_of(s);

	mutex_lock(&s->lock);
	fill_common_locked(s, u->dead, info);
	info->state = u->is_connected ? TCP_ESTABLISHED : TCP_CLOSE;
	info->rx = (uint32_t)u->queued_charge;
	info->drops = u->drops;
	mutex_unlock(&s->lock);
}

/* A stream that is only bound is not shown. */
static void show(const struct finding *f, int protocol, bool is_listening,
		 void (*fn)(const struct inet_info *, void *), void *arg)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct inet_info *info = &f->all[i].info;

		if ((info->state == TCP_LISTEN) == is_listening &&
		    (protocol != IPPROTO_TCP || info->state != TCP_CLOSE))
			fn(info, arg);
	}
}

static struct port_table *ports_of(int protocol)
{
	if (protocol == IPPROTO_TCP)
		return &tcp_ports;
	return protocol == IPPROTO_UDP ? &udp_ports : &udplite_ports;
}

void socket_for_each_inet(int family, int protocol, void (*fn)(const struct inet_info *, void *),
			  void *arg)
{
	struct finding f = { .family = family };

	claim_for_each(ports_of(protocol), 0, find_one, &f);
	for (size_t i = 0; i < f.count; i++) {
		struct socket *s = f.all[i].socket;

		if (s && protocol == IPPROTO_TCP)
			fill_tcp(s, &f.all[i].info);
		else if (s)
			fill_udp(s, &f.all[i].info);
		socket_put(s);
	}
	show(&f, protocol, true, fn, arg); /* listeners first, as Linux has them */
	show(&f, protocol, false, fn, arg);
	free(f.all);
}
