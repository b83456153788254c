/* A file system and a mount tree for the tests of vfs/. */
#pragma once

#include "vfs/vfs.h"

struct toy_env {
	struct vfs *vfs;
	struct waiter waiter;
	const struct cred *root_cred, *user_cred;
	struct vfs_ctx root, user; /* two callers: uid 0, uid 1000 */
};

extern int toy_inodes;       /* alive */
extern unsigned toy_lookups; /* calls of the lookup op */

struct super *toy_super(void);
void toy_begin(struct toy_env *e);
void toy_end(struct toy_env *e);
/* open(O_CREAT | O_EXCL | O_WRONLY) and close. */
int toy_touch(struct vfs_ctx *ctx, const char *name, uint32_t mode);
