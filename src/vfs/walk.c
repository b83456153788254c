/*
 * The path walk (path_resolution(7), openat2(2)).
 *
 * Model. A walk stands on `cur` and has text left: `rest`, and below it a stack
 * of what is left of outer names while a symlink's text is walked. Each step
 * takes one component off `rest`:
 *
 *	"."          stays                (directory and search permission first)
 *	".."         up, never above root; at a mount's root to the place it covers
 *	name         child; then down into what is mounted on it; a symlink is
 *	             pushed unless it is the last component and not to be followed
 *
 * An outer text is put on the stack only if it has components left, so "last
 * component" is: nothing but slashes in rest, and an empty stack. Slashes after
 * the last component ask for a directory, and for following.
 *
 * The order of errors is Linux's: ENOTDIR (cur is no directory), EACCES (may
 * not search it), ENAMETOOLONG, ENOENT, ELOOP.
 *
 * Scoped walks: RESOLVE_BENEATH and IN_ROOT make the start the root. BENEATH
 * fails where ".." or an absolute link would leave it, IN_ROOT stays at it.
 * ".." compares with the root path itself at every step; since a directory that
 * we passed may be moved out of the tree meanwhile, a scoped walk that used
 * ".." proves at its end that it is still inside (else -EAGAIN, -EXDEV).
 */
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "vfs/internal.h"

#define PATH_TEXT_MAX 4096

struct link_text {
	char bytes[PATH_TEXT_MAX];
};

static POOL_DEFINE(link_text_pool, struct link_text);

static bool is_scoped(const struct walk *w)
{
	return w->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT);
}

/* ---- begin and end ---- */

static int jump_to_root(struct walk *w)
{
	if (w->resolve & RESOLVE_BENEATH)
		return -EXDEV;
	if ((w->resolve & RESOLVE_NO_XDEV) && w->cur.mount && w->cur.mount != w->root.mount)
		return -EXDEV;
	path_get(&w->root);
	if (w->cur.mount)
		path_put(&w->cur);
	w->cur = w->root;
	return 0;
}

