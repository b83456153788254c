/*
 * See notifier.h. The thread starts with the first arming.
 *
 * Events that fire are taken out of what is armed; what is left is armed again,
 * so that somebody who waits for the other direction is not forgotten. Hang-ups
 * and errors, which are reported for ever, take everything out: whoever is woken
 * looks again.
 */
#include "fs/hostfd/notifier.h"

#include <poll.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "host/host.h"
#include "host/thread.h"

#define BATCH 16

static struct mutex notifier_lock = MUTEX_INIT(LOCK_NOTIFIER);
static struct list known = LIST_INIT(known); /* [l] */
static int epoll_fd = -1;                    /* [l] set once */
static struct host_thread thread;

void notify_init(struct notify *n, int fd, struct waitq *waitq)
{
	n->fd = fd;
	n->waitq = waitq;
	n->armed = 0;
	n->known = false;
	list_init(&n->link);
}

static int set_locked(struct notify *n)
{
	struct epoll_event ev = { .data.fd = n->fd };

	ev.events = (uint32_t)(unsigned short)n->armed | EPOLLONESHOT;
	return host_epoll_ctl(epoll_fd, n->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, n->fd, &ev);
}

/* The queue is woken with the lock held, so that notifier_remove() can promise
 * that no wake comes later. */
static void deliver(const struct epoll_event *ev)
{
	uint32_t events = ev->events;

	if (events & EPOLLIN)
		events |= EV_RDNORM;
	if (events & EPOLLOUT)
		events |= EV_WRNORM;
	mutex_lock(&notifier_lock);
	list_for_each(n, &known, struct notify, link) {
		if (n->fd != ev->data.fd)
			continue;
		n->armed &= events & (EPOLLERR | EPOLLHUP) ? 0 : (short)~events;
		if (n->armed && set_locked(n) < 0)
			n->armed = 0;
		waitq_wake_all(n->waitq, events);
		break;
	}
	mutex_unlock(&notifier_lock);
}

static void notifier_main(void *arg UNUSED)
{
	struct epoll_event ev[BATCH];

	for (;;) {
		int n = host_epoll_wait(epoll_fd, ev, BATCH, -1);

		for (int i = 0; i < n; i++)
			deliver(&ev[i]);
		if (n < 0 && n != -EINTR)
			panic("the notifier cannot wait: %d", n);
	}
}

static bool start_locked(void)
{
	if (epoll_fd >= 0)
		return true;
	epoll_fd = host_epoll_create();
	if (epoll_fd < 0)
		return false;
	if (host_thread_create(&thread, "notifier", 0, notifier_main, NULL) < 0) {
		host_close(epoll_fd);
		epoll_fd = -1;
		return false;
	}
	host_thread_detach(&thread);
	return true;
}

void notifier_arm(struct notify *n, short events)
{
	int r = 0;

	mutex_lock(&notifier_lock);
	if ((n->armed & events) == events || !start_locked())
		goto out;
	n->armed |= events;
	r = set_locked(n);
	if (r == 0 && !n->known) {
		n->known = true;
		list_push_back(&known, &n->link);
	}
	if (r < 0)
		n->armed = 0;
out:
	mutex_unlock(&notifier_lock);
	if (r < 0) {
		/* Nothing to wait for: whoever waits must look again. */
		log_warn("notifier: descriptor %d: %d", n->fd, r);
		waitq_wake_all(n->waitq, EV_ERR);
	}
}

void notifier_remove(struct notify *n)
{
	struct epoll_event ev = { 0 };

	mutex_lock(&notifier_lock);
	if (n->known) {
		(void)!host_epoll_ctl(epoll_fd, EPOLL_CTL_DEL, n->fd, &ev);
		list_del(&n->link);
		n->known = false;
	}
	mutex_unlock(&notifier_lock);
}
