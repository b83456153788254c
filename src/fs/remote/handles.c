/*
 * Host descriptors of remote inodes. They are opened when something needs
 * them, from the nearest ancestor that has one, and kept on a list; when there
 * are too many, those used longest ago are closed. Whoever uses one holds a
 * reference, so closing never pulls it away.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "fs/remote/internal.h"

#define DEPTH_MAX 4096

static struct hostfd **handle_slot(struct rnode *n, enum handle how)
{
	return how == HANDLE_PATH ? &n->path_fd : how == HANDLE_READ ? &n->read_fd : &n->write_fd;
}

static void drop_slot_locked(struct rnode *n, struct hostfd **slot)
{
	if (!*slot)
		return;
	hostfd_put(*slot);
	*slot = NULL;
	n->remote->nhandles--;
}

void handles_drop_locked(struct rnode *n)
{
	drop_slot_locked(n, &n->path_fd);
	drop_slot_locked(n, &n->read_fd);
	drop_slot_locked(n, &n->write_fd);
	list_del(&n->lru);
}

/* The root's own handle is kept apart and never closed. */
static void keep_locked(struct rnode *n, struct hostfd **slot, struct hostfd *h)
{
	struct remote *rm = n->remote;

	*slot = hostfd_get(h);
	rm->nhandles++;
	list_del(&n->lru);
	list_push_back(&rm->lru, &n->lru);
	while (rm->nhandles > rm->handles_max && !list_empty(&rm->lru)) {
		struct rnode *old = list_first(&rm->lru, struct rnode, lru);

		if (old == n)
			break;
		handles_drop_locked(old);
	}
}

/* A name may have been given to another file meanwhile. */
static int check_identity(struct rnode *n, int fd)
{
	struct statx stx;
	int r = n->remote->ops->fstat(fd, &stx);

	if (r < 0)
		return r;
	if (stx.stx_ino != n->inode.ino ||
	    (((uint64_t)stx.stx_dev_major << 32) | stx.stx_dev_minor) != n->dev)
		return -ESTALE;
	return 0;
}

static int open_flags(enum handle how)
{
	switch (how) {
	case HANDLE_PATH:
		return O_PATH | O_DIRECTORY;
	case HANDLE_READ:
		return O_RDONLY;
	default:
		return O_RDWR;
	}
}

/* A snapshot of the place, taken under the lock. */
static int place_of(struct rnode *n, struct rnode **parent, char *name)
{
	struct remote *rm = n->remote;
	int r = 0;

	mutex_lock(&rm->lock);
	if (!n->parent || n->is_gone) {
		r = n->is_gone ? -ESTALE : -EINVAL;
	} else {
		inode_get(&n->parent->inode);
		*parent = n->parent;
		strcpy(name, n->name);
	}
	mutex_unlock(&rm->lock);
	return r;
}

static int open_fresh(struct rnode *n, enum handle how, unsigned depth, struct hostfd **out);

static int handle_get_depth(struct rnode *n, enum handle how, unsigned depth, struct hostfd **out)
{
	struct remote *rm = n->remote;
	struct hostfd **slot = handle_slot(n, how), *h = NULL;
	int r;

	*out = NULL;
	if (how == HANDLE_PATH && !n->parent) {
		*out = hostfd_get(rm->root_fd);
		return 0;
	}
	mutex_lock(&rm->lock);
	if (*slot) {
		h = hostfd_get(*slot);
		list_del(&n->lru);
		list_push_back(&rm->lru, &n->lru);
	} else if (how == HANDLE_READ && n->write_fd) {
		h = hostfd_get(n->write_fd);
	}
	mutex_unlock(&rm->lock);
	if (h) {
		*out = h;
		return 0;
	}
	r = open_fresh(n, how, depth, &h);
	if (r < 0)
		return r;
	mutex_lock(&rm->lock);
	if (!*slot)
		keep_locked(n, slot, h);
	mutex_unlock(&rm->lock);
	*out = h;
	return 0;
}

static int open_fresh(struct rnode *n, enum handle how, unsigned depth, struct hostfd **out)
{
	struct remote *rm = n->remote;
	struct rnode *parent = NULL;
	struct hostfd *dir;
	char name[256];
	int fd, r;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	if (!n->parent) {
		/* A mount of one file: its own handle is the way to it. */
		char self[64];

		snprintf(self, sizeof(self), "/proc/self/fd/%d", rm->root_fd->fd);
		fd = host_openat(AT_FDCWD, self, open_flags(how) | O_CLOEXEC | O_NOCTTY, 0);
		return fd < 0 ? fd : hostfd_create(fd, "bound file", out);
	}
	r = place_of(n, &parent, name);
	if (r < 0)
		return r;
	r = handle_get_depth(parent, HANDLE_PATH, depth + 1, &dir);
	if (r == 0) {
		fd = rm->ops->open(dir->fd, name, open_flags(how), 0);
		hostfd_put(dir);
		r = fd < 0 ? fd : check_identity(n, fd);
		if (r < 0 && fd >= 0)
			host_close(fd);
		if (r == 0)
			r = hostfd_create(fd, "remote file", out);
	}
	inode_put(&parent->inode);
	return r;
}

int handle_get(struct rnode *n, enum handle how, struct hostfd **out)
{
	return handle_get_depth(n, how, 0, out);
}

int handle_place(struct rnode *n, struct hostfd **dir, char *buf)
{
	struct rnode *parent;
	int r = place_of(n, &parent, buf);

	if (r < 0)
		return r;
	r = handle_get(parent, HANDLE_PATH, dir);
	inode_put(&parent->inode);
	return r;
}
