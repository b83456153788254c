/*
 * Handles of remote inodes. They are opened when something needs them and kept
 * on a list; when there are too many, those used longest ago are closed. Whoever
 * uses one holds a reference, so closing never pulls it away. Those of files
 * that guests have open are on no list and stay (invariant 2).
 *
 * A directory's handle is opened from the nearest ancestor that has one: the
 * places up to it are collected under the lock, then opened one by one downwards
 * without it. Places may be wrong by then; each step compares the identity.
 */
#include <stdlib.h>

#include "base/fault.h"
#include "base/pool.h"
#include "fs/remote/internal.h"

static POOL_DEFINE(handle_pool, struct remote_handle);

#define DEPTH_MAX 65536
#define PLACES_TRIED 16

/* ---- references ---- */

struct remote_handle *remote_handle_create(struct remote_backend *b, struct hostfd *host,
					   uint64_t id)
{
	struct remote_handle *h = pool_alloc(&handle_pool);

	if (!h) {
		hostfd_put(host);
		return NULL;
	}
	h->backend = b;
	refcount_init(&h->refs, 1);
	h->host = host;
	h->id = id;
	return h;
}

struct remote_handle *remote_handle_get(struct remote_handle *h)
{
	refcount_get(&h->refs);
	return h;
}

void remote_handle_put(struct remote_handle *h)
{
	if (!h || !refcount_put(&h->refs))
		return;
	if (h->backend->ops->close)
		h->backend->ops->close(h);
	hostfd_put(h->host);
	pool_free(&handle_pool, h);
}

/* ---- keeping ---- */

void handles_take_locked(struct rnode *n, struct remote_handle *out[HANDLE_KINDS])
{
	for (int i = 0; i < HANDLE_KINDS; i++) {
		out[i] = n->handles[i];
		n->remote->nhandles -= n->handles[i] != NULL;
		n->handles[i] = NULL;
	}
	list_del(&n->lru);
}

/* One inode's handles are given up; false: there is none to give up. */
static bool shrink(struct remote *rm, const struct rnode *but)
{
	struct remote_handle *taken[HANDLE_KINDS] = { 0 };
	bool found = false;

	mutex_lock(&rm->lock);
	if (!list_empty(&rm->lru)) {
		struct rnode *old = list_first(&rm->lru, struct rnode, lru);

		found = old != but;
		if (found)
			handles_take_locked(old, taken);
	}
	mutex_unlock(&rm->lock);
	for (int i = 0; i < HANDLE_KINDS; i++)
		remote_handle_put(taken[i]);
	return found;
}

static void lru_touch_locked(struct rnode *n)
{
	list_del(&n->lru);
	if (n->users == 0 && !n->keeps_handles)
		list_push_back(&n->remote->lru, &n->lru);
}

static bool is_worth_keeping(const struct rnode *n, enum handle how)
{
	switch (how) {
	case HANDLE_PATH:
		return S_ISDIR(n->id.type);
	case HANDLE_READ:
		return true;
	default:
		return n->writers > 0;
	}
}

static void keep(struct rnode *n, enum handle how, struct remote_handle *h)
{
	struct remote *rm = n->remote;
	bool too_many;

	mutex_lock(&rm->lock);
	if (!n->handles[how] && is_worth_keeping(n, how)) {
		n->handles[how] = remote_handle_get(h);
		rm->nhandles++;
		lru_touch_locked(n);
	}
	too_many = rm->nhandles > rm->handles_max;
	mutex_unlock(&rm->lock);
	if (too_many)
		(void)shrink(rm, n);
}

void handles_keep(struct rnode *n, enum handle how, struct remote_handle *h)
{
	mutex_lock(&n->remote->lock);
	n->keeps_handles = true;
	n->handles[how] = remote_handle_get(h);
	n->remote->nhandles++;
	list_del(&n->lru);
	mutex_unlock(&n->remote->lock);
}

/* Invariant 3: out come the handles that can write when nobody does. */
static void take_writing_locked(struct rnode *n, struct remote_handle *out[2])
{
	if (n->writers > 0 || n->keeps_handles)
		return;
	for (int i = 0; i < 2; i++) {
		out[i] = n->handles[HANDLE_RDWR + i];
		n->handles[HANDLE_RDWR + i] = NULL;
		n->remote->nhandles -= out[i] != NULL;
	}
}

