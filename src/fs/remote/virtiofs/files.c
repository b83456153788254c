/* Ops on open files: data, attributes, extended attributes. */
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/remote/virtiofs/internal.h"

/* ---- attributes ---- */

int virtiofs_getattr(struct remote_handle *h, struct statx *stx)
{
	const struct fuse_object *o = object_of(h);
	struct fuse_getattr_in in = { .getattr_flags = o->kind == FUSE_FILE ? FUSE_GETATTR_FH : 0,
				      .fh = o->fh };
	struct fuse_attr_out out;
	struct fuse_call call = { .opcode = FUSE_GETATTR,
				  .node = o->node,
				  .in = { { &in, sizeof(in) } },
				  .out = &out,
				  .out_size = sizeof(out),
				  .out_min = sizeof(out) };
	int r = channel_call(channel_of(h), &call);

	return r < 0 ? r : attr_to_statx(channel_of(h), &out.attr, stx);
}

static int set(struct remote_handle *h, struct fuse_setattr_in *in)
{
	const struct fuse_object *o = object_of(h);
	struct fuse_attr_out out;
	struct fuse_call call = { .opcode = FUSE_SETATTR,
				  .node = o->node,
				  .in = { { in, sizeof(*in) } },
				  .out = &out,
				  .out_size = sizeof(out),
				  .out_min = sizeof(out) };

	if (o->kind == FUSE_FILE) {
		in->valid |= FATTR_FH;
		in->fh = o->fh;
	}
	return channel_call(channel_of(h), &call);
}

int virtiofs_chmod(struct remote_handle *h, uint32_t mode)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = mode };

	return set(h, &in);
}

int virtiofs_chown(struct remote_handle *h, uint32_t uid, uint32_t gid)
{
	struct fuse_setattr_in in = { .uid = uid, .gid = gid };

	in.valid |= uid == UINT32_MAX ? 0 : FATTR_UID;
	in.valid |= gid == UINT32_MAX ? 0 : FATTR_GID;
	return set(h, &in);
}

int virtiofs_utimens(struct remote_handle *h, const struct timespec times[2])
{
	struct fuse_setattr_in in = { .atime = (uint64_t)times[0].tv_sec,
				      .atimensec = (uint32_t)times[0].tv_nsec,
				      .mtime = (uint64_t)times[1].tv_sec,
				      .mtimensec = (uint32_t)times[1].tv_nsec };

	if (times[0].tv_nsec == UTIME_NOW)
		in.valid |= FATTR_ATIME | FATTR_ATIME_NOW;
	else if (times[0].tv_nsec != UTIME_OMIT)
		in.valid |= FATTR_ATIME;
	if (times[1].tv_nsec == UTIME_NOW)
		in.valid |= FATTR_MTIME | FATTR_MTIME_NOW;
	else if (times[1].tv_nsec != UTIME_OMIT)
		in.valid |= FATTR_MTIME;
	return set(h, &in);
}

int virtiofs_truncate(struct remote_handle *h, uint64_t size)
{
	struct fuse_setattr_in in = { .valid = FATTR_SIZE, .size = size };

	return set(h, &in);
}

/* ---- data ---- */

/* As much of iov as one request may move: how many pieces, the last of them cut. */
static unsigned cut(const struct iovec *iov, int count, uint32_t max, struct iovec *out,
		    uint32_t *size)
{
	unsigned n = 0;

	for (*size = 0; n < (unsigned)count && n < DATA_BLOCKS && *size < max; n++) {
		out[n] = iov[n];
		out[n].iov_len = MIN(iov[n].iov_len, (size_t)(max - *size));
		*size += (uint32_t)out[n].iov_len;
	}
	return n;
}

ssize_t virtiofs_read(struct remote_handle *h, const struct iovec *iov, int count, uint64_t off,
		      int rwf UNUSED)
{
	const struct fuse_object *o = object_of(h);
	struct iovec data[DATA_BLOCKS];
	struct fuse_read_in in = { .fh = o->fh, .offset = off };
	struct fuse_call call = {
		.opcode = FUSE_READ, .node = o->node, .in = { { &in, sizeof(in) } }, .data = data
	};
	int r;

	call.nr_data = cut(iov, count, backend_of(h)->max_write, data, &in.size);
	r = channel_call(channel_of(h), &call);
	if (r == 0 && call.got > in.size)
		r = channel_is_wrong(channel_of(h), "reads more than it was asked for");
	return r < 0 ? r : (ssize_t)call.got;
}

