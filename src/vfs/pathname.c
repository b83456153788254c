/*
 * Names of places: from a path back to text.
 *
 * The text is built from its end backwards in the caller's buffer. A rename
 * meanwhile could mix two states, so dcache_rename_seq is compared and the walk
 * done again (a few times: then the mixture is as good as either).
 */
#include <string.h>
#include <stdio.h>
#include <sys/stat.h>

#include "vfs/internal.h"
#include "vfs/nsfs.h"

#define RETRIES 8
#define UNREACHABLE "(unreachable)"

/* Prepends one name and goes up; p is a reference. 1: went up; 0: p is the top
 * (of the tree or of a detached mount). */
static int prepend_step(struct path *p, char *buf, char **at)
{
	struct dentry *parent;

	if (!p->mount && dentry_is_root(p->dentry))
		return 0;
	if (p->mount && (path_is_mount_root(p) || dentry_is_root(p->dentry)))
		return mount_cross_up(p) ? 1 : 0;
	parent = dentry_prepend_name(p->dentry, buf, at);
	if (!parent || *at == buf) {
		dentry_put(parent);
		return -ENAMETOOLONG;
	}
	*--*at = '/';
	dentry_put(p->dentry);
	p->dentry = parent;
	return 1;
}

/* Builds the name in the end of buf; *at points to it. 1: root was reached. */
static int prepend_all(const struct path *start, const struct path *root, char *buf, char **at)
{
	struct path p = *start;
	int r = 1;

	dentry_get(p.dentry);
	if (p.mount)
		mount_get(p.mount);
	while (!(root && path_equal(&p, root))) {
		r = prepend_step(&p, buf, at);
		if (r <= 0)
			break;
		r = 1;
	}
	path_put(&p);
	return r;
}

int path_build(const struct path *p, const struct path *root, char *buf, char *end, char **at)
{
	int r = 0;

	for (int i = 0; i < RETRIES; i++) {
		unsigned seq = atomic_load(&dcache_rename_seq);

		*at = end;
		r = prepend_all(p, root, buf, at);
		if (!(seq & 1) && seq == atomic_load(&dcache_rename_seq))
			break;
	}
	if (r < 0)
		return r;
	if (*at == end) {
		if (*at == buf)
			return -ENAMETOOLONG;
		*--*at = '/';
	}
	return r;
}

static ssize_t name_of(const struct path *p, const struct path *root, bool mark_unreachable,
		       char *buf, size_t size)
{
	size_t prefix, len;
	char *at;
	int r;

	if (size < 2)
		return -ERANGE;
	r = path_build(p, root, buf, buf + size - 1, &at);
	if (r < 0)
		return size < 4096 ? -ERANGE : r;
	prefix = r == 0 && mark_unreachable ? sizeof(UNREACHABLE) - 1 : 0;
	len = (size_t)(buf + size - 1 - at);
	if (prefix + len + 1 > size)
		return size < 4096 ? -ERANGE : -ENAMETOOLONG;
	memmove(buf + prefix, at, len);
	memcpy(buf, UNREACHABLE, prefix);
	buf[prefix + len] = '\0';
	return (ssize_t)(prefix + len + 1);
}

ssize_t path_name(const struct path *p, const struct path *root, char *buf, size_t size)
{
	return name_of(p, root, root != NULL, buf, size);
}

/* ---- names of open files ---- */

static ssize_t describe_anon(struct file *f, char *buf, size_t size)
{
	const struct ns *ns = nsfs_ns(f->inode);
	int len;

	if (ns)
		len = snprintf(buf, size, "%s:[%llu]", ns_kind_name(ns->ops->kind),
			       (unsigned long long)ns->ino);
	else if (S_ISFIFO(f->inode->mode))
		len = snprintf(buf, size, "pipe:[%llu]", (unsigned long long)f->inode->ino);
	else if (S_ISSOCK(f->inode->mode))
		len = snprintf(buf, size, "socket:[%llu]", (unsigned long long)f->inode->ino);
	else
		len = snprintf(buf, size, "anon_inode:[%s]", f->ops->name ? f->ops->name : "?");
	return MIN((ssize_t)len, (ssize_t)size - 1);
}

/* Appends " (deleted)" to the len bytes in buf; -ENAMETOOLONG. */
static ssize_t append_deleted(char *buf, ssize_t len, size_t size)
{
	static const char deleted[] = " (deleted)";

	if ((size_t)len + sizeof(deleted) > size)
		return -ENAMETOOLONG;
	memcpy(buf + len, deleted, sizeof(deleted));
	return len + (ssize_t)sizeof(deleted) - 1;
}

ssize_t file_describe(struct file *f, const struct vfs_ctx *ctx, char *buf, size_t size)
{
	ssize_t len;

	if (size < 2)
		return -ENAMETOOLONG;
	if (dentry_has(f->path.dentry, DENTRY_ANON) && !f->path.mount->vfs)
		return describe_anon(f, buf, size);
	len = name_of(&f->path, f->path.mount->vfs ? &ctx->root : NULL, false, buf, size);
	if (len < 0)
		return len;
	len--;
	return path_is_deleted(&f->path) ? append_deleted(buf, len, size) : len;
}

size_t inode_name(struct inode *inode, char *buf, size_t size)
{
	struct vfs *v = atomic_load(&inode->sb->vfs);
	struct path p = { .mount = v ? mount_find_super(v, inode->sb) : NULL };
	char *at, *end = buf + size - 1;
	ssize_t len;

	if (size < 2)
		return 0;
	p.dentry = dentry_of_inode(inode);
	if (!p.dentry || dentry_has(p.dentry, DENTRY_ANON) ||
	    path_build(&p, NULL, buf, end, &at) < 0) {
		dentry_put(p.dentry);
		mount_put(p.mount);
		return 0;
	}
	len = end - at;
	memmove(buf, at, (size_t)len);
	buf[len] = '\0';
	if (path_is_deleted(&p)) {
		ssize_t more = append_deleted(buf, len, size);

		len = more < 0 ? len : more;
	}
	path_put(&p);
	return (size_t)len;
}
