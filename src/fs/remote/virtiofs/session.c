/* INIT, the mount and its end; nodes and their references. */
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "fs/remote/virtiofs/internal.h"

#define MINOR_MIN 31 /* of FUSE 7: what virtiofs began with */
#define WRITE_MAX ((uint32_t)1 << 20)

/* ---- nodes ---- */

void node_forget(struct fuse_channel *c, uint64_t node)
{
	struct fuse_forget_in in = { .nlookup = 1 };

	channel_tell(c, FUSE_FORGET, node, &in, sizeof(in));
}

static void release(struct fuse_channel *c, const struct fuse_object *o)
{
	struct fuse_release_in in = { .fh = o->fh };
	struct fuse_call call = { .opcode = o->kind == FUSE_FILE ? FUSE_RELEASE : FUSE_RELEASEDIR,
				  .node = o->node,
				  .in = { { &in, sizeof(in) } } };

	(void)!channel_call(c, &call);
}

static void object_end(struct fuse_channel *c, const struct fuse_object *o)
{
	if (o->kind != FUSE_NODE)
		release(c, o);
	if (o->holder)
		remote_handle_put(o->holder);
	else if (!o->is_root)
		node_forget(c, o->node);
}

int object_create(struct fuse_backend *b, const struct fuse_object *o, struct remote_handle **out)
{
	struct fuse_object *copy = malloc(sizeof(*copy));

	*out = copy ? remote_handle_create(&b->backend, NULL, (uint64_t)(uintptr_t)copy) : NULL;
	if (*out) {
		*copy = *o;
		return 0;
	}
	free(copy);
	object_end(b->channel, o);
	return -ENOMEM;
}

void object_close(struct remote_handle *h)
{
	struct fuse_object *o = object_of(h);

	object_end(channel_of(h), o);
	free(o);
}

/* ---- attributes ---- */

static struct statx_timestamp time_of(uint64_t sec, uint32_t nsec)
{
	return (struct statx_timestamp){ .tv_sec = (int64_t)sec, .tv_nsec = nsec % 1000000000u };
}

static bool is_type(uint32_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode) ||
	       S_ISFIFO(mode) || S_ISSOCK(mode);
}

int attr_to_statx(struct fuse_channel *c, const struct fuse_attr *a, struct statx *stx)
{
	if (!is_type(a->mode) || a->mode > UINT16_MAX)
		return channel_is_wrong(c, "has a file of no type");
	if (a->size > INT64_MAX)
		return channel_is_wrong(c, "has a file of impossible size");
	*stx = (struct statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = a->blksize ? a->blksize : 4096,
		.stx_nlink = a->nlink,
		.stx_uid = a->uid,
		.stx_gid = a->gid,
		.stx_mode = (uint16_t)a->mode,
		.stx_ino = a->ino,
		.stx_size = a->size,
		.stx_blocks = a->blocks,
		.stx_atime = time_of(a->atime, a->atimensec),
		.stx_mtime = time_of(a->mtime, a->mtimensec),
		.stx_ctime = time_of(a->ctime, a->ctimensec),
		.stx_rdev_major = major(a->rdev),
		.stx_rdev_minor = minor(a->rdev),
	};
	return 0;
}

/* ---- the whole ---- */

int virtiofs_statfs(struct remote_handle *root, struct kstatfs *out)
{
	struct fuse_statfs_out st;
	struct fuse_call call = { .opcode = FUSE_STATFS,
				  .node = object_of(root)->node,
				  .out = &st,
				  .out_size = sizeof(st),
				  .out_min = sizeof(st) };
	int r = channel_call(channel_of(root), &call);

	if (r < 0)
		return r;
	*out = (struct kstatfs){ .type = 0x65735546, /* FUSE_SUPER_MAGIC */
				 .bsize = st.st.bsize,
				 .blocks = st.st.blocks,
				 .bfree = st.st.bfree,
				 .bavail = st.st.bavail,
				 .files = st.st.files,
				 .ffree = st.st.ffree,
				 .namelen = st.st.namelen,
				 .frsize = st.st.frsize };
	return 0;
}

