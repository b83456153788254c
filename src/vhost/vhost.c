/* Life of a front end, and its errors. */
#include "vhost/internal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/host.h"

#define KICK_PIPE_SIZE 4096 /* 512 kicks are pending: more say nothing new */

/* ---- errors ---- */

int vhost_fail(struct vhost *v, int err, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (v->err < 0)
		return v->err;
	v->err = err;
	n = (size_t)snprintf(v->error, sizeof(v->error), "%.100s: ", v->name);
	va_start(ap, fmt);
	vsnprintf(v->error + n, sizeof(v->error) - n, fmt, ap);
	va_end(ap);
	return err;
}

const char *vhost_error(const struct vhost *v)
{
	return v->error;
}

const char *vhost_request_name(uint32_t request)
{
	static const char *const names[] = {
		[VHOST_GET_FEATURES] = "GET_FEATURES",
		[VHOST_SET_FEATURES] = "SET_FEATURES",
		[VHOST_SET_OWNER] = "SET_OWNER",
		[VHOST_SET_MEM_TABLE] = "SET_MEM_TABLE",
		[VHOST_SET_VRING_NUM] = "SET_VRING_NUM",
		[VHOST_SET_VRING_ADDR] = "SET_VRING_ADDR",
		[VHOST_SET_VRING_BASE] = "SET_VRING_BASE",
		[VHOST_GET_VRING_BASE] = "GET_VRING_BASE",
		[VHOST_SET_VRING_KICK] = "SET_VRING_KICK",
		[VHOST_SET_VRING_CALL] = "SET_VRING_CALL",
		[VHOST_SET_VRING_ERR] = "SET_VRING_ERR",
		[VHOST_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
		[VHOST_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
		[VHOST_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
		[VHOST_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
		[VHOST_SET_BACKEND_REQ_FD] = "SET_BACKEND_REQ_FD",
		[VHOST_GET_CONFIG] = "GET_CONFIG",
		[VHOST_GET_MAX_MEM_SLOTS] = "GET_MAX_MEM_SLOTS",
		[VHOST_ADD_MEM_REG] = "ADD_MEM_REG",
	};

	return request < ARRAY_SIZE(names) && names[request] ? names[request] : "a request";
}

/* ---- life ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		host_close(*fd);
	*fd = -1;
}

static int queue_init(struct vhost_queue *q)
{
	int r = host_pipe2(q->kick, O_NONBLOCK);

	if (r < 0)
		return r;
	/* Smaller is only neater. */
	(void)!host_fcntl(q->kick[1], F_SETPIPE_SZ, KICK_PIPE_SIZE);
	r = q->call = host_eventfd(0, EFD_NONBLOCK);
	if (r >= 0)
		r = q->err = host_eventfd(0, EFD_NONBLOCK);
	return r;
}

static void queue_fini(struct vhost_queue *q)
{
	close_fd(&q->kick[0]);
	close_fd(&q->kick[1]);
	close_fd(&q->call);
	close_fd(&q->err);
}

static bool is_sound(const struct vhost_config *c)
{
	uint64_t end;

	if (!c->name || c->nr_queues < 1 || c->nr_queues > VHOST_QUEUES_MAX)
		return false;
	if (c->nr_regions < 1 || c->nr_regions > VHOST_REGIONS_MAX)
		return false;
	for (unsigned i = 0; i < c->nr_regions; i++) {
		const struct vhost_region *r = &c->regions[i];

		if (!r->size || add_overflow(r->address, r->size, &end) ||
		    add_overflow(r->offset, r->size, &end))
			return false;
	}
	return true;
}

int vhost_create(const struct vhost_config *config, struct vhost **out)
{
	struct vhost *v;
	int r = 0;

	*out = NULL;
	if (!is_sound(config))
		return -EINVAL;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->config = *config;
	v->socket = v->backend = v->wake = -1;
	v->name = strdup(config->name);
	v->queues = calloc(config->nr_queues, sizeof(*v->queues));
	if (!v->name || !v->queues) {
		v->config.nr_queues = 0;
		r = -ENOMEM;
	}
	for (unsigned i = 0; i < v->config.nr_queues; i++)
		v->queues[i] = (struct vhost_queue){ .kick = { -1, -1 }, .call = -1, .err = -1 };
	if (r == 0)
		r = v->wake = host_eventfd(0, EFD_NONBLOCK);
	for (unsigned i = 0; r >= 0 && i < config->nr_queues; i++)
		r = queue_init(&v->queues[i]);
	if (r < 0) {
		vhost_destroy(v);
		return r;
	}
	*out = v;
	return 0;
}

void vhost_destroy(struct vhost *v)
{
	if (!v)
		return;
	vhost_disconnect(v);
	for (unsigned i = 0; i < v->config.nr_queues; i++)
		queue_fini(&v->queues[i]);
	close_fd(&v->wake);
	free(v->queues);
	free(v->name);
	free(v);
}

void vhost_disconnect(struct vhost *v)
{
	close_fd(&v->socket);
	close_fd(&v->backend);
	v->is_accepted = false;
	for (unsigned i = 0; i < v->config.nr_queues; i++)
		v->queues[i].is_started = false;
}

bool vhost_is_connected(const struct vhost *v)
{
	return v->socket >= 0 && v->err == 0;
}
