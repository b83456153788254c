/*
 * The mount. It lives until its last inode is gone, since a mapping can hold
 * one longer than any mount.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "fs/remote/internal.h"
#include "host/proc.h"

static int remote_statfs(struct super *sb, struct kstatfs *out)
{
	struct remote *rm = sb->priv;

	return rm->ops->statfs(rm->root_handle, out);
}

static int remote_sync(struct super *sb)
{
	struct remote *rm = sb->priv;

	int r = 0, err;

	if (rm->readonly)
		return 0;
	if (rm->caches)
		r = pagecache_set_sync(rm->caches, rm);
	err = S_ISDIR(rm->root->id.type) ? rm->ops->sync(rm->root_handle) : 0;
	return r < 0 ? r : err;
}

void remote_unref(struct remote *rm, unsigned long n)
{
	if (atomic_fetch_sub(&rm->live, n) != n)
		return;
	remote_handle_put(rm->root_handle);
	if (rm->ops->destroy)
		rm->ops->destroy(rm->backend);
	htable_fini(&rm->index);
	free(rm);
}

static void remote_destroy(struct super *sb)
{
	remote_unref(sb->priv, 1);
}

static size_t remote_show_options(struct super *sb, char *buf, size_t size)
{
	static const char *const modes[] = {
		[REMOTE_EXCLUSIVE] = "cache=exclusive",
		[REMOTE_WRITETHROUGH] = "cache=writethrough",
		[REMOTE_SHARED] = "cache=shared",
	};
	struct remote *rm = sb->priv;
	int n = snprintf(buf, size, "%s%s", modes[rm->cache], rm->forcecache ? ",forcecache" : "");

	return size == 0 ? 0 : MIN((size_t)n, size - 1);
}

static const struct super_ops remote_super_ops = {
	.inode_destroy = remote_inode_destroy,
	.statfs = remote_statfs,
	.sync = remote_sync,
	.destroy = remote_destroy,
	.show_options = remote_show_options,
};

/* Half of what the host lets us have; the rest is the guests' and ours. */
static unsigned handles_limit(void)
{
	struct rlimit lim;

	if (host_prlimit(0, RLIMIT_NOFILE, NULL, &lim) < 0 || lim.rlim_cur == RLIM_INFINITY)
		return 4096;
	return (unsigned)MIN((uint64_t)lim.rlim_cur / 2, (uint64_t)16384);
}

static struct remote *remote_alloc(struct remote_backend *b, const struct remote_options *opt)
{
	struct remote *rm = FAULT_POINT("remote.mount") ? NULL : calloc(1, sizeof(*rm));

	if (!rm)
		return NULL;
	rm->backend = b;
	rm->ops = b->ops;
	rm->cache = opt->cache;
	rm->readonly = opt->readonly;
	rm->forcecache = opt->forcecache && opt->caches;
	rm->caches = opt->caches;
	atomic_init(&rm->live, 1);
	mutex_init(&rm->lock, LOCK_REMOTE);
	htable_init(&rm->index);
	list_init(&rm->lru);
	list_init(&rm->dead);
	rm->handles_max = handles_limit();
	super_init(&rm->sb, &remote_super_ops, opt->type ? opt->type : "hostdir");
	snprintf(rm->sb.source, sizeof(rm->sb.source), "%s", opt->source ? opt->source : "host");
	rm->sb.priv = rm;
	if (remote_is_shared(rm))
		rm->sb.flags |= SUPER_NO_NEGATIVE;
	return rm;
}

int remote_mount(struct remote_backend *b, struct remote_handle *root,
		 const struct remote_options *opt, struct super **out)
{
	struct remote *rm = remote_alloc(b, opt);
	struct statx stx;
	int r = -ENOMEM;

	*out = NULL;
	if (!rm)
		goto out_put;
	r = rm->ops->getattr(root, &stx);
	if (r == 0 && !S_ISDIR(stx.stx_mode) && !S_ISREG(stx.stx_mode))
		r = -ENODEV;
	if (r == 0)
		r = rnode_get(rm, NULL, NULL, &stx, &rm->root);
	if (r < 0)
		goto out_free;
	rm->root_handle = root;
	rm->sb.root = &rm->root->inode;
	*out = &rm->sb;
	return 0;

out_free:
	htable_fini(&rm->index);
	free(rm);
out_put:
	remote_handle_put(root);
	return r;
}
