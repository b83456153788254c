/*
 * The first mount tree:
 *
 *	/         overlay: the host directory below, memory above
 *	          (--no-overlay: the host directory itself)
 *	/proc     procfs      /sys  sysfs
 *	/dev      tmpfs with the devices that programs use
 *	/dev/pts  devpts      /dev/shm  tmpfs      /dev/mqueue  mqueue
 *	/dev/vda  --virtio-blk
 *	DST       --bind, --tmpfs
 *
 * A mount point that is missing is made, in the overlay.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/log.h"
#include "boot/internal.h"
#include "fs/blk/blk.h"
#include "fs/dev/dev.h"
#include "fs/mqueue/mqueue.h"
#include "fs/overlay/overlay.h"
#include "fs/remote/remote.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/tty/tty.h"
#include "host/host.h"
#include "pagecache/pagecache.h"
#include "procfs/procfs.h"

static struct pagecache_set *caches; /* of all mounts */

struct build {
	struct kernel *k;
	const struct launch *l;
	struct vfs_ctx ctx;
	struct cred *cred;
	struct waiter waiter;
	struct super *devpts;
};

static int report(const char *what, const char *arg, int err)
{
	if (err < 0)
		say("%s %s: %s", what, arg, strerror(-err));
	return err;
}

/* As mount(8) makes one: half of the memory. */
static int make_tmpfs(struct build *b, uint32_t mode, struct super **out)
{
	return tmpfs_create(b->k->memfile, b->k->memory_limit / 2, mode, 0, 0, out);
}

/* ---- the root ---- */

static int root_super(struct build *b, struct super **out)
{
	bool overlay = b->l->cfg->overlay;
	struct remote_options opt = { .cache = overlay ? REMOTE_EXCLUSIVE : REMOTE_SHARED,
				      .readonly = overlay,
				      .caches = caches,
				      .source = "host" };
	struct super *lower, *upper;
	int r;

	r = remote_mount_hostdir(b->l->root_fd, &opt, &lower);
	if (r < 0 || !overlay) {
		*out = lower;
		return r;
	}
	r = make_tmpfs(b, 0755, &upper);
	if (r == 0)
		r = overlay_create(lower, upper, out);
	return r;
}

/* ---- mount points ---- */

static int make_dirs(struct build *b, const char *path)
{
	char part[4096];

	for (const char *p = path + 1; *p; p++) {
		const char *slash = strchrnul(p, '/');

		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		(void)vfs_mkdir(&b->ctx, NULL, part, 0755);
		if (!*slash)
			break;
		p = slash;
	}
	return 0;
}

/* The place to mount at; made when it is missing. */
static int mount_point(struct build *b, const char *path, bool is_dir, struct path *out)
{
	int r = vfs_lookup(&b->ctx, NULL, path, LOOKUP_FOLLOW, out);
	struct file *f;

	if (r != -ENOENT)
		return r;
	if (is_dir) {
		make_dirs(b, path);
	} else {
		char dir[4096];

		snprintf(dir, sizeof(dir), "%s", path);
		*strrchr(dir, '/') = '\0';
		if (dir[0])
			make_dirs(b, dir);
		r = vfs_open(&b->ctx, NULL, path, O_CREAT | O_WRONLY, 0644, 0, &f);
		if (r == 0)
			file_put(f);
	}
	return vfs_lookup(&b->ctx, NULL, path, LOOKUP_FOLLOW, out);
}

static int mount_at(struct build *b, const char *path, struct super *sb, unsigned flags)
{
	struct path at;
	int r = mount_point(b, path, S_ISDIR(sb->root->mode), &at);

	if (r < 0) {
		super_put(sb);
		return r;
	}
	r = vfs_mount(vfs_first_ns(b->k->vfs), &at, sb, flags | MS_RELATIME, NULL);
	path_put(&at);
	return r;
}

static int mount_tmpfs(struct build *b, const char *path, uint32_t mode, unsigned flags)
{
	struct super *sb;
	int r = make_tmpfs(b, mode, &sb);

	return r < 0 ? r : mount_at(b, path, sb, flags);
}

/* ---- what every sandbox has ---- */

