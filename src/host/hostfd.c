#include "host/hostfd.h"

#include "base/lock.h"
#include "base/pool.h"
#include "host/host.h"

static POOL_DEFINE(hostfd_pool, struct hostfd);
static struct mutex list_lock = MUTEX_INIT(LOCK_HOSTFD);
static struct list all_hostfds = LIST_INIT(all_hostfds);

int hostfd_create(int fd, const char *what, struct hostfd **out)
{
	struct hostfd *h = pool_alloc(&hostfd_pool);

	*out = NULL;
	if (!h) {
		host_close(fd);
		return -ENOMEM;
	}
	h->fd = fd;
	h->what = what;
	refcount_init(&h->refs, 1);
	mutex_lock(&list_lock);
	list_push_back(&all_hostfds, &h->link);
	mutex_unlock(&list_lock);
	*out = h;
	return 0;
}

struct hostfd *hostfd_get(struct hostfd *h)
{
	refcount_get(&h->refs);
	return h;
}

void hostfd_put(struct hostfd *h)
{
	if (!h || !refcount_put(&h->refs))
		return;
	mutex_lock(&list_lock);
	list_del(&h->link);
	mutex_unlock(&list_lock);
	host_close(h->fd);
	pool_free(&hostfd_pool, h);
}

void hostfd_for_each(void (*fn)(const struct hostfd *h, void *arg), void *arg)
{
	mutex_lock(&list_lock);
	list_for_each(h, &all_hostfds, struct hostfd, link)
		fn(h, arg);
	mutex_unlock(&list_lock);
}
