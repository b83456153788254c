/* Moving bytes from one open file to another without guest memory. */
#pragma once

#include "vfs/vfs.h"

struct transfer {
	struct file *in, *out;
	/* NULL: the file's own position (or none, for streams) */
	fileoff_t *in_pos, *out_pos;
	size_t size;
	bool nonblock; /* of the call; each file's O_NONBLOCK counts besides */
	const struct vfs_ctx *ctx;
};

/* sendfile(2): in has a position. => as read and write */
ssize_t vfs_sendfile(const struct transfer *tr);
/* splice(2): at least one is a pipe. May move less than asked. */
ssize_t vfs_splice(const struct transfer *tr);
/* copy_file_range(2): two regular files. */
ssize_t vfs_copy_range(const struct transfer *tr, unsigned flags);
