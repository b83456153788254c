/*
 * Names of AF_UNIX sockets: a path (a socket inode, whose `special` leads to the
 * socket while it lives) or an abstract name (a table of the sandbox).
 *
 * Lock: names_lock (LOCK_SOCKET_NAMES) guards the table, inode->special of socket
 * inodes, and the list of all sockets. A lookup takes its reference under it; a
 * socket that closes takes itself out under it, so that what is found is alive or
 * says that it is dead (connect and send look at `dead`).
 */
#include <string.h>
#include <stdio.h>
#include <sys/stat.h>

#include "abi/errno.h"
#include "base/hash.h"
#include "net/unix/unix.h"

#define BUCKETS 256u
#define AUTOBIND_NAMES 0x100000u
#define MAY_WRITE_MASK 2
#define PATH_OFF offsetof(struct sockaddr_un, sun_path)

static struct mutex names_lock = MUTEX_INIT(LOCK_SOCKET_NAMES);
static struct list buckets[BUCKETS];                     /* [names] */
static bool buckets_ready;                               /* [names] */
static struct list all_sockets = LIST_INIT(all_sockets); /* [names] */
static POOL_DEFINE(addr_pool, struct unix_addr);

/* ---- the address as an object ---- */

/* -EINVAL: not an AF_UNIX address with a name. A path gets its NUL. */
static int addr_check(const struct socket_addr *a)
{
	if (a->size <= PATH_OFF || a->size > sizeof(struct sockaddr_un) || a->family != AF_UNIX)
		return -EINVAL;
	return 0;
}

static bool addr_is_abstract(const struct unix_addr *a)
{
	return a->un.sun_path[0] == '\0';
}

static struct unix_addr *addr_new(const void *un, uint32_t size)
{
	struct unix_addr *a = pool_alloc(&addr_pool);

	if (!a)
		return NULL;
	refcount_init(&a->refs, 1);
	memcpy(&a->un, un, size);
	a->size = size;
	list_init(&a->hash_link);
	if (!addr_is_abstract(a))
		a->size = (uint32_t)(PATH_OFF + strnlen(a->un.sun_path, size - PATH_OFF) + 1);
	return a;
}

void unix_addr_put(struct unix_addr *a)
{
	if (a && refcount_put(&a->refs))
		pool_free(&addr_pool, a);
}

void unix_name_of(const struct unix_sock *u, struct socket_addr *out)
{
	const struct unix_addr *a =
		atomic_load_explicit(&u->addr, memory_order_acquire); /* pairs with publish() */

	out->size = a ? a->size : 0;
	if (a)
		memcpy(out->bytes, &a->un, a->size);
}

/* ---- the table of abstract names ---- */

static struct list *bucket_of(const void *un, uint32_t size)
{
	if (!buckets_ready) {
		for (unsigned i = 0; i < BUCKETS; i++)
			list_init(&buckets[i]);
		buckets_ready = true;
	}
	return &buckets[hash_bytes(un, size) % BUCKETS];
}

static struct unix_addr *abstract_find_locked(const void *un, uint32_t size)
{
	list_for_each(a, bucket_of(un, size), struct unix_addr, hash_link) {
		if (a->size == size && !memcmp(&a->un, un, size))
			return a;
	}
	return NULL;
}

static int abstract_claim(struct unix_addr *a, struct unix_sock *u)
{
	int r = -EADDRINUSE;

	mutex_lock(&names_lock);
	if (!abstract_find_locked(&a->un, a->size)) {
		list_push_back(bucket_of(&a->un, a->size), &a->hash_link);
		a->owner = u;
		r = 0;
	}
	mutex_unlock(&names_lock);
	return r;
}

/* ---- binding ---- */

/* One bind at a time, and only one ever: -EINVAL. */
static int bind_begin(struct unix_sock *u)
{
	int r = -EINVAL;

	mutex_lock(&u->s.lock);
	if (!u->is_binding && !atomic_load(&u->addr)) {
		u->is_binding = true;
		r = 0;
	}
	mutex_unlock(&u->s.lock);
	return r;
}

