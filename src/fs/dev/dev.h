/*
 * fs/dev: the character devices that every program expects, and a /dev made of
 * them: null, zero, full, random, urandom, tty.
 */
#pragma once

#include "vfs/vfs.h"

/* Registers the drivers and fills the directory `dev` (a tmpfs, say) with nodes
 * and links: fd, stdin, stdout, stderr, ptmx, pts/, shm/. ctx: root's. */
int devfs_populate(const struct vfs_ctx *ctx, const struct path *dev) MUST_CHECK;