ssize_t virtiofs_write(struct remote_handle *h, const struct iovec *iov, int count, uint64_t off,
		       int rwf)
{
	const struct fuse_object *o = object_of(h);
	struct iovec data[DATA_BLOCKS];
	struct fuse_write_in in = { .fh = o->fh, .offset = off };
	struct fuse_write_out out;
	struct fuse_call call = { .opcode = FUSE_WRITE,
				  .node = o->node,
				  .in = { { &in, sizeof(in) } },
				  .data = data,
				  .data_is_read = true,
				  .out = &out,
				  .out_size = sizeof(out),
				  .out_min = sizeof(out) };
	struct statx stx;
	int r = 0;

	if (rwf & RWF_APPEND) { /* nobody can say it to the device: where the end is now */
		r = virtiofs_getattr(h, &stx);
		in.offset = stx.stx_size;
	}
	call.nr_data = cut(iov, count, backend_of(h)->max_write, data, &in.size);
	if (r == 0)
		r = channel_call(channel_of(h), &call);
	if (r == 0 && out.size > in.size)
		r = channel_is_wrong(channel_of(h), "wrote more than it was given");
	if (r == 0 && (rwf & (RWF_DSYNC | RWF_SYNC)))
		r = virtiofs_fsync(h, !(rwf & RWF_SYNC));
	return r < 0 ? r : (ssize_t)out.size;
}

int virtiofs_fallocate(struct remote_handle *h, int mode, uint64_t off, uint64_t size)
{
	const struct fuse_object *o = object_of(h);
	struct fuse_fallocate_in in = {
		.fh = o->fh, .offset = off, .length = size, .mode = (uint32_t)mode
	};
	struct fuse_call call = { .opcode = FUSE_FALLOCATE,
				  .node = o->node,
				  .in = { { &in, sizeof(in) } } };
	int r = channel_call(channel_of(h), &call);

	return r == -ENOSYS ? -EOPNOTSUPP : r;
}

int virtiofs_fsync(struct remote_handle *h, bool data_only)
{
	const struct fuse_object *o = object_of(h);
	struct fuse_fsync_in in = { .fh = o->fh,
				    .fsync_flags = data_only ? FUSE_FSYNC_FDATASYNC : 0 };
	struct fuse_call call = { .opcode = o->kind == FUSE_FILE ? FUSE_FSYNC : FUSE_FSYNCDIR,
				  .node = o->node,
				  .in = { { &in, sizeof(in) } } };
	int r = channel_call(channel_of(h), &call);

	return r == -ENOSYS ? 0 : r;
}

int virtiofs_sync_range(struct remote_handle *h, uint64_t off UNUSED, uint64_t size UNUSED,
			unsigned flags UNUSED)
{
	return virtiofs_fsync(h, true);
}

/* A device that does not know holes has none. */
int64_t virtiofs_seek(struct remote_handle *h, int64_t off, int whence)
{
	const struct fuse_object *o = object_of(h);
	struct fuse_lseek_in in = { .fh = o->fh,
				    .offset = (uint64_t)off,
				    .whence = (uint32_t)whence };
	struct fuse_lseek_out out;
	struct fuse_call call = { .opcode = FUSE_LSEEK,
				  .node = o->node,
				  .in = { { &in, sizeof(in) } },
				  .out = &out,
				  .out_size = sizeof(out),
				  .out_min = sizeof(out) };
	struct statx stx;
	int r = channel_call(channel_of(h), &call);

	if (r == 0)
		return out.offset > INT64_MAX ? -EIO : (int64_t)out.offset;
	if (r != -ENOSYS)
		return r;
	r = virtiofs_getattr(h, &stx);
	if (r < 0)
		return r;
	if ((uint64_t)off >= stx.stx_size)
		return -ENXIO;
	return whence == SEEK_DATA ? off : (int64_t)stx.stx_size;
}

