/*
 * fs/remote: files that live outside the sandbox.
 *
 *	remote.c    inodes and names: what vfs sees
 *	file.c      open files: reads, writes, directories
 *	map.c       regular files as mappables
 *	handles.c   host descriptors: opened when needed, kept while that is cheap
 *	hostdir.c   the backend that serves a host directory
 *
 * A remote inode knows its place (parent and name at the time it was found)
 * and its identity (device and inode number). Whatever needs the file itself
 * goes through a handle; after opening one, the identity is checked, so that a
 * name which was replaced under us gives -ESTALE and never another file.
 *
 * Nothing outside the tree is ever opened: each open takes one name beneath a
 * directory handle that was itself reached so from the root, following no
 * symlink and no magic link (openat2). Symlinks are walked by vfs.
 *
 * Locks: LOCK_REMOTE guards places and handles of all inodes of a mount;
 * LOCK_INODE the attributes of one.
 */
#pragma once

#include "memfile/memfile.h"
#include "vfs/vfs.h"

enum remote_cache { REMOTE_EXCLUSIVE, REMOTE_WRITETHROUGH, REMOTE_SHARED };

struct remote_options {
	enum remote_cache cache;
	bool readonly;
	const char *source; /* for /proc/mounts */
};

/* A mount of the directory (or the single file) that fd (O_PATH; taken)
 * names. */
int remote_mount_hostdir(int fd, const struct remote_options *opt, struct super **out) MUST_CHECK;

/* Emits the names of a remote directory without "." and "..": for overlays. */
int remote_list(struct inode *dir, dirent_fn emit, void *arg) MUST_CHECK;
