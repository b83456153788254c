/*
 * fs/overlay: a tree that is only read, and what was changed of it, in memory.
 *
 *	super.c    the mount; onodes: their index, their life
 *	names.c    a directory's table of changed names
 *	copyup.c   objects on the upper side
 *	dir.c      calls that find and change names
 *	attr.c     attributes, xattrs, link text
 *	file.c     open regular files
 *	map.c      regular files as mappables
 *	readdir.c  open directories
 *
 * Model. An overlay inode (onode) has a lower inode, an upper inode, or both;
 * the upper one counts. The upper side is ours alone, so it needs no format:
 * its objects are inodes of a tmpfs without names, and a directory that was
 * changed has a table in its onode:
 *
 *	name -> onode      made here, or moved or linked to here
 *	name -> whiteout   removed: the lower name is hidden
 *	no entry           whatever the lower directory says
 *
 * So a renamed directory keeps its lower directory (no copying, no -EXDEV), a
 * directory made where one was removed is opaque because it has no lower one,
 * and hard links are one onode.
 *
 * Invariants
 *  1. A lower inode in use has exactly one onode, found through the index: the
 *     lower file system gives one struct inode for one file as long as somebody
 *     holds it, and each onode holds its own.
 *  2. An onode with a lower inode that differs from it (an upper inode, a table,
 *     other links) is pinned: the index holds a reference until its last name
 *     is gone. Thus a change needs no entry in the directories above it, and
 *     what was only looked at costs nothing once the dentry cache forgets it.
 *  3. st_dev and st_ino never change: they come from the lower inode if there
 *     is one, else from a counter above any number that a host uses.
 *
 * An open file forwards to an inner file on the side that counts. One that was
 * opened for reading below goes over to the copy as soon as there is one;
 * mappings that exist keep what they map, as in Linux.
 *
 * Renaming or linking a lower file copies nothing: the table takes its onode.
 *
 * Locks (base/lockrank.h)
 *	VFS_DIR           dir_lock (held by vfs): names; also stands for the lower
 *	                  directory's, which only its onode uses
 *	  COPY_UP         onode.copy_lock: one copy-up at a time
 *	    VFS_DIR_UPPER the upper root's dir_lock
 *	INODE             onode.lock: table and link count; nothing is called in it
 *	OVERLAY           overlay.index_lock: the index
 */
#pragma once

#include "vfs/vfs.h"

/* Takes over the references on both (also when it fails). lower: its root
 * directory is shown; nothing is ever written there, and nobody else may use it
 * meanwhile. upper: a fresh tmpfs. */
int overlay_create(struct super *lower, struct super *upper, struct super **out) MUST_CHECK;