/* Advice is for the cache on this side. */
int virtiofs_fadvise(struct remote_handle *h UNUSED, uint64_t off UNUSED, uint64_t size UNUSED,
		     int advice UNUSED)
{
	return 0;
}

ssize_t virtiofs_copy(struct remote_handle *in, uint64_t in_off, struct remote_handle *out,
		      uint64_t out_off, size_t size)
{
	struct fuse_copy_file_range_in arg = { .fh_in = object_of(in)->fh,
					       .off_in = in_off,
					       .nodeid_out = object_of(out)->node,
					       .fh_out = object_of(out)->fh,
					       .off_out = out_off,
					       .len = MIN(size, (size_t)1 << 30) };
	struct fuse_write_out answer;
	struct fuse_call call = { .opcode = FUSE_COPY_FILE_RANGE,
				  .node = object_of(in)->node,
				  .in = { { &arg, sizeof(arg) } },
				  .out = &answer,
				  .out_size = sizeof(answer),
				  .out_min = sizeof(answer) };
	int r;

	if (in->backend != out->backend)
		return -EXDEV;
	r = channel_call(channel_of(in), &call);
	if (r == 0 && answer.size > arg.len)
		r = channel_is_wrong(channel_of(in), "copied more than it was asked for");
	return r < 0 ? r : (ssize_t)answer.size;
}

/* ---- extended attributes: those that fit a slot ---- */

#define VALUE_MAX 4096u

static struct fuse_arg name_arg(const char *name)
{
	return (struct fuse_arg){ name, strlen(name) + 1 };
}

/* GETXATTR and LISTXATTR: the bytes, or for size 0 how many there are. */
static ssize_t get_xattr(struct remote_handle *h, uint32_t opcode, const char *name, void *buf,
			 size_t size)
{
	char value[VALUE_MAX];
	struct fuse_getxattr_in in = { .size = (uint32_t)MIN(size, sizeof(value)) };
	struct fuse_getxattr_out how_many;
	struct fuse_call call = { .opcode = opcode,
				  .node = object_of(h)->node,
				  .in = { { &in, sizeof(in) } },
				  .out = size ? (void *)value : &how_many,
				  .out_size = size ? in.size : sizeof(how_many),
				  .out_min = size ? 0 : sizeof(how_many) };
	int r;

	if (name)
		call.in[1] = name_arg(name);
	r = channel_call(channel_of(h), &call);
	if (r == -ENOSYS)
		return -EOPNOTSUPP;
	if (r < 0)
		return r;
	if (!size)
		return how_many.size > 65536 ? -E2BIG : (ssize_t)how_many.size;
	if (call.got > in.size)
		return channel_is_wrong(channel_of(h),
					"has an attribute longer than was asked for");
	memcpy(buf, value, call.got);
	return (ssize_t)call.got;
}

ssize_t virtiofs_getxattr(struct remote_handle *h, const char *name, void *buf, size_t size)
{
	return get_xattr(h, FUSE_GETXATTR, name, buf, size);
}

ssize_t virtiofs_listxattr(struct remote_handle *h, char *buf, size_t size)
{
	return get_xattr(h, FUSE_LISTXATTR, NULL, buf, size);
}

int virtiofs_setxattr(struct remote_handle *h, const char *name, const void *val, size_t size,
		      int flags)
{
	/* Without FUSE_SETXATTR_EXT: the first half of the structure. */
	struct fuse_setxattr_in in = { .size = (uint32_t)size, .flags = (uint32_t)flags };
	struct fuse_call call = {
		.opcode = FUSE_SETXATTR,
		.node = object_of(h)->node,
		.in = { { &in, FUSE_COMPAT_SETXATTR_IN_SIZE }, name_arg(name), { val, size } }
	};
	int r;

	if (size > VALUE_MAX)
		return -E2BIG;
	r = channel_call(channel_of(h), &call);
	return r == -ENOSYS ? -EOPNOTSUPP : r;
}

int virtiofs_removexattr(struct remote_handle *h, const char *name)
{
	struct fuse_call call = { .opcode = FUSE_REMOVEXATTR,
				  .node = object_of(h)->node,
				  .in = { name_arg(name) } };
	int r = channel_call(channel_of(h), &call);

	return r == -ENOSYS ? -EOPNOTSUPP : r;
}
