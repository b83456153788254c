/* See notifier.h. The thread starts with the first arming. */
#include "fs/hostfd/notifier.h"

#include <poll.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "host/host.h"
#include "host/thread.h"

static struct mutex notifier_lock = MUTEX_INIT(LOCK_NOTIFIER);
static struct list known = LIST_INIT(known); /* [l] */
static int epoll_fd = -1;                    /* [l] */
static struct host_thread thread;

void notify_init(struct notify *n, int fd, struct waitq *waitq)
{
	n->fd = fd;
	n->waitq = waitq;
	n->armed = 0;
	n->known = false;
	list_init(&n->link);
}

/* The queue is woken with the lock held, so that notifier_remove() can promise
 * that no wake comes later. */
static void deliver(const struct epoll_event *ev)
{
	mutex_lock(&notifier_lock);
	list_for_each(n, &known, struct notify, link) {
		if (n->fd == ev->data.fd) {
			n->armed = 0;
			waitq_wake_all(n->waitq, ev->events | EV_ERR | EV_HUP);
			break;
		}
	}
	mutex_unlock(&notifier_lock);
}

static void notifier_main(void *arg UNUSED)
{
	struct epoll_event ev[16];

	for (;;) {
		int n = host_epoll_wait(epoll_fd, ev, 16, -1);

		for (int i = 0; i < n; i++)
			deliver(&ev[i]);
		if (n < 0 && n != -EINTR) {
			log_error("notifier: epoll: %d", -n);
			return;
		}
	}
}

static bool start_locked(void)
{
	if (epoll_fd >= 0)
		return true;
	epoll_fd = host_epoll_create();
	if (epoll_fd < 0)
		return false;
	if (host_thread_create(&thread, "notifier", 64 * 1024, notifier_main, NULL) < 0) {
		host_close(epoll_fd);
		epoll_fd = -1;
		return false;
	}
	return true;
}

void notifier_arm(struct notify *n, short events)
{
	struct epoll_event ev = { .data.fd = n->fd };
	int r;

	mutex_lock(&notifier_lock);
	if ((n->armed & events) == events || !start_locked())
		goto out;
	n->armed |= events;
	ev.events = (uint32_t)(unsigned short)n->armed | EPOLLONESHOT;
	r = host_epoll_ctl(epoll_fd, n->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, n->fd, &ev);
	if (r == 0 && !n->known) {
		n->known = true;
		list_push_back(&known, &n->link);
	}
	if (r < 0)
		n->armed = 0; /* -EPERM: a file that is always ready */
out:
	mutex_unlock(&notifier_lock);
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
