/*
 * nsfs: the files that stand for namespaces. /proc/[pid]/ns leads to them; an open one,
 * or a place where one is bound, keeps its namespace alive.
 */
#pragma once

#include "vfs/vfs.h"

struct ns;

/* The place of a file that stands for ns: references. */
int nsfs_path(struct ns *ns, struct path *out) MUST_CHECK;
/* An open one. */
int nsfs_open(struct ns *ns, const struct cred *cred, struct file **out) MUST_CHECK;
/* What the inode stands for, borrowed from it; NULL: it is none of nsfs. */
struct ns *nsfs_ns(const struct inode *inode);
/* ioctl(2) on one: filled by task/, which knows descriptors. */
extern long (*nsfs_ioctl)(struct ns *ns, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);
