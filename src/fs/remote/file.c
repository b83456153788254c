/*
 * Open remote files. Bytes go straight between the host's descriptor and guest
 * memory: the uio's blocks are handed to preadv() and pwritev().
 *
 * A directory is read from a descriptor of its own, whole, when the first
 * entry is asked for (again after a rewind): positions are indexes into that
 * list, so they are stable however the directory changes meanwhile.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/remote/internal.h"

struct remote_file {
	struct hostfd *h; /* regular files; NULL for directories */
};

struct entry {
	uint64_t ino;
	uint8_t type;
	char name[];
};

struct listing {
	struct entry **entries;
	size_t count, capacity;
};

/* ---- reading and writing ---- */

static int iov_of_blocks(const struct block *blk, unsigned count, struct iovec *iov)
{
	for (unsigned i = 0; i < count; i++)
		iov[i] = (struct iovec){ blk[i].base, blk[i].size };
	return (int)count;
}

static ssize_t transfer(struct hostfd *h, struct uio *u, fileoff_t pos, bool write)
{
	struct block blk[UIO_MAX_BLOCKS];
	struct iovec iov[UIO_MAX_BLOCKS];
	unsigned count;
	ssize_t n, want = uio_pin(u, u->remaining, blk, UIO_MAX_BLOCKS, &count);

	if (want < 0)
		return want;
	if (write)
		n = host_pwritev2(h->fd, iov, iov_of_blocks(blk, count, iov), (int64_t)pos, 0);
	else
		n = host_preadv2(h->fd, iov, iov_of_blocks(blk, count, iov), (int64_t)pos, 0);
	uio_unpin(u);
	if (n > 0)
		uio_advance(u, (size_t)n);
	return n < 0 || n == want ? n : n; /* a short count ends the loop above */
}

static ssize_t remote_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io UNUSED)
{
	struct remote_file *rf = f->priv;
	ssize_t done = 0;

	while (u->remaining) {
		size_t before = u->remaining;
		ssize_t n = transfer(rf->h, u, *pos, false);

		if (n <= 0)
			return done ? done : n;
		*pos += (fileoff_t)n;
		done += n;
		if ((size_t)n < before && u->remaining && (n & (ssize_t)(PAGE_SIZE - 1)))
			break; /* the end of the file, most likely */
	}
	return done;
}

static ssize_t remote_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct rnode *n = rnode_of(f->inode);
	struct remote_file *rf = f->priv;
	ssize_t done = 0;
	int64_t may;

	mutex_lock(&n->attr_lock);
	if ((io->flags & 0x10) && n->remote->cache == REMOTE_SHARED) {
		mutex_unlock(&n->attr_lock);
		(void)rnode_refresh(n);
		mutex_lock(&n->attr_lock);
	}
	may = vfs_write_limit(io, pos, n->st.size, u->remaining);
	mutex_unlock(&n->attr_lock);
	if (may < 0)
		return may;
	u->remaining = MIN(u->remaining, (size_t)may);
	while (u->remaining) {
		ssize_t w = transfer(rf->h, u, *pos, true);

		if (w <= 0) {
			if (!done)
				done = w;
			break;
		}
		*pos += (fileoff_t)w;
		done += w;
	}
	if (done > 0)
		(void)rnode_refresh(n);
	return done;
}

static int64_t remote_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(f->inode);
	struct remote_file *rf = f->priv;

	if (n->remote->cache == REMOTE_SHARED)
		(void)rnode_refresh(n);
	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		int64_t r = host_lseek(rf->h->fd, off, whence);

		if (r >= 0)
			f->pos = (fileoff_t)r;
		return r;
	}
	return vfs_lseek_size(f, off, whence, n->st.size);
}

static int remote_fsync(struct file *f, bool data_only)
{
	struct remote_file *rf = f->priv;

	return data_only ? host_fdatasync(rf->h->fd) : host_fsync(rf->h->fd);
}

static int remote_fallocate(struct file *f, int mode, uint64_t off, uint64_t len,
			    const struct vfs_ctx *ctx UNUSED)
{
	struct remote_file *rf = f->priv;
	int r = host_fallocate(rf->h->fd, mode, off, len);

	return r < 0 ? r : rnode_refresh(rnode_of(f->inode));
}

static struct mappable *remote_mappable(struct file *f)
{
	return &rnode_of(f->inode)->mappable;
}

static void remote_release(struct file *f)
{
	struct remote_file *rf = f->priv;

	hostfd_put(rf->h);
	free(rf);
}

static const struct file_ops remote_file_fops = {
	.name = "file",
	.release = remote_release,
	.read = remote_read,
	.write = remote_write,
	.lseek = remote_lseek,
	.fsync = remote_fsync,
	.fallocate = remote_fallocate,
	.mappable = remote_mappable,
};

/* ---- directories ---- */

