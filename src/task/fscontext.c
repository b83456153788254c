/* A task's place in the file tree: root, working directory, umask; shared by
 * CLONE_FS. */
#include "base/pool.h"
#include "task/internal.h"

static POOL_DEFINE(fs_context_pool, struct fs_context);

struct fs_context *fs_context_create(struct path root, struct path cwd, uint32_t umask)
{
	struct fs_context *fs = pool_alloc(&fs_context_pool);

	if (!fs)
		return NULL;
	refcount_init(&fs->refs, 1);
	mutex_init(&fs->lock, LOCK_FS_CONTEXT);
	fs->root = root;
	fs->cwd = cwd;
	fs->umask = umask;
	return fs;
}

struct fs_context *fs_context_copy(struct fs_context *old)
{
	struct path root, cwd;
	struct fs_context *fs;
	uint32_t umask;

	mutex_lock(&old->lock);
	root = old->root;
	cwd = old->cwd;
	path_get(&root);
	path_get(&cwd);
	umask = old->umask;
	mutex_unlock(&old->lock);
	fs = fs_context_create(root, cwd, umask);
	if (!fs) {
		path_put(&root);
		path_put(&cwd);
	}
	return fs;
}

struct fs_context *fs_context_get(struct fs_context *fs)
{
	refcount_get(&fs->refs);
	return fs;
}

void fs_context_put(struct fs_context *fs)
{
	if (!fs || !refcount_put(&fs->refs))
		return;
	path_put(&fs->root);
	path_put(&fs->cwd);
	pool_free(&fs_context_pool, fs);
}

/* The old place is let go without the lock: that may free a mount. */
static void replace(struct fs_context *fs, struct path *slot, const struct path *p)
{
	struct path old;

	path_get(p);
	mutex_lock(&fs->lock);
	old = *slot;
	*slot = *p;
	mutex_unlock(&fs->lock);
	path_put(&old);
}

void fs_context_set_cwd(struct fs_context *fs, const struct path *p)
{
	replace(fs, &fs->cwd, p);
}

void fs_context_set_root(struct fs_context *fs, const struct path *p)
{
	replace(fs, &fs->root, p);
}

/* Neither reference that goes is the last: the caller has one of `old`. */
void fs_context_change_root(struct fs_context *fs, const struct path *old, const struct path *to)
{
	struct path *const places[] = { &fs->root, &fs->cwd };

	mutex_lock(&fs->lock);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (!path_equal(places[i], old))
			continue;
		path_put(places[i]);
		*places[i] = *to;
		path_get(places[i]);
	}
	mutex_unlock(&fs->lock);
}
