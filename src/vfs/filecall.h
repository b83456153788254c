/* Calls on an open file that a system call and io_uring both make: the checks of
 * their man pages, then the file's own op. None keeps a reference. */
#pragma once

#include "abi/fcntl.h"
#include "vfs/vfs.h"

/* fsync, fdatasync. -EBADF for O_PATH; -EINVAL for pipes, sockets and the like. */
int file_fsync(struct file *f, bool data_only);
/* sync_file_range(2): writes the file's data back. */
int file_sync_range(struct file *f, int64_t off, int64_t size, unsigned flags);
/* syncfs(2): the whole file system that f lies on. */
int file_sync_fs(struct file *f);
/* posix_fadvise(2): POSIX_FADV_*. */
int file_fadvise(struct file *f, int64_t off, int64_t size, int advice);
/* fcntl(F_SETFL): takes the changeable O_* of flags. */
int file_set_flags(struct file *f, unsigned flags, const struct vfs_ctx *ctx);

/* ---- arguments that they share ---- */

struct abi_statx;

/* open(2) ignores what it does not know, openat2(2) refuses it: -EINVAL. */
struct abi_open_how open_how_old(unsigned flags, uint64_t mode);
int open_how_check(const struct abi_open_how *how) MUST_CHECK;
/* The name by which the directory's descriptor is judged: for a scoped walk it counts
 * even when the name is absolute. */
const char *open_dir_name(uint64_t resolve, const char *name);

bool statx_args_are_valid(unsigned flags, uint32_t mask);
void statx_fill(const struct cred *c, const struct kstat *st, const struct path *p,
		struct abi_statx *out);