void handles_lend(struct rnode *n, struct remote_handle *h)
{
	mutex_lock(&n->remote->lock);
	if (!n->handles[HANDLE_RDWR]) {
		n->handles[HANDLE_RDWR] = remote_handle_get(h);
		n->remote->nhandles++;
		lru_touch_locked(n);
	}
	mutex_unlock(&n->remote->lock);
}

void handles_end_loan(struct rnode *n)
{
	struct remote_handle *drop[2] = { NULL, NULL };

	mutex_lock(&n->remote->lock);
	take_writing_locked(n, drop);
	mutex_unlock(&n->remote->lock);
	remote_handle_put(drop[0]);
	remote_handle_put(drop[1]);
}

void handles_use(struct rnode *n, bool write)
{
	mutex_lock(&n->remote->lock);
	n->users++;
	n->writers += write;
	list_del(&n->lru);
	mutex_unlock(&n->remote->lock);
}

void handles_unuse(struct rnode *n, bool write)
{
	struct remote_handle *drop[2] = { NULL, NULL };
	struct remote *rm = n->remote;

	mutex_lock(&rm->lock);
	n->users--;
	n->writers -= write;
	take_writing_locked(n, drop);
	if (n->handles[HANDLE_READ] || n->handles[HANDLE_PATH])
		lru_touch_locked(n);
	mutex_unlock(&rm->lock);
	remote_handle_put(drop[0]);
	remote_handle_put(drop[1]);
}

/* ---- opening ---- */

static int open_flags(enum handle how)
{
	static const int flags[HANDLE_ALL_KINDS] = {
		[HANDLE_PATH] = O_PATH,
		[HANDLE_READ] = O_RDONLY,
		[HANDLE_RDWR] = O_RDWR,
		[HANDLE_WRONLY] = O_WRONLY,
		[HANDLE_DIRECT_READ] = O_RDONLY | O_DIRECT,
		[HANDLE_DIRECT_RDWR] = O_RDWR | O_DIRECT,
		[HANDLE_DIRECT_WRONLY] = O_WRONLY | O_DIRECT,
	};

	return flags[how];
}

/* Opens the name and compares what was opened with n. */
static int open_checked(struct rnode *n, struct remote_handle *dir, const char *name,
			enum handle how, struct remote_handle **out)
{
	struct remote *rm = n->remote;
	struct remote_handle *h;
	struct identity id;
	struct statx stx;
	int r;

	if (how != HANDLE_PATH && !S_ISREG(n->id.type))
		return -ENXIO; /* devices, sockets, fifos: never */
	do
		r = rm->ops->open(dir, name, open_flags(how), 0, &h);
	while ((r == -EMFILE || r == -ENFILE) && shrink(rm, n));
	if (r < 0)
		return r;
	r = rm->ops->getattr(h, &stx);
	if (r == 0) {
		identity_of(&stx, &id);
		r = identity_equal(&id, &n->id) ? 0 : -ESTALE;
	}
	if (r < 0)
		remote_handle_put(h);
	else
		*out = h;
	return r;
}

static struct remote_handle *kept_locked(struct rnode *n, enum handle how)
{
	struct remote_handle *h = n->handles[how];

	if (n == n->remote->root && (how == HANDLE_PATH || S_ISREG(n->id.type)))
		h = n->remote->root_handle;
	if (!h && how == HANDLE_READ)
		h = n->handles[HANDLE_RDWR];
	if (!h)
		return NULL;
	if (!list_empty(&n->lru))
		lru_touch_locked(n);
	return remote_handle_get(h);
}

struct remote_handle *handle_peek(struct rnode *n)
{
	struct remote_handle *h = NULL;

	mutex_lock(&n->remote->lock);
	for (int i = 0; i < HANDLE_KINDS && !h; i++)
		h = kept_locked(n, (enum handle)i);
	mutex_unlock(&n->remote->lock);
	return h;
}

/* The places from d up to an ancestor with a handle, which is returned. */
struct climb {
	struct place **places;
	size_t count, capacity;
	struct remote_handle *from;
};