/* a is NULL when it failed. Its reference goes to u. */
static void bind_end(struct unix_sock *u, struct unix_addr *a, const struct path *p)
{
	mutex_lock(&u->s.lock);
	u->is_binding = false;
	if (p)
		u->path = *p;
	if (a) /* pairs with unix_name_of() */
		atomic_store_explicit(&u->addr, a, memory_order_release);
	mutex_unlock(&u->s.lock);
}

static int bind_path(struct unix_sock *u, struct unix_addr *a, const struct vfs_ctx *ctx)
{
	struct path p;
	int r = vfs_mksocket(ctx, a->un.sun_path, 0777 & ~ctx->umask, &p);

	if (r < 0)
		return r;
	mutex_lock(&names_lock);
	atomic_store(&path_inode(&p)->special, u);
	mutex_unlock(&names_lock);
	bind_end(u, a, &p);
	return 0;
}

int unix_bind(struct socket *s, const struct socket_addr *addr, const struct vfs_ctx *ctx)
{
	struct unix_sock *u = unix_of(s);
	struct unix_addr *a;
	int r;

	if (addr->size == sizeof(addr->family) && addr->family == AF_UNIX)
		return unix_autobind(u);
	r = addr_check(addr);
	if (r == 0)
		r = bind_begin(u);
	if (r < 0)
		return r;
	a = addr_new(addr->bytes, addr->size);
	if (!a) {
		r = -ENOMEM;
	} else if (!addr_is_abstract(a)) {
		r = bind_path(u, a, ctx);
	} else {
		r = abstract_claim(a, u);
		if (r == 0)
			bind_end(u, a, NULL);
	}
	if (r < 0) {
		bind_end(u, NULL, NULL);
		unix_addr_put(a);
	}
	return r;
}

/* Five hexadecimal digits that nobody has. A socket that has a name keeps it. */
int unix_autobind(struct unix_sock *u)
{
	static atomic_uint next;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct unix_addr *a;
	int r;

	if (atomic_load(&u->addr) || bind_begin(u) < 0)
		return 0;
	a = addr_new(&un, PATH_OFF + 6);
	r = a ? -EADDRINUSE : -ENOMEM;
	for (unsigned i = 0; r == -EADDRINUSE && i < AUTOBIND_NAMES; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%05x", atomic_fetch_add(&next, 1) % AUTOBIND_NAMES);
		memcpy(a->un.sun_path + 1, name, 5);
		r = abstract_claim(a, u);
	}
	if (r < 0) {
		unix_addr_put(a);
		a = NULL;
	}
	bind_end(u, a, NULL);
	return r == -EADDRINUSE ? -ENOSPC : r;
}

void unix_unbind(struct unix_sock *u)
{
	struct unix_addr *a = atomic_load(&u->addr);
	struct path p;

	mutex_lock(&names_lock);
	if (a && a->owner == u) {
		list_del(&a->hash_link);
		a->owner = NULL;
	}
	if (u->path.dentry)
		atomic_store(&path_inode(&u->path)->special, NULL);
	p = u->path;
	u->path = (struct path){ NULL, NULL };
	mutex_unlock(&names_lock);
	path_put(&p);
}

/* ---- finding ---- */

static int find_path(const struct socket_addr *addr, const struct vfs_ctx *ctx,
		     struct unix_sock **out)
{
	char name[UNIX_NAME_MAX + 1];
	size_t len = strnlen((const char *)addr->bytes + PATH_OFF, addr->size - PATH_OFF);
	struct inode *inode;
	struct path p;
	int r;

