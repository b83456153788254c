/* Waiting for what the device does by itself: it calls, reports an error of a queue, asks us, or
 * goes away. */
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "host/host.h"
#include "vhost/internal.h"

/* The descriptors of one wait: three, then two for each queue that runs. */
enum { AT_WAKE, AT_SOCKET, AT_BACKEND, AT_QUEUES };
#define POLLED_MAX (AT_QUEUES + 2 * VHOST_QUEUES_MAX)

struct polled {
	struct pollfd fds[POLLED_MAX];
	unsigned count;
	unsigned queue[VHOST_QUEUES_MAX]; /* of the pairs from AT_QUEUES on */
};

static void collect(const struct vhost *v, struct polled *p)
{
	bool is_alive = vhost_is_connected(v);

	p->fds[AT_WAKE] = (struct pollfd){ .fd = v->wake, .events = POLLIN };
	p->fds[AT_SOCKET] = (struct pollfd){ .fd = is_alive ? v->socket : -1, .events = POLLIN };
	p->fds[AT_BACKEND] = (struct pollfd){ .fd = is_alive ? v->backend : -1, .events = POLLIN };
	p->count = AT_QUEUES;
	for (unsigned i = 0; is_alive && i < v->nr_queues; i++) {
		const struct vhost_queue *q = &v->queues[i];

		if (!q->is_started)
			continue;
		p->queue[(p->count - AT_QUEUES) / 2] = i;
		p->fds[p->count++] = (struct pollfd){ .fd = q->call, .events = POLLIN };
		p->fds[p->count++] = (struct pollfd){ .fd = q->err, .events = POLLIN };
	}
}

/* An eventfd of two processes, one of whom may have made it blocking. */
static void drain(int fd)
{
	uint64_t count;
	struct iovec iov = { &count, sizeof(count) };

	(void)!host_preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
}

/* Nothing comes by the socket but answers, and nobody asked. */
static int look_at_socket(struct vhost *v, short revents)
{
	if (!revents)
		return 0;
	if (revents & (POLLHUP | POLLERR))
		return vhost_fail(v, -ECONNRESET, "the device is gone");
	return vhost_fail(v, -EPROTO, "sends what nobody asked for");
}

static int look_at_queues(struct vhost *v, const struct polled *p, struct vhost_events *out)
{
	for (unsigned at = AT_QUEUES; at < p->count; at += 2) {
		unsigned index = p->queue[(at - AT_QUEUES) / 2];

		if (p->fds[at + 1].revents)
			return vhost_fail(v, -EPROTO, "reports an error of queue %u", index);
		if (!p->fds[at].revents)
			continue;
		drain(v->queues[index].call);
		out->called |= 1ull << index;
	}
	return 0;
}

static int look(struct vhost *v, const struct polled *p, struct vhost_events *out)
{
	int r;

	if (p->fds[AT_WAKE].revents) {
		drain(v->wake);
		out->woken = true;
	}
	r = look_at_queues(v, p, out);
	if (r == 0)
		r = look_at_socket(v, p->fds[AT_SOCKET].revents);
	if (r == 0 && p->fds[AT_BACKEND].revents)
		r = vhost_serve_backend(v, out);
	return r;
}

int vhost_wait(struct vhost *v, struct vhost_events *out, uint64_t deadline_ns)
{
	struct polled p;
	int r;

	*out = (struct vhost_events){ 0 };
	collect(v, &p);
	do {
		uint64_t now = host_clock_ns(CLOCK_MONOTONIC);
		int64_t left = deadline_ns == UINT64_MAX ? -1
			       : deadline_ns > now       ? (int64_t)(deadline_ns - now)
							 : 0;

		r = host_poll(p.fds, p.count, left);
	} while (r == -EINTR);
	if (r == 0)
		return -EAGAIN;
	if (r < 0)
		return vhost_fail(v, r, "cannot wait for the device: %s", strerror(-r));
	return look(v, &p, out);
}

void vhost_wake(struct vhost *v)
{
	uint64_t one = 1;

	(void)!host_write(v->wake, &one, sizeof(one));
}
