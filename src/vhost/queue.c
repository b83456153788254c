/* One queue: its descriptors and its rings are handed over, and taken back. */
#include "host/host.h"
#include "vhost/internal.h"

static int set_state(struct vhost *v, enum vhost_request request, unsigned index, uint32_t value)
{
	struct vhost_vring_state s = { index, value };

	return vhost_send(v, request, &s, sizeof(s), -1);
}

static int set_fd(struct vhost *v, enum vhost_request request, unsigned index, int fd)
{
	uint64_t which = index; /* bits 0 to 7; bit 8 would say that there is none */

	return vhost_send(v, request, &which, sizeof(which), fd);
}

static int set_addresses(struct vhost *v, unsigned index, const struct vhost_rings *r)
{
	struct vhost_vring_addr a = {
		.index = index, .desc = r->desc, .used = r->used, .avail = r->avail
	};

	return vhost_send(v, VHOST_SET_VRING_ADDR, &a, sizeof(a), -1);
}

int vhost_start_queue(struct vhost *v, unsigned index, const struct vhost_rings *rings)
{
	struct vhost_queue *q = &v->queues[index];
	int r;

	ASSERT(index < v->nr_queues && !q->is_started);
	if (!v->is_accepted || !vhost_is_connected(v))
		return -ENOTCONN;
	r = set_state(v, VHOST_SET_VRING_NUM, index, rings->count);
	if (r == 0)
		r = set_state(v, VHOST_SET_VRING_BASE, index, rings->base);
	if (r == 0)
		r = set_addresses(v, index, rings);
	if (r == 0)
		r = set_fd(v, VHOST_SET_VRING_CALL, index, q->call);
	if (r == 0)
		r = set_fd(v, VHOST_SET_VRING_ERR, index, q->err);
	q->is_started = r == 0;
	if (r == 0)
		r = set_fd(v, VHOST_SET_VRING_KICK, index, q->kick[0]);
	/* Without the feature queues are enabled as they start. */
	if (r == 0 && (v->accepted & VHOST_F_PROTOCOL_FEATURES))
		r = set_state(v, VHOST_SET_VRING_ENABLE, index, 1);
	return r;
}

int vhost_stop_queue(struct vhost *v, unsigned index, uint16_t *base)
{
	union vhost_payload p = { .state = { index, 0 } };
	int r;

	ASSERT(index < v->nr_queues && v->queues[index].is_started);
	r = vhost_ask(v, VHOST_GET_VRING_BASE, &p, sizeof(p.state), sizeof(p.state));
	if (r < 0)
		return r;
	if (p.state.index != index || p.state.value > UINT16_MAX)
		return vhost_fail(v, -EPROTO, "answers GET_VRING_BASE of queue %u with %u of %u",
				  index, p.state.value, p.state.index);
	v->queues[index].is_started = false;
	*base = (uint16_t)p.state.value;
	return 0;
}

void vhost_kick(struct vhost *v, unsigned index)
{
	/* What a device reads from an eventfd. No room: kicks are pending already. */
	uint64_t one = 1;

	(void)!host_write(v->queues[index].kick[1], &one, sizeof(one));
}
