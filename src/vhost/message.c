/*
 * Messages: a header of 12 bytes, a payload, and descriptors beside it.
 *
 * What comes in is foreign. A header is believed only if it says exactly what can come now:
 * this request's reply, of this size. So nothing is ever read that has no room, and a
 * device that sends more or less than it should is found out at once. No answer of
 * those that we ask for has descriptors: any that come are closed.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "host/host.h"
#include "host/net.h"
#include "vhost/internal.h"

#define FDS_MAX VHOST_REGIONS_MAX
#define FOREIGN_FDS 64 /* of descriptors in one message there is room for: more are cut off */

static uint64_t now_ns(void)
{
	return host_clock_ns(CLOCK_MONOTONIC);
}

/* ---- bytes ---- */

/* Until the socket is ready for `events`, or an end. */
static int await(struct vhost *v, int fd, short events, uint64_t deadline, const char *what)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		uint64_t now = now_ns();
		int r = now < deadline ? host_poll(&p, 1, (int64_t)(deadline - now)) : 0;

		if (r > 0)
			return 0; /* also for an end, which the next call finds */
		if (r == 0)
			return vhost_fail(v, -ETIMEDOUT, "no answer to %s within %llu ms", what,
					  (unsigned long long)(v->config.timeout_ns / 1000000));
		if (r != -EINTR)
			return vhost_fail(v, r, "cannot wait for the device: %s", strerror(-r));
	}
}

static int is_gone(struct vhost *v, const char *what)
{
	return vhost_fail(v, -ECONNRESET, "the device is gone (%s)", what);
}

/* One message, whole. */
static int put(struct vhost *v, int socket, const struct iovec iov[2], const int *fds,
	       unsigned nr_fds, const char *what)
{
	union {
		char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = 2 };
	uint64_t deadline = now_ns() + v->config.timeout_ns;
	size_t whole = iov[0].iov_len + iov[1].iov_len;
	ssize_t n;
	int r = 0;

	ASSERT(nr_fds <= FDS_MAX);
	if (nr_fds) {
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	do {
		n = host_sendmsg(socket, &m, MSG_DONTWAIT);
		if (n == -EAGAIN)
			r = await(v, socket, POLLOUT, deadline, what);
	} while (r == 0 && (n == -EAGAIN || n == -EINTR));
	if (r < 0)
		return r;
	if (n == -EPIPE || n == -ECONNRESET)
		return is_gone(v, what);
	if (n < 0)
		return vhost_fail(v, (int)n, "cannot send %s: %s", what, strerror((int)-n));
	/* A socket takes what is this small whole, or not at all. */
	if ((size_t)n != whole)
		return vhost_fail(v, -EPROTO, "%s went out cut", what);
	return 0;
}

static void close_foreign_fds(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t size = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < size / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			host_close(fd);
		}
	}
}

/* Exactly size bytes. */
static int get(struct vhost *v, int socket, void *buf, size_t size, uint64_t deadline,
	       const char *what)
{
	union {
		char buf[CMSG_SPACE(FOREIGN_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	size_t done = 0;
	int r = 0;

	while (done < size && r == 0) {
		struct iovec iov = { (char *)buf + done, size - done };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control.buf,
				    .msg_controllen = sizeof(control.buf) };
		ssize_t n = host_recvmsg(socket, &m, MSG_DONTWAIT);

		if (n >= 0)
			close_foreign_fds(&m);
		if (n == 0 || n == -ECONNRESET)
			return is_gone(v, what);
		if (n == -EAGAIN)
			r = await(v, socket, POLLIN, deadline, what);
		else if (n < 0 && n != -EINTR)
			r = vhost_fail(v, (int)n, "cannot receive %s: %s", what, strerror((int)-n));
		else if (n > 0)
			done += (size_t)n;
	}
	return r;
}

/* ---- requests ---- */

static int send_request(struct vhost *v, uint32_t request, uint32_t flags, const void *payload,
			size_t size, const int *fds, unsigned nr_fds)
{
	struct vhost_header h = { request, VHOST_VERSION | flags, (uint32_t)size };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)payload, size } };

	if (!vhost_is_connected(v))
		return -ENOTCONN;
	return put(v, v->socket, iov, fds, nr_fds, vhost_request_name(request));
}