int walk_begin(struct walk *w, const struct vfs_ctx *ctx, const struct path *dir, const char *name,
	       unsigned flags, unsigned resolve)
{
	const struct path *start = dir && dir->dentry ? dir : &ctx->cwd;

	w->ctx = ctx;
	w->cur.mount = NULL;
	w->cur.dentry = NULL;
	w->flags = flags;
	w->resolve = resolve;
	w->links = 0;
	w->depth = 0;
	w->rest = name;
	w->last = name;
	w->last_len = 0;
	w->last_type = LAST_ROOT;
	w->trailing = false;
	w->root = is_scoped(w) ? *start : ctx->root;
	if (*name == '\0' && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	if (*name == '/')
		return jump_to_root(w);
	path_get(start);
	w->cur = *start;
	if (*name != '\0' && !S_ISDIR(path_inode(&w->cur)->mode)) {
		path_put(&w->cur);
		return -ENOTDIR;
	}
	return 0;
}

static void free_texts(struct walk *w)
{
	for (unsigned i = 0; i < w->links; i++)
		pool_free(&link_text_pool, w->text[i]);
	w->links = 0;
}

void walk_end(struct walk *w)
{
	free_texts(w);
	if (w->cur.dentry)
		path_put(&w->cur);
	dcache_shrink();
}

/* ---- steps ---- */

/* cur must be a directory that we may search. */
static int check_search(const struct walk *w)
{
	struct inode *inode = path_inode(&w->cur);

	if (unlikely(!inode))
		return -ENOENT;
	if (unlikely(!S_ISDIR(inode->mode)))
		return -ENOTDIR;
	if (likely((READ_ONCE(inode->mode) & 0111) == 0111))
		return 0;
	return vfs_permission(w->ctx, inode, MAY_EXEC);
}

static int step_up(struct walk *w)
{
	struct dentry *parent;

	if (path_equal(&w->cur, &w->root))
		return w->resolve & RESOLVE_BENEATH ? -EXDEV : 0;
	while (path_is_mount_root(&w->cur)) {
		if (!mount_cross_up(&w->cur))
			return 0;
		if (w->resolve & RESOLVE_NO_XDEV)
			return -EXDEV;
		if (path_equal(&w->cur, &w->root))
			goto out_down;
	}
	parent = dentry_get_parent(w->cur.dentry);
	dentry_put(w->cur.dentry);
	w->cur.dentry = parent;
out_down:
	if (mount_cross_down(&w->cur) && (w->resolve & RESOLVE_NO_XDEV))
		return -EXDEV;
	return 0;
}

/* A magic link: straight to where it leads. */
static int follow_magic(struct walk *w, struct inode *link)
{
	struct path to;
	int r;

	if (w->resolve & RESOLVE_NO_MAGICLINKS)
		return -ELOOP;
	r = link->ops->follow(link, w->ctx, &to);
	if (r < 0)
		return r;
	if (is_scoped(w) || ((w->resolve & RESOLVE_NO_XDEV) && to.mount != w->cur.mount)) {
		path_put(&to);
		return -EXDEV;
	}
	path_put(&w->cur);
	w->cur = to;
	return 0;
}

/* Puts the symlink's text on top of the rest. */
static int push_text(struct walk *w, struct inode *link)
{
	struct link_text *text = pool_alloc(&link_text_pool);
	ssize_t len;

	if (!text)
		return -ENOMEM;
	w->text[w->links++] = text;
	len = link->ops->readlink
		      ? link->ops->readlink(link, text->bytes, PATH_TEXT_MAX - 1, w->ctx)
		      : -EINVAL;
	if (len < 0)
		return (int)len;
	if (len == 0)
		return -ENOENT;
	text->bytes[len] = '\0';
	if (*w->rest != '\0')
		w->stack[w->depth++] = w->rest;
	w->rest = text->bytes;
	return *w->rest == '/' ? jump_to_root(w) : 0;
}

/* Follows a symlink found in cur. 1: its text is to be walked; 0: cur is there. */
static int follow_link(struct walk *w, struct inode *link)
{
	int r;

	if (w->links >= MAX_SYMLINKS || (w->resolve & RESOLVE_NO_SYMLINKS))
		return -ELOOP;
	if (link->ops->follow) {
		w->text[w->links++] = NULL;
		return follow_magic(w, link);
	}
	r = push_text(w, link);
	return r < 0 ? r : 1;
}

int walk_onto(struct walk *w, struct dentry *d, bool is_last)
{
	struct path next = { .mount = w->cur.mount, .dentry = d };
	struct inode *inode = dentry_inode(d);
	int r;

	if (unlikely(!inode)) {
		dentry_put(d);
		return -ENOENT;
	}
	if (unlikely(S_ISLNK(inode->mode)) && (!is_last || (w->flags & LOOKUP_FOLLOW))) {
		r = follow_link(w, inode);
		dentry_put(d);
		return r;
	}
	/* Next takes over cur's mount reference. */
	dentry_put(w->cur.dentry);
	w->cur = next;
	if (unlikely(atomic_load_explicit(&d->mounts, memory_order_relaxed) > 0) &&
	    mount_cross_down(&w->cur) && (w->resolve & RESOLVE_NO_XDEV))
		return -EXDEV;
	return 0;
}

static int step_to_child(struct walk *w, const char *name, size_t len, bool is_last)
{
	struct dentry *d;
	int r;

	if (unlikely(len > DENTRY_NAME_MAX))
		return -ENAMETOOLONG;
	r = dentry_lookup(w->cur.dentry, name, len, w->ctx, w->resolve & RESOLVE_CACHED, &d);
	if (unlikely(r < 0))
		return r;
	return walk_onto(w, d, is_last);
}

static enum last_type classify(const char *name, size_t len)
{
	if (likely(name[0] != '.') || len > 2)
		return LAST_NORM;
	if (len == 1)
		return LAST_DOT;
	return name[1] == '.' ? LAST_DOTDOT : LAST_NORM;
}

static int step(struct walk *w, enum last_type type, const char *name, size_t len, bool is_last)
{
	int r = check_search(w);

	if (unlikely(r < 0))
		return r;
	if (likely(type == LAST_NORM))
		return step_to_child(w, name, len, is_last);
	return type == LAST_DOTDOT ? step_up(w) : 0;
}

/* ---- the walk ---- */

static const char *skip_slashes(const char *s)
{
	while (*s == '/')
		s++;
	return s;
}

/* Takes the next component off the rest. False: there is none. */
static bool next_component(struct walk *w, const char **name, size_t *len)
{
	const char *end;

	w->rest = skip_slashes(w->rest);
	while (*w->rest == '\0') {
		if (w->depth == 0)
			return false;
		w->rest = skip_slashes(w->stack[--w->depth]);
	}
	*name = w->rest;
	for (end = w->rest; *end != '\0' && *end != '/'; end++)
		;
	*len = (size_t)(end - w->rest);
	w->trailing = *end == '/';
	w->rest = skip_slashes(end);
	return true;
}

int walk_to_last(struct walk *w)
{
	const char *name;
	size_t len;

	w->last_type = LAST_ROOT;
	while (next_component(w, &name, &len)) {
		enum last_type type = classify(name, len);
		int r;

		if (*w->rest == '\0' && w->depth == 0) {
			w->last = name;
			w->last_len = len;
			w->last_type = type;
			if (w->trailing)
				w->flags |= LOOKUP_FOLLOW | LOOKUP_DIRECTORY;
			return check_search(w);
		}
		r = step(w, type, name, len, false);
		if (unlikely(r < 0))
			return r;
	}
	return 0;
}

int walk_last(struct walk *w)
{
	switch (w->last_type) {
	case LAST_NORM:
		return step_to_child(w, w->last, w->last_len, true);
	case LAST_DOTDOT:
		return step_up(w);
	case LAST_DOT:
	case LAST_ROOT:
		break;
	}
	return 0;
}

/* A scoped walk must end inside its root, whatever was renamed meanwhile. */
static int check_scope(const struct walk *w)
{
	struct path p = w->cur;
	int r = -EXDEV;

	if (path_equal(&p, &w->root))
		return 0;
	path_get(&p);
	for (;;) {
		struct dentry *parent;

		if (path_equal(&p, &w->root)) {
			r = 0;
			break;
		}
		if (path_is_mount_root(&p)) {
			if (!mount_cross_up(&p))
				break;
			continue;
		}
		if (dentry_is_root(p.dentry))
			break;
		parent = dentry_get_parent(p.dentry);
		dentry_put(p.dentry);
		p.dentry = parent;
	}
	path_put(&p);
	return r;
}

int walk_run(struct walk *w)
{
	int r;

	do {
		r = walk_to_last(w);
		if (r == 0)
			r = walk_last(w);
	} while (r == 1);
	if (r < 0)
		return r;
	if ((w->flags & LOOKUP_DIRECTORY) && !S_ISDIR(path_inode(&w->cur)->mode))
		return -ENOTDIR;
	return unlikely(is_scoped(w)) ? check_scope(w) : 0;
}

int walk_parent(struct walk *w, const struct vfs_ctx *ctx, const struct path *dir, const char *name)
{
	int r = walk_begin(w, ctx, dir, name, 0, 0);

	if (r < 0)
		return r;
	r = walk_to_last(w);
	if (r < 0)
		walk_end(w);
	return r;
}

int vfs_lookup(const struct vfs_ctx *ctx, const struct path *dir, const char *name, unsigned flags,
	       struct path *out)
{
	struct walk w;
	int r;

	out->mount = NULL;
	out->dentry = NULL;
	r = walk_begin(&w, ctx, dir, name, flags, flags >> LOOKUP_RESOLVE_SHIFT);
	if (r < 0)
		return r;
	r = walk_run(&w);
	if (r == 0) {
		*out = w.cur;
		free_texts(&w);
		return 0;
	}
	walk_end(&w);
	return r;
}

ssize_t vfs_readlink(const struct vfs_ctx *ctx, const struct path *p, char *buf, size_t size)
{
	struct inode *inode = path_inode(p);

	if (!S_ISLNK(inode->mode) || !inode->ops->readlink)
		return -EINVAL;
	return inode->ops->readlink(inode, buf, size, ctx);
}
