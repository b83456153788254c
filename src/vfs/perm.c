/*
 * Permission: mode bits, and the capabilities that go past them
 * (path_resolution(7), capabilities(7)). ACLs are not kept.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include "vfs/internal.h"

bool perm_has_cap(const struct cred *cred, const struct inode *inode, unsigned cap)
{
	return cred_has_own_cap(cred, cap) && user_ns_has_id(cred->user_ns, ID_UID, inode->uid) &&
	       user_ns_has_id(cred->user_ns, ID_GID, inode->gid);
}

/* The three bits of the mode that count for this caller. */
static unsigned bits_for(const struct cred *cred, const struct inode *inode, unsigned mode)
{
	if (inode->uid == cred->fsuid)
		return mode >> 6 & 7;
	/* The group's bits decide only where they differ from the others'. */
	if (((mode >> 3 ^ mode) & 7) && cred_in_group(cred, inode->gid))
		return mode >> 3 & 7;
	return mode & 7;
}

int vfs_permission(const struct vfs_ctx *ctx, struct inode *inode, int mask)
{
	const struct cred *cred = ctx->cred;
	unsigned mode = READ_ONCE(inode->mode);
	unsigned want = (unsigned)mask & 7;

	if ((bits_for(cred, inode, mode) & want) == want)
		return 0;
	if (S_ISDIR(mode)) {
		if (!(want & MAY_WRITE) && perm_has_cap(cred, inode, CAP_DAC_READ_SEARCH))
			return 0;
		return perm_has_cap(cred, inode, CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	}
	if (want == MAY_READ && perm_has_cap(cred, inode, CAP_DAC_READ_SEARCH))
		return 0;
	if ((!(want & MAY_EXEC) || (mode & 0111)) && perm_has_cap(cred, inode, CAP_DAC_OVERRIDE))
		return 0;
	return -EACCES;
}

int perm_path(const struct vfs_ctx *ctx, const struct path *p, int mask)
{
	struct inode *inode = path_inode(p);

	if ((mask & MAY_WRITE) && mount_is_readonly(p->mount) &&
	    (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || S_ISLNK(inode->mode)))
		return -EROFS;
	return vfs_permission(ctx, inode, mask);
}

int vfs_access(const struct vfs_ctx *ctx, const struct path *p, int mask)
{
	struct inode *inode = path_inode(p);

	if ((mask & MAY_EXEC) && S_ISREG(inode->mode) && (mount_flags(p->mount) & MS_NOEXEC))
		return -EACCES;
	if ((mask & MAY_WRITE) && mount_is_readonly(p->mount) &&
	    (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || S_ISLNK(inode->mode))) {
		int r = vfs_permission(ctx, inode, mask);

		return r < 0 ? r : -EROFS;
	}
	return vfs_permission(ctx, inode, mask);
}

bool perm_is_owner(const struct vfs_ctx *ctx, const struct inode *inode)
{
	return inode->uid == ctx->cred->fsuid || perm_has_cap(ctx->cred, inode, CAP_FOWNER);
}

int perm_may_create(const struct vfs_ctx *ctx, const struct dentry *dir)
{
	if (dentry_has(dir, DENTRY_DELETED))
		return -ENOENT;
	return vfs_permission(ctx, dentry_inode(dir), MAY_WRITE | MAY_EXEC);
}

/* In a sticky directory only the owner of the file or of the directory. */
static bool is_stuck(const struct vfs_ctx *ctx, const struct inode *dir, const struct inode *victim)
{
	if (!(dir->mode & S_ISVTX))
		return false;
	return victim->uid != ctx->cred->fsuid && dir->uid != ctx->cred->fsuid &&
	       !perm_has_cap(ctx->cred, victim, CAP_FOWNER);
}

int perm_may_delete(const struct vfs_ctx *ctx, const struct dentry *dir,
		    const struct dentry *victim, bool is_dir)
{
	struct inode *inode = dentry_inode(victim);
	int r;

	if (!inode)
		return -ENOENT;
	r = vfs_permission(ctx, dentry_inode(dir), MAY_WRITE | MAY_EXEC);
	if (r < 0)
		return r;
	if (is_stuck(ctx, dentry_inode(dir), inode))
		return -EPERM;
	if (is_dir && !S_ISDIR(inode->mode))
		return -ENOTDIR;
	if (!is_dir && S_ISDIR(inode->mode))
		return -EISDIR;
	return dentry_has(dir, DENTRY_DELETED) ? -ENOENT : 0;
}

uint32_t perm_new_mode(const struct vfs_ctx *ctx, const struct inode *dir, uint32_t mode)
{
	uint32_t type = mode & S_IFMT;

	if (type == S_IFLNK)
		return mode;
	mode &= ~(ctx->umask & 0777);
	if (!(dir->mode & S_ISGID))
		return mode;
	if (type == S_IFDIR)
		return mode | S_ISGID;
	/* Nobody makes a setgid program for a group that he is not in. */
	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    !cred_in_group(ctx->cred, dir->gid) && !perm_has_cap(ctx->cred, dir, CAP_FSETID))
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

uint32_t vfs_new_gid(const struct inode *dir, const struct vfs_ctx *ctx)
{
	return dir->mode & S_ISGID ? dir->gid : ctx->cred->fsgid;
}
