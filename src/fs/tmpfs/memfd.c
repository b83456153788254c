/*
 * Files without a name, and seals (memfd_create(2), F_ADD_SEALS of fcntl(2)).
 *
 * Every file of a tmpfs has seals; one that was not made for sealing has
 * F_SEAL_SEAL from the start.
 */
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fs/tmpfs/internal.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

#define MFD_CLOEXEC_BIT 1u
#define MFD_ALLOW_SEALING_BIT 2u
#define MFD_KNOWN (MFD_CLOEXEC_BIT | MFD_ALLOW_SEALING_BIT | MFD_NOEXEC_SEAL | MFD_EXEC)
#define SEALS_KNOWN                                                                       \
	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | \
	 F_SEAL_EXEC)
#define O_LARGEFILE_BIT 0100000u

/* maps_lock and data_lock (for writing: no write is under way) are held. */
static int add_seals_locked(struct tmpfs_inode *ti, unsigned seals)
{
	struct tmpfs_data *d = &ti->data;
	unsigned old = atomic_load(&d->seals);

	if (old & F_SEAL_SEAL)
		return -EPERM;
	if ((seals & F_SEAL_WRITE) && !(old & F_SEAL_WRITE) && d->maps.writable > 0)
		return -EBUSY;
	if ((seals & F_SEAL_EXEC) && (ti->inode.mode & 0111))
		seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
	atomic_fetch_or(&d->seals, seals);
	return 0;
}

static int add_seals(struct file *f, uint64_t seals)
{
	struct tmpfs_inode *ti = tmpfs_of(f->inode);
	int r;

	if (!file_may_write(f))
		return -EPERM;
	if (seals & ~(uint64_t)SEALS_KNOWN)
		return -EINVAL;
	mutex_lock(&ti->data.maps_lock);
	rwlock_write(&ti->data.data_lock);
	r = add_seals_locked(ti, (unsigned)seals);
	rwlock_write_unlock(&ti->data.data_lock);
	mutex_unlock(&ti->data.maps_lock);
	return r;
}

long tmpfs_fcntl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	(void)ctx;
	switch (cmd) {
	case F_ADD_SEALS:
		return add_seals(f, arg);
	case F_GET_SEALS:
		return (long)atomic_load(&tmpfs_of(f->inode)->data.seals);
	}
	return -EINVAL;
}

static unsigned first_seals(unsigned mfd_flags)
{
	if (mfd_flags & MFD_NOEXEC_SEAL)
		return F_SEAL_EXEC;
	return mfd_flags & MFD_ALLOW_SEALING_BIT ? 0 : F_SEAL_SEAL;
}

int tmpfs_memfd_create(struct super *sb, const char *name, unsigned mfd_flags,
		       const struct vfs_ctx *ctx, struct file **out)
{
	struct tmpfs_super *ts = container_of(sb, struct tmpfs_super, sb);
	uint32_t mode = mfd_flags & MFD_NOEXEC_SEAL ? 0666 : 0777;
	struct tmpfs_inode *ti;
	char shown[256];
	int r;

	*out = NULL;
	if ((mfd_flags & ~MFD_KNOWN) ||
	    (mfd_flags & (MFD_NOEXEC_SEAL | MFD_EXEC)) == (MFD_NOEXEC_SEAL | MFD_EXEC))
		return -EINVAL;
	ti = tmpfs_inode_create(ts, S_IFREG | mode, ctx->cred->fsuid, ctx->cred->fsgid);
	if (!ti)
		return -ENOMEM;
	ti->nlink = 0;
	atomic_store(&ti->data.seals, first_seals(mfd_flags));
	snprintf(shown, sizeof(shown), "memfd:%s", name);
	r = file_create_unnamed(&ti->inode, shown, O_RDWR | O_LARGEFILE_BIT, ctx, out);
	inode_put(&ti->inode);
	return r;
}