	memcpy(name, addr->bytes + PATH_OFF, len);
	name[len] = '\0';
	r = vfs_lookup(ctx, NULL, name, LOOKUP_FOLLOW, &p);
	if (r < 0)
		return r;
	inode = path_inode(&p);
	r = vfs_permission(ctx, inode, MAY_WRITE_MASK);
	if (r == 0 && !S_ISSOCK(inode->mode))
		r = -ECONNREFUSED;
	if (r == 0) {
		mutex_lock(&names_lock);
		*out = atomic_load(&inode->special);
		if (*out)
			unix_get(*out);
		mutex_unlock(&names_lock);
		r = *out ? 0 : -ECONNREFUSED;
	}
	path_put(&p);
	return r;
}

static int find_abstract(const struct socket_addr *addr, struct unix_sock **out)
{
	struct unix_addr *a;

	mutex_lock(&names_lock);
	a = abstract_find_locked(addr->bytes, addr->size);
	if (a) {
		*out = a->owner;
		unix_get(*out);
	}
	mutex_unlock(&names_lock);
	return a ? 0 : -ECONNREFUSED;
}

int unix_find(const struct socket_addr *addr, int type, const struct vfs_ctx *ctx,
	      struct unix_sock **out)
{
	int r = addr_check(addr);

	*out = NULL;
	if (r < 0)
		return r;
	r = addr->bytes[PATH_OFF] ? find_path(addr, ctx, out) : find_abstract(addr, out);
	if (r == 0 && (*out)->s.type != type) {
		unix_put(*out);
		*out = NULL;
		r = -EPROTOTYPE;
	}
	return r;
}

/* ---- the list of all ---- */

void unix_list_add(struct unix_sock *u)
{
	mutex_lock(&names_lock);
	list_push_back(&all_sockets, &u->all_link);
	mutex_unlock(&names_lock);
}

void unix_list_del(struct unix_sock *u)
{
	mutex_lock(&names_lock);
	list_del(&u->all_link);
	mutex_unlock(&names_lock);
}

/* The text that /proc/net/unix shows. */
static void name_text(const struct unix_sock *u, char *buf, size_t size)
{
	const struct unix_addr *a = atomic_load(&u->addr);
	size_t n = a ? a->size - PATH_OFF : 0;

	*buf = '\0';
	if (!a)
		return;
	if (!addr_is_abstract(a)) {
		snprintf(buf, size, "%s", a->un.sun_path);
		return;
	}
	n = MIN(n, size - 1);
	for (size_t i = 0; i < n; i++)
		buf[i] = a->un.sun_path[i] ? a->un.sun_path[i] : '@';
	buf[n] = '\0';
}

static void fill_info(struct unix_sock *u, struct socket_info *si)
{
	struct file *f;

	si->family = AF_UNIX;
	si->type = u->s.type;
	si->refs = refcount_read(&u->s.refs) + 1;
	mutex_lock(&u->s.lock);
	f = u->dead ? NULL : atomic_load(&u->s.file);
	si->ino = f ? f->inode->ino : 0;
	si->flags = u->state == UNIX_LISTENING ? 1u << 16 : 0; /* __SO_ACCEPTCON */
	si->state = u->state == UNIX_CONNECTED ? 3 : 1;        /* SS_CONNECTED */
	mutex_unlock(&u->s.lock);
	name_text(u, si->name, sizeof(si->name));
}

/* Each with a reference, so that fn runs without the lock. */
void socket_for_each_unix(void (*fn)(const struct socket_info *si, void *arg), void *arg)
{
	struct unix_sock *u = NULL, *next;

	for (;;) {
		struct list *at;

		mutex_lock(&names_lock);
		/* One that has left the list meanwhile points to itself: stop. */
		at = u ? u->all_link.next : all_sockets.next;
		next = at == &all_sockets || (u && at == &u->all_link)
			       ? NULL
			       : list_entry(at, struct unix_sock, all_link);
		if (next && !refcount_get_not_zero(&next->s.refs))
			next = NULL;
		mutex_unlock(&names_lock);
		unix_put(u);
		u = next;
		if (!u)
			break;
		struct socket_info si;

		fill_info(u, &si);
		fn(&si, arg);
	}
}
