/* See hostfd.h: making and closing inherited files, and what is not moving
 * bytes. */
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pool.h"
#include "fs/hostfd/internal.h"

#define STDERR 2

static POOL_DEFINE(host_file_pool, struct host_file);

static struct super hostfd_super;

static struct host_file *host_file_of(struct inode *inode)
{
	return container_of(inode, struct host_file, inode);
}

static int64_t hostfd_lseek(struct file *f, int64_t off, int whence,
			    const struct vfs_ctx *ctx UNUSED)
{
	struct host_file *hf = f->priv;
	int64_t r = host_lseek(hf->h->fd, off, whence);

	if (r >= 0)
		f->pos = (fileoff_t)r;
	return r;
}

/* By position: looking for holes would move the description's offset. */
static int64_t hostfd_lseek_own(struct file *f, int64_t off, int whence,
				const struct vfs_ctx *ctx UNUSED)
{
	struct host_file *hf = f->priv;
	struct stat st;
	int r = host_fstat(hf->h->fd, &st);

	return r < 0 ? r : vfs_lseek_size(f, off, whence, (uint64_t)st.st_size);
}

static long hostfd_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct host_file *hf = f->priv;
	int n = 0, r;

	if (cmd == FIONREAD) {
		r = host_ioctl(hf->h->fd, cmd, &n);
		return r < 0 ? r : copy_out(ctx->mem, arg, &n, sizeof(n));
	}
	return hf->is_tty ? hostfd_tty_ioctl(hf, cmd, arg, ctx) : -ENOTTY;
}

static int hostfd_fsync(struct file *f, bool data_only)
{
	struct host_file *hf = f->priv;

	return data_only ? host_fdatasync(hf->h->fd) : host_fsync(hf->h->fd);
}

static int hostfd_fallocate(struct file *f, int mode, uint64_t off, uint64_t len,
			    const struct vfs_ctx *ctx UNUSED)
{
	struct host_file *hf = f->priv;

	return host_fallocate(hf->h->fd, mode, off, len);
}

static struct mappable *hostfd_file_mappable(struct file *f)
{
	struct host_file *hf = f->priv;

	return hostfd_mappable(hf->map);
}

static struct timespec_k time_of(struct timespec t)
{
	return (struct timespec_k){ t.tv_sec, (uint32_t)t.tv_nsec };
}

static int hostfd_stat(const struct host_file *hf, struct kstat *st)
{
	struct stat s;
	int r = host_fstat(hf->h->fd, &s);

	if (r < 0)
		return r;
	*st = (struct kstat){
		.dev = s.st_dev,
		.ino = s.st_ino,
		.nlink = s.st_nlink,
		.rdev = s.st_rdev,
		.mode = s.st_mode,
		.uid = s.st_uid,
		.gid = s.st_gid,
		.size = (uint64_t)s.st_size,
		.blocks = (uint64_t)s.st_blocks,
		.blksize = (uint32_t)s.st_blksize,
		.atime = time_of(s.st_atim),
		.mtime = time_of(s.st_mtim),
		.ctime = time_of(s.st_ctim),
		.mask = STATX_BASIC_STATS,
	};
	return 0;
}

/* ---- the inode: the host's own attributes ---- */

static int hostfd_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx UNUSED)
{
	return hostfd_stat(host_file_of(inode), st);
}

/* The file is the host's: its size can change, nothing else. (The host takes
 * setuid bits away by itself when it is written.) */
static int hostfd_setattr(struct inode *inode, const struct setattr *sa,
			  const struct vfs_ctx *ctx UNUSED)
{
	struct host_file *hf = host_file_of(inode);

	if (sa->valid & ~(SETATTR_SIZE | SETATTR_KILL_PRIV))
		return -EPERM;
	if (!(sa->valid & SETATTR_SIZE))
		return 0;
	return hf->access == O_RDONLY ? -EACCES : host_ftruncate(hf->h->fd, sa->size);
}

/* ---- life ---- */

/* The numbers 0 to 2 are never given to anything else. */
static void give_up(int fd)
{
	int placeholder = fd >= 0 && fd <= STDERR ? host_eventfd(0, EFD_NONBLOCK) : -1;

	if (placeholder >= 0 && host_dup3(placeholder, fd, O_CLOEXEC) >= 0) {
		host_close(placeholder);
		return;
	}
	if (placeholder >= 0)
		host_close(placeholder);
	if (fd > STDERR)
		host_close(fd);
}

