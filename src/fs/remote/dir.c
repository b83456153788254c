/*
 * Open directories: read from a handle of their own, whole, when the first entry
 * is asked for (again after a rewind), into a list whose positions stay true
 * however the directory changes meanwhile (vfs/listing.h).
 *
 * The records are foreign bytes: parse() judges them, once.
 */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/remote/internal.h"
#include "vfs/listing.h"

#define READ_SIZE 32768

/* As the kernel gives it: struct linux_dirent64. */
struct record {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Lengths within the buffer, names terminated, not empty and without '/'. */
static int parse(const uint8_t *buf, size_t size, struct listing *l)
{
	const size_t head = offsetof(struct record, name);
	int r = 0;

	for (size_t at = 0; r == 0 && at < size;) {
		const char *name = (const char *)buf + at + head;
		struct record d;
		size_t len;

		if (size - at <= head)
			return -EIO;
		memcpy(&d, buf + at, head);
		if (d.reclen <= head || d.reclen > size - at)
			return -EIO;
		len = strnlen(name, d.reclen - head);
		if (len == 0 || len == d.reclen - head || len > 255 || memchr(name, '/', len))
			return -EIO;
		if (!is_dot(name))
			r = listing_add(l, name, len, d.ino, d.type);
		at += d.reclen;
	}
	return r;
}

static int read_all(struct rnode *n, struct listing *l)
{
	struct remote_handle *dir, *h;
	uint8_t *buf = malloc(READ_SIZE);
	ssize_t got = 0;
	int r;

	if (!buf)
		return -ENOMEM;
	r = handle_get(n, HANDLE_PATH, &dir);
	if (r == 0) {
		r = n->remote->ops->open_dir(dir, &h);
		remote_handle_put(dir);
	}
	if (r < 0)
		goto out_free;
	while (r == 0 && (got = n->remote->ops->readdir(h, buf, READ_SIZE)) > 0)
		r = got > READ_SIZE ? -EIO : parse(buf, (size_t)got, l);
	if (r == 0 && got < 0)
		r = (int)got;
	remote_handle_put(h);
out_free:
	free(buf);
	return r;
}

static int list_names(struct rnode *n, const struct listing *old, struct listing **out)
{
	struct listing *l = listing_create();
	int r;

	if (!l)
		return -ENOMEM;
	r = listing_add(l, ".", 1, n->inode.ino, DT_DIR);
	if (r == 0)
		r = listing_add(l, "..", 2, rnode_parent_ino(n), DT_DIR);
	if (r == 0)
		r = read_all(n, l);
	if (r == 0 && old)
		r = listing_keep_positions(l, old);
	if (r < 0)
		listing_free(l);
	else
		*out = l;
	return r;
}

static int remote_readdir(struct file *f, dirent_fn emit, void *arg,
			  const struct vfs_ctx *ctx UNUSED)
{
	struct listing *l = f->priv;

	if (!l || f->pos == 0) {
		struct listing *fresh;
		int r = list_names(rnode_of(f->inode), l, &fresh);

		if (r < 0)
			return r == -ESTALE ? -ENOENT : r;
		listing_free(l);
		f->priv = l = fresh;
	}
	listing_emit(l, f, emit, arg);
	return 0;
}

static int64_t remote_dir_lseek(struct file *f, int64_t off, int whence,
				const struct vfs_ctx *ctx UNUSED)
{
	if (whence == SEEK_CUR && add_overflow(off, (int64_t)f->pos, &off))
		return -EOVERFLOW;
	if ((whence != SEEK_CUR && whence != SEEK_SET) || off < 0)
		return -EINVAL;
	f->pos = (fileoff_t)off;
	return off;
}

static int remote_dir_fsync(struct file *f, bool data_only)
{
	struct rnode *n = rnode_of(f->inode);
	struct remote_handle *dir, *h;
	int r;

	if (n->remote->readonly)
		return 0;
	r = handle_get(n, HANDLE_PATH, &dir);
	if (r < 0)
		return r;
	r = n->remote->ops->open_dir(dir, &h);
	remote_handle_put(dir);
	if (r < 0)
		return r;
	r = n->remote->ops->fsync(h, data_only);
	remote_handle_put(h);
	return r;
}

static void remote_dir_release(struct file *f)
{
	listing_free(f->priv);
}

static const struct file_ops remote_dir_fops = {
	.name = "directory",
	.release = remote_dir_release,
	.lseek = remote_dir_lseek,
	.readdir = remote_readdir,
	.fsync = remote_dir_fsync,
};

int remote_open_dir(struct inode *inode UNUSED, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	f->ops = &remote_dir_fops;
	return 0;
}