/* The reply to what was sent last. */
static int receive_reply(struct vhost *v, uint32_t request, void *buf, size_t size)
{
	uint64_t deadline = now_ns() + v->config.timeout_ns;
	const char *what = vhost_request_name(request);
	struct vhost_header h;
	int r = get(v, v->socket, &h, sizeof(h), deadline, what);

	if (r < 0)
		return r;
	if (h.request != request || !(h.flags & VHOST_REPLY) ||
	    (h.flags & VHOST_VERSION_MASK) != VHOST_VERSION)
		return vhost_fail(v, -EPROTO, "answers %s with message %u, flags %#x", what,
				  h.request, h.flags);
	if (h.size != size)
		return vhost_fail(v, -EPROTO, "answers %s with %u bytes instead of %zu", what,
				  h.size, size);
	return get(v, v->socket, buf, size, deadline, what);
}

int vhost_send_fds(struct vhost *v, enum vhost_request request, const void *payload, size_t size,
		   const int *fds, unsigned nr_fds)
{
	bool is_acked = v->protocol & VHOST_PROTOCOL_F_REPLY_ACK;
	uint64_t answer;
	int r = send_request(v, request, is_acked ? VHOST_NEED_REPLY : 0, payload, size, fds,
			     nr_fds);

	if (r < 0 || !is_acked)
		return r;
	r = receive_reply(v, request, &answer, sizeof(answer));
	if (r == 0 && answer != 0)
		r = vhost_fail(v, -EOPNOTSUPP, "refuses %s", vhost_request_name(request));
	return r;
}

int vhost_send(struct vhost *v, enum vhost_request request, const void *payload, size_t size,
	       int fd)
{
	return vhost_send_fds(v, request, payload, size, &fd, fd >= 0);
}

int vhost_ask(struct vhost *v, enum vhost_request request, union vhost_payload *p, size_t size,
	      size_t answer_size)
{
	int r = send_request(v, request, 0, p, size, NULL, 0);

	return r < 0 ? r : receive_reply(v, request, p, answer_size);
}

int vhost_ask_u64(struct vhost *v, enum vhost_request request, uint64_t *out)
{
	union vhost_payload p = { 0 };
	int r = vhost_ask(v, request, &p, 0, sizeof(p.u64));

	if (r == 0)
		*out = p.u64;
	return r;
}

/* ---- the device's own ---- */

int vhost_serve_backend(struct vhost *v, struct vhost_events *events)
{
	static const char what[] = "a request of its own";
	uint64_t deadline = now_ns() + v->config.timeout_ns, answer = 1;
	char payload[sizeof(union vhost_payload)];
	struct vhost_header h, reply;
	int r = get(v, v->backend, &h, sizeof(h), deadline, what);

	if (r < 0)
		return r;
	if ((h.flags & VHOST_VERSION_MASK) != VHOST_VERSION || h.size > sizeof(payload))
		return vhost_fail(v, -EPROTO, "asks nonsense: message %u of %u bytes", h.request,
				  h.size);
	r = get(v, v->backend, payload, h.size, deadline, what);
	if (r < 0)
		return r;
	if (h.request == VHOST_BACKEND_CONFIG_CHANGE) {
		events->config_changed = true;
		answer = 0;
	}
	if (!(h.flags & VHOST_NEED_REPLY))
		return 0;
	reply = (struct vhost_header){ h.request, VHOST_VERSION | VHOST_REPLY, sizeof(answer) };
	return put(v, v->backend,
		   (struct iovec[2]){ { &reply, sizeof(reply) }, { &answer, sizeof(answer) } },
		   NULL, 0, what);
}