/* A device that does not know it has nothing to do. */
int virtiofs_sync(struct remote_handle *root)
{
	struct fuse_syncfs_in in = { 0 };
	struct fuse_call call = { .opcode = FUSE_SYNCFS,
				  .node = object_of(root)->node,
				  .in = { { &in, sizeof(in) } } };
	int r = channel_call(channel_of(root), &call);

	return r == -ENOSYS ? 0 : r;
}

static void virtiofs_destroy(struct remote_backend *backend)
{
	struct fuse_backend *b = container_of(backend, struct fuse_backend, backend);
	struct fuse_call call = { .opcode = FUSE_DESTROY };

	(void)!channel_call(b->channel, &call);
	channel_destroy(b->channel);
	free(b);
}

const struct remote_ops virtiofs_ops = {
	.lookup = virtiofs_lookup,
	.getattr = virtiofs_getattr,
	.open = virtiofs_open,
	.tmpfile = virtiofs_tmpfile,
	.open_dir = virtiofs_open_dir,
	.close = object_close,
	.readdir = virtiofs_readdir,
	.readlink = virtiofs_readlink,
	.mkdir = virtiofs_mkdir,
	.mknod = virtiofs_mknod,
	.symlink = virtiofs_symlink,
	.link = virtiofs_link,
	.link_handle = virtiofs_link_handle,
	.unlink = virtiofs_unlink,
	.rename = virtiofs_rename,
	.chmod = virtiofs_chmod,
	.chown = virtiofs_chown,
	.utimens = virtiofs_utimens,
	.read = virtiofs_read,
	.write = virtiofs_write,
	.truncate = virtiofs_truncate,
	.fallocate = virtiofs_fallocate,
	.fsync = virtiofs_fsync,
	.sync_range = virtiofs_sync_range,
	.seek = virtiofs_seek,
	.fadvise = virtiofs_fadvise,
	.copy = virtiofs_copy,
	.getxattr = virtiofs_getxattr,
	.setxattr = virtiofs_setxattr,
	.listxattr = virtiofs_listxattr,
	.removexattr = virtiofs_removexattr,
	.statfs = virtiofs_statfs,
	.sync = virtiofs_sync,
	.destroy = virtiofs_destroy,
};

/* ---- mounting ---- */

static int introduce(struct fuse_backend *b)
{
	struct fuse_init_in in = { .major = FUSE_KERNEL_VERSION,
				   .minor = FUSE_KERNEL_MINOR_VERSION,
				   .max_readahead = WRITE_MAX,
				   .flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES |
					    FUSE_PARALLEL_DIROPS };
	struct fuse_init_out out;
	struct fuse_call call = { .opcode = FUSE_INIT,
				  .in = { { &in, sizeof(in) } },
				  .out = &out,
				  .out_size = sizeof(out),
				  .out_min = 24 };
	int r = channel_call(b->channel, &call);

	if (r < 0)
		return r;
	if (out.major != FUSE_KERNEL_VERSION || out.minor < MINOR_MIN ||
	    out.max_write < PAGE_SIZE) {
		(void)channel_is_wrong(b->channel, "speaks no FUSE that we know");
		return -EPROTO;
	}
	b->max_write = MIN(out.max_write, WRITE_MAX) & (uint32_t)PAGE_MASK;
	return 0;
}

int remote_mount_virtiofs(int fd, const char *name, struct memfile *mf,
			  const struct remote_options *opt, struct super **out)
{
	struct fuse_backend *b = calloc(1, sizeof(*b));
	struct fuse_object root = { .kind = FUSE_NODE, .node = FUSE_ROOT_ID, .is_root = true };
	struct remote_handle *h;
	int r;

	*out = NULL;
	if (!b) {
		host_close(fd);
		return -ENOMEM;
	}
	b->backend.ops = &virtiofs_ops;
	r = channel_create(fd, name, mf, &b->channel);
	if (r < 0)
		goto out_free;
	r = introduce(b);
	if (r == 0)
		r = object_create(b, &root, &h);
	if (r < 0)
		goto out_destroy;
	r = remote_mount(&b->backend, h, opt, out);
	if (r == 0)
		return 0;
out_destroy:
	channel_destroy(b->channel);
out_free:
	free(b);
	return r;
}