static int mount_dev(struct build *b)
{
	struct super *sb;
	struct path at;
	int r = mount_tmpfs(b, "/dev", 0755, MS_NOSUID);

	if (r == 0)
		r = vfs_lookup(&b->ctx, NULL, "/dev", LOOKUP_FOLLOW, &at);
	if (r < 0)
		return r;
	r = devfs_populate(&b->ctx, &at);
	path_put(&at);
	if (r == 0)
		r = devpts_create(&devpts_defaults, &sb);
	if (r == 0) {
		b->devpts = sb;
		r = mount_at(b, "/dev/pts", sb, MS_NOSUID | MS_NOEXEC);
	}
	if (r == 0)
		r = mount_tmpfs(b, "/dev/shm", 01777, MS_NOSUID | MS_NODEV);
	if (r == 0)
		r = mqueue_create(&sb);
	if (r == 0)
		r = mount_at(b, "/dev/mqueue", sb, MS_NOSUID | MS_NODEV | MS_NOEXEC);
	return r;
}

static int mount_kernel_trees(struct build *b)
{
	struct super *sb;
	int r = procfs_create(b->k, &sb);

	if (r == 0)
		r = mount_at(b, "/proc", sb, MS_NOSUID | MS_NODEV | MS_NOEXEC);
	if (r == 0)
		r = sysfs_create(b->k, &sb);
	if (r == 0)
		r = mount_at(b, "/sys", sb, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY);
	return r;
}

/* ---- what was asked for ---- */

static int mount_binds(struct build *b)
{
	const struct boot_config *cfg = b->l->cfg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < cfg->nbinds; i++) {
		const struct boot_bind *bind = &cfg->binds[i];
		struct remote_options opt = { .cache = (enum remote_cache)bind->cache,
					      .readonly = bind->readonly,
					      .forcecache = bind->forcecache,
					      .caches = caches,
					      .source = bind->src };
		struct super *sb;

		r = remote_mount_hostdir(bind->fd, &opt, &sb);
		if (r == 0)
			r = mount_at(b, bind->dst, sb, bind->readonly ? MS_RDONLY : 0);
		(void)report("--bind: cannot mount at", bind->dst, r);
	}
	return r;
}

static int mount_shares(struct build *b)
{
	const struct boot_config *cfg = b->l->cfg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < cfg->nshares; i++) {
		const struct boot_share *s = &cfg->shares[i];
		struct remote_options opt = { .cache = (enum remote_cache)s->cache,
					      .caches = caches,
					      .source = s->path,
					      .type = "virtiofs" };
		struct super *sb;

		r = remote_mount_virtiofs(s->fd, s->path, b->k->memfile, &opt, &sb);
		if (r == 0)
			r = mount_at(b, s->dst, sb, 0);
		(void)report("--virtiofs: cannot mount at", s->dst, r);
	}
	return r;
}

static int mount_asked_tmpfs(struct build *b)
{
	const struct boot_config *cfg = b->l->cfg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < cfg->ntmpfs; i++) {
		r = mount_tmpfs(b, cfg->tmpfs[i], 01777, MS_NOSUID | MS_NODEV);
		(void)report("--tmpfs: cannot mount at", cfg->tmpfs[i], r);
	}
	return r;
}

void mounts_sync(void)
{
	int r = pagecache_set_sync(caches, NULL);

	if (r < 0)
		log_error("what guests wrote last did not reach the host: %s", strerror(-r));
	blk_stop_all();
}

int mounts_build(struct kernel *k, const struct launch *l, struct path *root, struct super **devpts)
{
	struct build b = { .k = k, .l = l };
	struct super *sb;
	int r;

	waiter_init(&b.waiter);
	b.cred = cred_create(0, 0);
	if (!b.cred)
		return report("cannot build", "the mount tree", -ENOMEM);
	r = vfs_create(&k->vfs);
	if (r == 0)
		r = tmpfs_create(k->memfile, 0, 0700, 0, 0, &k->memfd_super);
	if (r == 0)
		r = pagecache_set_create(k->memfile, NULL, &caches);
	if (r == 0)
		r = root_super(&b, &sb);
	if (r == 0)
		r = vfs_mount(vfs_first_ns(k->vfs), NULL, sb, MS_RELATIME, NULL);
	if (r < 0)
		return report("cannot mount", "the root", r);
	vfs_root(vfs_first_ns(k->vfs), root);
	b.ctx = (struct vfs_ctx){ .cred = b.cred,
				  .waiter = &b.waiter,
				  .root = *root,
				  .cwd = *root,
				  .umask = 0,
				  .fsize_limit = ~(uint64_t)0 };
	r = report("cannot mount", "/dev", mount_dev(&b));
	if (r == 0)
		r = report("cannot mount", "/proc and /sys", mount_kernel_trees(&b));
	if (r == 0)
		r = devices_build(k, l, caches, &b.ctx);
	if (r == 0)
		r = mount_asked_tmpfs(&b);
	if (r == 0)
		r = mount_binds(&b);
	if (r == 0)
		r = mount_shares(&b);
	*devpts = b.devpts;
	cred_put(b.cred);
	return r;
}
