#include "vhost/testlib_device.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtq/internal.h"

void test_device_init(struct test_device *d)
{
	memset(d, 0, sizeof(*d));
	d->features = VHOST_F_VERSION_1 | VHOST_F_PROTOCOL_FEATURES | VIRTQ_F_EVENT_IDX;
	d->protocol = VHOST_PROTOCOL_F_MQ | VHOST_PROTOCOL_F_REPLY_ACK | VHOST_PROTOCOL_F_CONFIG |
		      VHOST_PROTOCOL_F_BACKEND_REQ | VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS;
	d->nr_queues = TEST_QUEUES;
	d->backend = -1;
	for (unsigned i = 0; i < TEST_QUEUES; i++)
		d->rings[i].kick = d->rings[i].call = d->rings[i].err = -1;
}

/* ---- bytes ---- */

static bool read_all(int fd, void *buf, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, (char *)buf + done, size - done);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool send_all(int fd, const void *buf, size_t size)
{
	return send(fd, buf, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* A request's header, and at most one descriptor for each region. */
static bool receive(struct test_device *d, struct vhost_header *h, union vhost_payload *p, int *fd)
{
	union {
		char buf[CMSG_SPACE(VHOST_REGIONS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { h, sizeof(*h) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c;

	*fd = -1;
	if (recvmsg(d->socket, &m, MSG_WAITALL) != sizeof(*h))
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return h->size <= sizeof(*p) && read_all(d->socket, p, h->size);
}

/* ---- answers ---- */

/* False: the end of the session. */
static bool answer_with_lie(struct test_device *d, struct vhost_header h, void *payload)
{
	char message[sizeof(h) + 4096] = { 0 };
	size_t true_size = h.size, size = sizeof(h) + h.size;

	switch (d->lie) {
	case LIE_SILENT:
		return true;
	case LIE_CLOSE:
		return false;
	case LIE_CLOSE_HALF:
		send_all(d->socket, &h, sizeof(h) / 2);
		return false;
	case LIE_HALF:
		return send_all(d->socket, &h, sizeof(h) / 2);
	case LIE_WRONG_REQUEST:
		h.request++;
		break;
	case LIE_NO_REPLY_BIT:
		h.flags &= ~VHOST_REPLY;
		break;
	case LIE_WRONG_VERSION:
		h.flags ^= VHOST_VERSION_MASK;
		break;
	case LIE_SIZE_0:
		h.size = 0;
		size = sizeof(h);
		break;
	case LIE_SHORT:
		h.size--;
		size--;
		break;
	case LIE_LONG:
		h.size += 1024;
		size += 1024;
		break;
	case LIE_HUGE:
		h.size = UINT32_MAX;
		break;
	case LIE_REFUSE:
		memcpy(payload, &(uint64_t){ 1 }, sizeof(uint64_t));
		break;
	case LIE_VALUE:
		memcpy(payload, &d->lie_value, sizeof(uint64_t));
		break;
	default:
		break;
	}
	memcpy(message, &h, sizeof(h));
	memcpy(message + sizeof(h), payload, true_size);
	if (d->lie == TRUTH_CUT) {
		send_all(d->socket, message, 5);
		usleep(2000);
		return send_all(d->socket, message + 5, size - 5);
	}
	return send_all(d->socket, message, size);
}

static bool answer_with_fds(struct test_device *d, const struct vhost_header *h, void *payload)
{
	union {
		char buf[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov[2] = { { (void *)(uintptr_t)h, sizeof(*h) }, { payload, h->size } };
	struct msghdr m = { .msg_iov = iov,
			    .msg_iovlen = 2,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(3 * sizeof(int));
	memcpy(CMSG_DATA(c), (int[]){ 0, 1, 2 }, 3 * sizeof(int));
	return sendmsg(d->socket, &m, MSG_NOSIGNAL) > 0;
}

static bool answer(struct test_device *d, uint32_t request, void *payload, size_t size)
{
	struct vhost_header h = { request, VHOST_VERSION | VHOST_REPLY, (uint32_t)size };

	if (d->lie != LIE_NONE && request == d->lie_at) {
		if (d->lie == TRUTH_FDS)
			return answer_with_fds(d, &h, payload);
		return answer_with_lie(d, h, payload);
	}
	return send_all(d->socket, &h, sizeof(h)) && send_all(d->socket, payload, size);
}

/* ---- what it is told ---- */

static void add_memory(struct test_device *d, const struct vhost_mem_region *r, int fd)
{
	unsigned n = atomic_load(&d->nr_regions);
	void *at =
		mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)r->mmap_offset);

	ASSERT(at != MAP_FAILED);
	d->memory[n].region = *r;
	d->memory[n].at = at;
	atomic_store(&d->nr_regions, n + 1);
	close(fd);
}

static void *address(struct test_device *d, uint64_t at, uint64_t size)
{
	for (unsigned i = 0; i < d->nr_regions; i++) {
		const struct vhost_mem_region *r = &d->memory[i].region;

		if (at >= r->guest_address && at - r->guest_address < r->size &&
		    size <= r->size - (at - r->guest_address))
			return d->memory[i].at + (at - r->guest_address);
	}
	panic("the driver uses memory that the device was not given: %#llx",
	      (unsigned long long)at);
}

static void set_fd(int *where, int fd)
{
	if (*where >= 0)
		close(*where);
	*where = fd;
}

static bool ask_queue(struct test_device *d, uint32_t request, union vhost_payload *p, int fd)
{
	unsigned index = p->state.index & 0xff;
	struct test_ring *ring = &d->rings[index];

	ASSERT(index < TEST_QUEUES);
	switch (request) {
	case VHOST_SET_VRING_NUM:
		ring->count = p->state.value;
		return true;
	case VHOST_SET_VRING_BASE:
		ring->next_avail = ring->next_used = (uint16_t)p->state.value;
		return true;
	case VHOST_SET_VRING_ADDR:
		ring->addr = p->addr;
		return true;
	case VHOST_SET_VRING_KICK:
		set_fd(&ring->kick, fd);
		return true;
	case VHOST_SET_VRING_CALL:
		set_fd(&ring->call, fd);
		return true;
	case VHOST_SET_VRING_ERR:
		set_fd(&ring->err, fd);
		return true;
	case VHOST_SET_VRING_ENABLE:
		ring->is_enabled = p->state.value;
		return true;
	case VHOST_GET_VRING_BASE:
		set_fd(&ring->kick, -1);
		p->state.value = ring->next_avail;
		return answer(d, request, p, sizeof(p->state));
	}
	panic("the driver sends message %u", request);
}

/* False: the end of the session. */
static bool serve_request(struct test_device *d)
{
	struct vhost_header h;
	union vhost_payload p;
	int fd;

	if (!receive(d, &h, &p, &fd))
		return false;
	switch (h.request) {
	case VHOST_GET_FEATURES:
		return answer(d, h.request, &d->features, 8);
	case VHOST_GET_PROTOCOL_FEATURES:
		return answer(d, h.request, &d->protocol, 8);
	case VHOST_GET_QUEUE_NUM:
		return answer(d, h.request, &d->nr_queues, 8);
	case VHOST_GET_MAX_MEM_SLOTS:
		return answer(d, h.request, &(uint64_t){ VHOST_REGIONS_MAX }, 8);
	case VHOST_GET_CONFIG:
		memcpy(p.config.bytes, d->config, p.config.size);
		return answer(d, h.request, &p, h.size);
	case VHOST_SET_FEATURES:
		d->accepted = p.u64;
		break;
	case VHOST_SET_PROTOCOL_FEATURES:
		d->agreed = p.u64;
		return true;
	case VHOST_SET_OWNER:
		atomic_store(&d->has_owner, true);
		break;
	case VHOST_SET_BACKEND_REQ_FD:
		d->backend = fd;
		break;
	case VHOST_SET_MEM_TABLE:
		add_memory(d, &p.table.regions[0], fd);
		break;
	case VHOST_ADD_MEM_REG:
		add_memory(d, &p.slot.region, fd);
		break;
	default:
		if (!ask_queue(d, h.request, &p, fd))
			return false;
	}
	if (!(h.flags & VHOST_NEED_REPLY))
		return true;
	return answer(d, h.request, &(uint64_t){ 0 }, 8);
}

/* ---- queues ---- */

static void gather(struct test_device *d, struct test_ring *ring, struct test_chain *c)
{
	struct virtq_desc *table = address(d, ring->addr.desc, 16 * ring->count);
	uint16_t at = c->head;

	c->nr_in = c->nr_out = 0;
	for (unsigned n = 0;; n++) {
		uint16_t flags = table[at].flags;
		struct iovec iov = { address(d, table[at].address, table[at].size),
				     table[at].size };

		ASSERT(n < ring->count && n < TEST_BUFFERS);
		if (flags & VIRTQ_DESC_WRITE)
			c->out[c->nr_out++] = iov;
		else
			c->in[c->nr_in++] = iov;
		if (!(flags & VIRTQ_DESC_NEXT))
			return;
		at = table[at].next;
	}
}

void test_device_call(struct test_device *d, unsigned queue)
{
	uint64_t one = 1;

	(void)!write(d->rings[queue].call, &one, sizeof(one));
}

/* Everything that is offered; it calls for each, which is always allowed. */
static void serve_queue(struct test_device *d, unsigned queue)
{
	struct test_ring *ring = &d->rings[queue];
	struct virtq_avail *avail = address(d, ring->addr.avail, 6 + 2 * ring->count);
	struct virtq_used_ring *used = address(d, ring->addr.used, 6 + 8 * ring->count);

	while (atomic_load_explicit(&avail->idx, memory_order_acquire) != ring->next_avail) {
		struct test_chain c = {
			.head = avail->ring[ring->next_avail++ & (ring->count - 1)]
		};
		struct virtq_used_elem *e = &used->ring[ring->next_used & (ring->count - 1)];
		int64_t written;

		gather(d, ring, &c);
		written = d->serve ? d->serve(d, queue, &c) : 0;
		/* The next kick is wanted. */
		*(_Atomic uint16_t *)(void *)&used->ring[ring->count] = ring->next_avail;
		atomic_thread_fence(memory_order_seq_cst);
		if (written < 0)
			continue;
		e->id = c.head;
		e->len = (uint32_t)written;
		atomic_store_explicit(&used->idx, ++ring->next_used, memory_order_release);
		test_device_call(d, queue);
	}
}

static void *device_main(void *arg)
{
	struct test_device *d = arg;
	bool lives = true;

	while (lives && !atomic_load(&d->is_ending)) {
		struct pollfd p[2 + TEST_QUEUES] = { { d->socket, POLLIN, 0 },
						     { d->wake, POLLIN, 0 } };
		char drained[64];

		for (unsigned i = 0; i < TEST_QUEUES; i++)
			p[2 + i] = (struct pollfd){ d->rings[i].kick, POLLIN, 0 };
		poll(p, ARRAY_SIZE(p), -1);
		for (unsigned i = 0; i < TEST_QUEUES; i++) {
			if (!p[2 + i].revents || read(d->rings[i].kick, drained, 8) != 8)
				continue;
			serve_queue(d, i);
		}
		if (p[0].revents)
			lives = serve_request(d);
	}
	/* Like the end of a process, but that tests may use the descriptors until the stop. */
	shutdown(d->socket, SHUT_RDWR);
	if (d->backend >= 0)
		shutdown(d->backend, SHUT_RDWR);
	return NULL;
}

/* ---- for tests ---- */

int test_device_start(struct test_device *d)
{
	int pair[2];

	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	d->socket = pair[0];
	d->wake = eventfd(0, EFD_CLOEXEC);
	ASSERT(pthread_create(&d->thread, NULL, device_main, d) == 0);
	return pair[1];
}

void test_device_stop(struct test_device *d)
{
	uint64_t one = 1;

	atomic_store(&d->is_ending, true);
	(void)!write(d->wake, &one, sizeof(one));
	pthread_join(d->thread, NULL);
	for (unsigned i = 0; i < TEST_QUEUES; i++) {
		set_fd(&d->rings[i].kick, -1);
		set_fd(&d->rings[i].call, -1);
		set_fd(&d->rings[i].err, -1);
	}
	set_fd(&d->backend, -1);
	set_fd(&d->socket, -1);
	close(d->wake);
	for (unsigned i = 0; i < d->nr_regions; i++)
		munmap(d->memory[i].at, d->memory[i].region.size);
}