static void listing_free(struct listing *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++)
		free(l->entries[i]);
	free(l->entries);
	free(l);
}

static int listing_add(struct listing *l, const char *name, uint64_t ino, uint8_t type)
{
	size_t len = strlen(name) + 1;
	struct entry *e = malloc(sizeof(*e) + len);

	if (e && l->count == l->capacity) {
		size_t cap = l->capacity ? l->capacity * 2 : 32;
		struct entry **grown = realloc(l->entries, cap * sizeof(*grown));

		if (grown) {
			l->entries = grown;
			l->capacity = cap;
		}
	}
	if (!e || l->count == l->capacity) {
		free(e);
		return -ENOMEM;
	}
	e->ino = ino;
	e->type = type;
	memcpy(e->name, name, len);
	l->entries[l->count++] = e;
	return 0;
}

struct host_dirent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* The host's entries, checked: lengths within the buffer, names terminated. */
static int parse_entries(const uint8_t *buf, size_t size, dirent_fn emit, void *arg)
{
	size_t at = 0;

	while (at + offsetof(struct host_dirent, name) < size) {
		const struct host_dirent *d = (const void *)(buf + at);
		size_t max = d->reclen - offsetof(struct host_dirent, name), len;

		if (d->reclen <= offsetof(struct host_dirent, name) || at + d->reclen > size)
			return -EIO;
		len = strnlen(d->name, max);
		if (len == max || len > 255)
			return -EIO;
		if (strcmp(d->name, ".") != 0 && strcmp(d->name, "..") != 0 &&
		    !emit(arg, d->name, len, d->ino, d->type, 0))
			return -ENOMEM;
		at += d->reclen;
	}
	return 0;
}

int remote_list(struct inode *dir, dirent_fn emit, void *arg)
{
	struct rnode *n = rnode_of(dir);
	struct hostfd *h;
	uint8_t *buf = malloc(32768);
	ssize_t got = 0;
	int fd, r;

	if (!buf)
		return -ENOMEM;
	r = handle_get(n, HANDLE_PATH, &h);
	if (r < 0)
		goto out_free;
	fd = n->remote->ops->open(h->fd, ".", O_RDONLY | O_DIRECTORY, 0);
	hostfd_put(h);
	r = fd;
	if (fd < 0)
		goto out_free;
	r = 0;
	while (r == 0 && (got = host_getdents64(fd, buf, 32768)) > 0)
		r = parse_entries(buf, (size_t)got, emit, arg);
	if (r == 0 && got < 0)
		r = (int)got;
	host_close(fd);
out_free:
	free(buf);
	return r;
}

static bool collect(void *arg, const char *name, size_t len UNUSED, uint64_t ino, uint8_t type,
		    uint64_t next UNUSED)
{
	return listing_add(arg, name, ino, type) == 0;
}

static int read_listing(struct file *f)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct rnode *n = rnode_of(f->inode);
	int r = l ? 0 : -ENOMEM;

	if (r == 0)
		r = listing_add(l, ".", n->inode.ino, DT_DIR);
	if (r == 0)
		r = listing_add(l, "..", n->parent ? n->parent->inode.ino : n->inode.ino, DT_DIR);
	if (r == 0)
		r = remote_list(f->inode, collect, l);
	if (r < 0) {
		listing_free(l);
		return r;
	}
	listing_free(f->priv);
	f->priv = l;
	return 0;
}

static int remote_readdir(struct file *f, dirent_fn emit, void *arg, const struct vfs_ctx *ctx UNUSED)
{
	struct listing *l = f->priv;
	int r;

	if (!l || f->pos == 0) {
		r = read_listing(f);
		if (r < 0)
			return r;
		l = f->priv;
	}
	while (f->pos < l->count) {
		struct entry *e = l->entries[f->pos];

		if (!emit(arg, e->name, strlen(e->name), e->ino, e->type, f->pos + 1))
			break;
		f->pos++;
	}
	return 0;
}

static int64_t remote_dir_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx UNUSED)
{
	if (whence == SEEK_CUR)
		off += (int64_t)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	f->pos = (fileoff_t)off;
	return off;
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
};

int remote_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(inode);
	bool write = (atomic_load(&f->flags) & O_ACCMODE) != O_RDONLY;
	struct remote_file *rf;
	int r;

	if (S_ISDIR(inode->mode)) {
		f->ops = &remote_dir_fops;
		return 0;
	}
	if (write && n->remote->readonly)
		return -EROFS;
	rf = calloc(1, sizeof(*rf));
	if (!rf)
		return -ENOMEM;
	r = handle_get(n, write ? HANDLE_WRITE : HANDLE_READ, &rf->h);
	if (r < 0) {
		free(rf);
		return r;
	}
	f->priv = rf;
	f->ops = &remote_file_fops;
	return 0;
}
