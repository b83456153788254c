/* What the tests of file systems share: a tree with one root, calls on it by
 * path, and a scratch directory of the host. */
#pragma once

#include "vfs/vfs.h"

struct tree {
	struct memfile *mf;
	struct vfs *vfs;
	struct vfs_ctx ctx;
	struct waiter waiter;
	const struct cred *cred;
	char scratch[64]; /* on the host; its tree is removed at the end */
};

/* A memory file, a waiter, root's credentials, a scratch directory. */
int tree_init(struct tree *t);
/* Mounts sb as the root. */
int tree_mount(struct tree *t, struct super *sb);
/* -1 when the memory file still holds something. */
int tree_fini(struct tree *t);

/* The scratch directory's NAME, for calls on the host. */
const char *tree_host(const struct tree *t, const char *name);
void tree_host_write(const struct tree *t, const char *name, const char *text);
/* The whole file, at most 4095 bytes; NULL: it cannot be read. */
const char *tree_host_read(const struct tree *t, const char *name);

/* Calls inside; each answers as the system call would. */
struct file *tree_open(struct tree *t, const char *name, unsigned flags);
int tree_try_open(struct tree *t, const char *name, unsigned flags);
ssize_t tree_put(struct tree *t, struct file *f, const void *buf, size_t n, int64_t off);
ssize_t tree_get(struct tree *t, struct file *f, void *buf, size_t n, int64_t off);
int tree_write(struct tree *t, const char *name, const char *text);
/* As tree_host_read; "" and errno-like text "-2" when it cannot be opened. */
const char *tree_read(struct tree *t, const char *name);
int tree_stat(struct tree *t, const char *name, struct kstat *st);
/* Names in order, joined by spaces, without "." and "..". */
const char *tree_list(struct tree *t, const char *name);
