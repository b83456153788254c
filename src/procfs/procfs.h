/*
 * procfs/: /proc and /sys, made of what tasks, mm and the kernel know.
 *
 *	procfs.c   inodes: a tree of tables, and one directory per process
 *	root.c     files about the whole sandbox
 *	pid.c      files about one process
 *	net.c      /proc/[pid]/net
 *	sysnet.c   /proc/sys/net
 *	sysvipc.c  /proc/sysvipc
 *	links.c    cwd, root, exe, fd/N: links that lead to the object itself
 *	ns.c       the namespaces that ns/ links to
 *	disks.c    disks, in both
 *	sysfs.c    the part of /sys that programs look at
 *
 * A file's text is made when it is first read, or read again from the start,
 * and is consistent in itself. Nothing is cached between opens.
 */
#pragma once

#include "task/task.h"
#include "vfs/vfs.h"

int procfs_create(struct kernel *k, struct super **out) MUST_CHECK;
int sysfs_create(struct kernel *k, struct super **out) MUST_CHECK;