static void host_file_free(struct host_file *hf)
{
	hostfd_map_put(hf->map);
	hostfd_put(hf->h);
	give_up(hf->original);
	pool_free(&host_file_pool, hf);
}

static void hostfd_inode_destroy(struct inode *inode)
{
	struct host_file *hf = host_file_of(inode);

	notifier_remove(&hf->notify);
	host_file_free(hf);
}

#define COMMON_OPS                                                                         \
	.name = "host", .read = hostfd_read, .write = hostfd_write, .ioctl = hostfd_ioctl, \
	.fsync = hostfd_fsync

static const struct file_ops hostfd_stream_ops = { COMMON_OPS, .poll = hostfd_poll };

/* No poll op: always ready, and nothing for an epoll. */
#define SEEKABLE_OPS COMMON_OPS, .fallocate = hostfd_fallocate, .mappable = hostfd_file_mappable

static const struct file_ops hostfd_seekable_ops = { SEEKABLE_OPS, .lseek = hostfd_lseek };
static const struct file_ops hostfd_opened_ops = { SEEKABLE_OPS, .lseek = hostfd_lseek_own };

bool hostfd_has_own_pos(const struct file *f)
{
	return f->ops == &hostfd_opened_ops;
}

static int hostfd_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	struct host_file *hf = host_file_of(inode);

	if (hf->access != O_RDWR && (atomic_load(&f->flags) & O_ACCMODE) != hf->access)
		return -EACCES;
	if (S_ISSOCK(hf->kind))
		return -ENXIO;
	f->priv = hf;
	f->ops = hf->can_seek ? &hostfd_opened_ops : &hostfd_stream_ops;
	return 0;
}

static const struct inode_ops hostfd_inode_ops = {
	.getattr = hostfd_getattr,
	.setattr = hostfd_setattr,
	.open = hostfd_open,
};

static const struct super_ops hostfd_super_ops = { .inode_destroy = hostfd_inode_destroy };

void hostfd_init(void)
{
	super_init(&hostfd_super, &hostfd_super_ops, "hostfd");
	hostfd_super.flags |= SUPER_OPENS_ALL;
}

int host_file_create(int own, int original, unsigned flags, const struct stat *st,
		     struct host_file **out)
{
	struct host_file *hf = pool_alloc(&host_file_pool);
	int r;

	if (!hf) {
		host_close(own);
		give_up(original);
		return -ENOMEM;
	}
	r = hostfd_create(own, "inherited", &hf->h);
	if (r < 0) {
		give_up(original);
		pool_free(&host_file_pool, hf);
		return r;
	}
	inode_init(&hf->inode, &hostfd_inode_ops, &hostfd_super, st->st_ino, st->st_mode,
		   st->st_uid, st->st_gid);
	hf->original = original;
	hf->kind = st->st_mode & S_IFMT;
	hf->access = flags & O_ACCMODE;
	hf->is_tty = S_ISCHR(hf->kind) && hostfd_is_terminal(own);
	hf->can_seek = !hf->is_tty && host_lseek(own, 0, SEEK_CUR) >= 0;
	atomic_init(&hf->move, hostfd_first_move(hf));
	waitq_init(&hf->waitq);
	notify_init(&hf->notify, own, &hf->waitq);
	r = S_ISREG(hf->kind) ? hostfd_map_create(hf->h, flags, &hf->map) : 0;
	if (r < 0) {
		host_file_free(hf);
		return r;
	}
	*out = hf;
	return 0;
}

int hostfd_file_create(int fd, const struct cred *cred, struct file **out)
{
	struct host_file *hf;
	struct stat st;
	int flags, own, r;

	*out = NULL;
	r = host_fstat(fd, &st);
	flags = r < 0 ? r : host_fcntl(fd, F_GETFL, 0);
	own = flags < 0 ? flags : host_fcntl(fd, F_DUPFD_CLOEXEC, STDERR + 1);
	if (own < 0) {
		give_up(fd);
		return own;
	}
	r = host_file_create(own, fd, (unsigned)flags, &st, &hf);
	if (r < 0)
		return r;
	r = file_create_anon_of(&hf->inode,
				hf->can_seek ? &hostfd_seekable_ops : &hostfd_stream_ops, hf,
				(unsigned)flags & (O_ACCMODE | O_APPEND | O_NONBLOCK), cred, out);
	inode_put(&hf->inode);
	return r;
}
