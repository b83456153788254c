/* fs/pipe: pipes and fifos. */
#pragma once

#include "vfs/vfs.h"

/* The read end in out[0], the write end in out[1]; flags: O_NONBLOCK,
 * O_DIRECT (packets). -ENOMEM, -ENFILE. */
int pipe_create(unsigned flags, const struct cred *cred, struct file *out[2]) MUST_CHECK;
/* Registers the opener of fifos with vfs. Once, at start. memory: when all pipes
 * together may hold that many bytes, new ones get two pages (pipe(7),
 * pipe-user-pages-soft; nobody is exempt). */
void pipe_init(uint64_t memory);
/* tee(2): also checks that the files are pipes, and open for it. */
ssize_t pipe_tee(struct file *from, struct file *to, size_t size, bool nonblock,
		 const struct vfs_ctx *ctx);
/* True for either end of a pipe or fifo. */
bool file_is_pipe(const struct file *f);
