/*
 * Open directories: the names of both sides as one list, made when the first
 * entry is asked for (again after a rewind). Its positions stay true however
 * the directory changes meanwhile (vfs/listing.h).
 *
 * The lower names are read first, without a lock; then, under the onode's lock,
 * those that the table speaks of are dropped and the table's own are added: the
 * list is what the directory was at that instant.
 */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/overlay/internal.h"
#include "vfs/listing.h"

/* ---- the lower side ---- */

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Emits the lower names but "." and "..". */
static int lower_list(struct onode *o, dirent_fn emit, void *arg, const struct vfs_ctx *ctx)
{
	struct file *f;
	int r;

	if (!o->lower)
		return 0;
	r = file_open_inner(o->lower, O_RDONLY | O_DIRECTORY | O_NOATIME, NULL, ctx, &f);
	if (r < 0)
		return r;
	r = f->ops->readdir(f, emit, arg, ctx);
	file_put(f);
	return r;
}

struct emptiness {
	struct onode *dir;
	bool is_empty;
};

static bool check_name(void *arg, const char *name, size_t len UNUSED, uint64_t ino UNUSED,
		       uint8_t type UNUSED, uint64_t next UNUSED)
{
	struct emptiness *e = arg;

	if (is_dot(name))
		return true;
	mutex_lock(&e->dir->lock);
	e->is_empty = names_find_locked(e->dir, name) != NULL;
	mutex_unlock(&e->dir->lock);
	return e->is_empty;
}

int overlay_lower_is_empty(struct onode *dir, const struct vfs_ctx *ctx)
{
	struct emptiness e = { dir, true };
	int r = lower_list(dir, check_name, &e, ctx);

	return r < 0 ? r : e.is_empty ? 0 : -ENOTEMPTY;
}

struct collecting {
	struct listing *l;
	bool failed;
};

static bool collect(void *arg, const char *name, size_t len, uint64_t ino, uint8_t type,
		    uint64_t next UNUSED)
{
	struct collecting *c = arg;

	if (!is_dot(name) && listing_add(c->l, name, len, ino, type) < 0)
		c->failed = true;
	return !c->failed;
}

/* ---- both ---- */

static int merge_locked(struct onode *o, struct listing *l)
{
	const struct otable *t = &o->table;
	size_t kept = 0;

	for (size_t i = 0; t->count && i < l->count; i++) {
		const char *name = listing_name(l, &l->items[i]);

		if (is_dot(name) || !names_find_locked(o, name))
			l->items[kept++] = l->items[i];
	}
	if (t->count)
		l->count = kept;
	for (size_t i = 0; i < t->size; i++) {
		for (struct oentry *e = t->buckets[i]; e; e = e->next) {
			if (e->node && listing_add(l, e->name, strlen(e->name), e->node->inode.ino,
						   (uint8_t)IFTODT(e->node->inode.mode)) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int list_names(struct onode *o, const struct vfs_ctx *ctx, const struct listing *old,
		      struct listing **out)
{
	struct collecting c = { .l = listing_create() };
	uint64_t parent_ino;
	int r;

	if (!c.l)
		return -ENOMEM;
	mutex_lock(&o->lock);
	parent_ino = o->parent_ino;
	mutex_unlock(&o->lock);
	c.failed = listing_add(c.l, ".", 1, o->inode.ino, DT_DIR) < 0 ||
		   listing_add(c.l, "..", 2, parent_ino, DT_DIR) < 0;
	r = c.failed ? -ENOMEM : lower_list(o, collect, &c, ctx);
	if (r == 0 && c.failed)
		r = -ENOMEM;
	if (r == 0) {
		mutex_lock(&o->lock);
		r = merge_locked(o, c.l);
		mutex_unlock(&o->lock);
	}
	if (r == 0 && old)
		r = listing_keep_positions(c.l, old);
	if (r < 0) {
		listing_free(c.l);
		return r;
	}
	*out = c.l;
	return 0;
}

static int overlay_readdir(struct file *f, dirent_fn emit, void *arg, const struct vfs_ctx *ctx)
{
	struct listing *l = f->priv;

	if (!l || f->pos == 0) {
		struct listing *fresh;
		int r = list_names(onode_of(f->inode), ctx, l, &fresh);

		if (r < 0)
			return r;
		listing_free(l);
		f->priv = l = fresh;
	}
	listing_emit(l, f, emit, arg);
	return 0;
}

static int64_t overlay_dir_lseek(struct file *f, int64_t off, int whence,
				 const struct vfs_ctx *ctx UNUSED)
{
	if (whence == SEEK_CUR && add_overflow(off, (int64_t)f->pos, &off))
		return -EOVERFLOW;
	if ((whence != SEEK_CUR && whence != SEEK_SET) || off < 0)
		return -EINVAL;
	f->pos = (fileoff_t)off;
	return off;
}

static void overlay_dir_release(struct file *f)
{
	listing_free(f->priv);
}

static int overlay_dir_fsync(struct file *f UNUSED, bool data_only UNUSED)
{
	return 0;
}

static const struct file_ops overlay_dir_fops = {
	.name = "directory",
	.release = overlay_dir_release,
	.lseek = overlay_dir_lseek,
	.readdir = overlay_readdir,
	.fsync = overlay_dir_fsync,
};

int overlay_open_dir(struct inode *inode UNUSED, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	f->ops = &overlay_dir_fops;
	return 0;
}