static int climb_locked(struct rnode *d, struct climb *c)
{
	while (!(c->from = kept_locked(d, HANDLE_PATH))) {
		struct place *p;

		if (list_empty(&d->places) || c->count == DEPTH_MAX)
			return -ESTALE;
		if (c->count == c->capacity) {
			size_t cap = c->capacity ? c->capacity * 2 : 16;
			struct place **grown = realloc(c->places, cap * sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			c->places = grown;
			c->capacity = cap;
		}
		p = list_first(&d->places, struct place, link);
		refcount_get(&p->refs);
		c->places[c->count++] = p;
		d = p->parent;
	}
	return 0;
}

static void climb_fini(struct climb *c)
{
	for (size_t i = 0; i < c->count; i++)
		place_put(c->places[i]);
	free(c->places);
}

/* The node of places[i] is the parent of the place below it; of the lowest, d. */
static int dir_handle(struct rnode *d, struct remote_handle **out)
{
	struct climb c = { 0 };
	struct remote_handle *h;
	int r;

	mutex_lock(&d->remote->lock);
	r = climb_locked(d, &c);
	mutex_unlock(&d->remote->lock);
	h = c.from;
	for (size_t i = c.count; r == 0 && i-- > 0;) {
		struct rnode *n = i == 0 ? d : c.places[i - 1]->parent;
		struct remote_handle *next;

		r = open_checked(n, h, c.places[i]->name, HANDLE_PATH, &next);
		if (r < 0)
			break;
		keep(n, HANDLE_PATH, next);
		remote_handle_put(h);
		h = next;
	}
	climb_fini(&c);
	if (r < 0) {
		remote_handle_put(h);
		return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? -ESTALE : r;
	}
	*out = h;
	return 0;
}

int handle_place(struct rnode *n, struct remote_handle **dir, struct place **place)
{
	struct place *p = place_first(n);
	int r = p ? dir_handle(p->parent, dir) : -ESTALE;

	if (r < 0)
		place_put(p);
	else
		*place = p;
	return r;
}

static bool means_gone(int r)
{
	return r == -ENOENT || r == -ESTALE || r == -ENOTDIR || r == -ELOOP;
}

/* By each place in turn, until one leads to the file. */
static int open_by_place(struct rnode *n, enum handle how, struct remote_handle **out)
{
	struct remote_handle *dir;
	struct place *p;
	int r = -ESTALE;

	for (int i = 0; i < PLACES_TRIED; i++) {
		bool is_only;

		r = handle_place(n, &dir, &p);
		if (r < 0)
			return r;
		r = open_checked(n, dir, p->name, how, out);
		remote_handle_put(dir);
		mutex_lock(&n->remote->lock);
		is_only = p->link.next == p->link.prev;
		mutex_unlock(&n->remote->lock);
		if (means_gone(r) && !is_only)
			place_remove_one(n, p);
		place_put(p);
		if (!means_gone(r) || is_only)
			break;
	}
	return means_gone(r) ? -ESTALE : r;
}

int handle_get(struct rnode *n, enum handle how, struct remote_handle **out)
{
	int r;

	mutex_lock(&n->remote->lock);
	*out = kept_locked(n, how);
	mutex_unlock(&n->remote->lock);
	if (*out)
		return 0;
	r = S_ISDIR(n->id.type) && how == HANDLE_PATH ? dir_handle(n, out)
						      : open_by_place(n, how, out);
	if (r == 0)
		keep(n, how, *out);
	return r;
}

int handle_open_direct(struct rnode *n, bool write, struct remote_handle **out)
{
	int r = open_by_place(n, write ? HANDLE_DIRECT_RDWR : HANDLE_DIRECT_READ, out);

	return r == -EACCES && write ? open_by_place(n, HANDLE_DIRECT_WRONLY, out) : r;
}

int handle_get_for(struct rnode *n, bool write, struct remote_handle **out)
{
	int r = handle_get(n, write ? HANDLE_RDWR : HANDLE_READ, out);

	if (r == -EACCES && write)
		r = handle_get(n, HANDLE_WRONLY, out);
	return r;
}
