/*
 * fs/overlay: a read-only lower tree and what was changed of it, in memory.
 *
 * The upper side is ours alone, so it needs no format: every changed object is
 * a nameless-by-path inode of a tmpfs (under a number in its root), and every
 * directory that was changed has a table of its own names:
 *
 *	name -> an overlay inode     made here, or found below and changed
 *	name -> whiteout             removed: the lower name is hidden
 *	no entry                     whatever the lower directory says
 *
 * So a renamed directory keeps its lower directory, hard links are one inode,
 * and a lookup asks the table first.
 *
 * An overlay inode (onode) has a lower inode, an upper inode, or both. The
 * upper one counts. Copy-up makes it: attributes, xattrs, data. An open file
 * uses the file of the side that counted when it was opened, as in Linux's
 * overlayfs: it is opened by that side's own inode_ops, so reads and writes
 * cost nothing more than there.
 *
 * Locks: a directory's table is guarded by its dir_lock (vfs holds it);
 * onode.lock (LOCK_INODE) guards copy-up. The upper root's dir_lock has rank
 * LOCK_INODE_LOWER here: it is taken inside.
 */
#pragma once

#include "vfs/vfs.h"

/* Lists a lower directory's names without "." and "..". */
typedef int (*overlay_list_fn)(struct inode *dir, dirent_fn emit, void *arg);

/* Takes the references on both; upper must be a fresh tmpfs. */
int overlay_create(struct super *lower, overlay_list_fn list, struct super *upper, struct super **out) MUST_CHECK;
