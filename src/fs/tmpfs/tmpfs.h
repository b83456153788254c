/*
 * fs/tmpfs: files in memory. Regular files lie in the memory file and can be
 * mapped; names, links and attributes are objects of the kernel.
 *
 *	super.c    the instance: limits, inodes
 *	dir.c      names: lookup, create, link, unlink, rename, readdir
 *	attr.c     attributes, times, symlink texts
 *	xattr.c    extended attributes
 *	data.c     the extents of a regular file: allocate, copy, cut
 *	file.c     the open regular file: read, write, seek, fallocate
 *	map.c      the regular file as a mappable
 *	memfd.c    files without a name, and seals
 *
 * Locks of one inode (base/lockrank.h):
 *	lock       LOCK_INODE        attributes, names, xattrs
 *	maps_lock  LOCK_INODE_MAPS   who maps it; changes of seals
 *	data_lock  LOCK_INODE_DATA   size and extents
 * The ops do their own locking: they may be called by another file system (an
 * overlay) that holds locks of its own instead of dir_lock.
 */
#pragma once

#include "vfs/vfs.h"

struct memfile;

/* A file system in mf, with its root directory of this mode and owner.
 * size_limit: bytes of file contents, 0 for none but mf's own. One reference,
 * which vfs_mount() takes over. */
int tmpfs_create(struct memfile *mf, uint64_t size_limit, uint32_t mode, uint32_t uid, uint32_t gid,
		 struct super **out) MUST_CHECK;

/* memfd_create(2) in sb, an instance kept for this (it need not be mounted; the
 * caller keeps its reference). name without "memfd:". mfd_flags: MFD_*;
 * MFD_CLOEXEC is the caller's. -EINVAL for flags that are not known or not
 * possible (MFD_HUGETLB). */
int tmpfs_memfd_create(struct super *sb, const char *name, unsigned mfd_flags,
		       const struct vfs_ctx *ctx, struct file **out) MUST_CHECK;
