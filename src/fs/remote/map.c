/*
 * Remote regular files as mappables, through the host's descriptor: native
 * faults, coherent with the host. One translation covers all that is asked for
 * up to the end of the file.
 *
 * The hostmaps are made with the first mapping and dropped with the last one
 * (the writable one: with the last that may write). So translate() opens
 * nothing, and a file that is unlinked and closed stays mapped.
 *
 * Locks: maps_lock (INODE_MAPS) the reverse mappings; map_lock (INODE_LOWER_DATA)
 * the hostmaps, which are put outside it.
 */
#include <linux/falloc.h>

#include "fs/remote/internal.h"

static struct rnode *rnode_of_mappable(struct mappable *m)
{
	return container_of(m, struct rnode, mappable);
}

void remote_map_get(struct mappable *m)
{
	inode_get(&rnode_of_mappable(m)->inode);
}

void remote_map_put(struct mappable *m)
{
	inode_put(&rnode_of_mappable(m)->inode);
}

/* ---- hostmaps ---- */

static void release_handle(void *arg)
{
	remote_handle_put(arg);
}

static int hostmap_need(struct rnode *n, bool writable)
{
	struct hostmap *hm = NULL;
	struct remote_handle *h;
	bool exists;
	int r;

	mutex_lock(&n->map_lock);
	exists = n->hostmap[writable] != NULL;
	mutex_unlock(&n->map_lock);
	if (exists)
		return 0;
	r = handle_get(n, writable ? HANDLE_RDWR : HANDLE_READ, &h);
	if (r < 0)
		return r;
	r = h->host ? hostmap_create(h->host->fd, writable, &hm) : -ENODEV;
	if (r < 0) {
		remote_handle_put(h);
		return r;
	}
	hostmap_set_release(hm, release_handle, h);
	mutex_lock(&n->map_lock);
	if (!n->hostmap[writable]) {
		n->hostmap[writable] = hm;
		hm = NULL;
	}
	mutex_unlock(&n->map_lock);
	hostmap_put(hm);
	return 0;
}

static void hostmap_drop(struct rnode *n, bool writable)
{
	struct hostmap *hm;

	mutex_lock(&n->map_lock);
	hm = n->hostmap[writable];
	n->hostmap[writable] = NULL;
	mutex_unlock(&n->map_lock);
	hostmap_put(hm);
}

/* maps_lock is held: nothing is mapped so any more. */
static void drop_unused_locked(struct rnode *n)
{
	atomic_store(&n->is_mapped_writable, n->maps.writable > 0);
	if (n->maps.writable == 0)
		hostmap_drop(n, true);
	if (mapping_set_is_empty(&n->maps))
		hostmap_drop(n, false);
}

/* ---- mappings ---- */

static int remote_add_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr,
			      uint64_t size, fileoff_t off, bool writable)
{
	struct rnode *n = rnode_of_mappable(m);
	int r;

	mutex_lock(&n->maps_lock);
	r = hostmap_need(n, writable);
	if (r == 0)
		r = mapping_set_add(&n->maps, ms, addr, size, off, writable);
	drop_unused_locked(n);
	mutex_unlock(&n->maps_lock);
	if (r == -ESTALE)
		r = -ENODEV;
	return r;
}

static void remote_remove_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr,
				  uint64_t size, fileoff_t off, bool writable)
{
	struct rnode *n = rnode_of_mappable(m);

	mutex_lock(&n->maps_lock);
	mapping_set_remove(&n->maps, ms, addr, size, off, writable);
	drop_unused_locked(n);
	mutex_unlock(&n->maps_lock);
}

static int remote_copy_mapping(struct mappable *m, struct mapping_space *ms, gva_t src UNUSED,
			       gva_t dst, uint64_t size, fileoff_t off, bool writable)
{
	return remote_add_mapping(m, ms, dst, size, off, writable);
}

/* One mapfile for all while somebody may write: a page that was read before it
 * is written then needs no second mapping. A reference. */
static struct hostmap *hostmap_pick(struct rnode *n, int access, bool *is_writable)
{
	struct hostmap *hm;

	mutex_lock(&n->map_lock);
	hm = n->hostmap[true];
	*is_writable = hm != NULL;
	if (!hm && !(access & MAP_W))
		hm = n->hostmap[false];
	if (hm)
		hostmap_get(hm);
	mutex_unlock(&n->map_lock);
	return hm;
}

static int remote_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			    fileoff_t opt_end, int access, struct translation *out,
			    unsigned max UNUSED, unsigned *count)
{
	struct rnode *n = rnode_of_mappable(m);
	bool is_writable;
	struct hostmap *hm = hostmap_pick(n, access, &is_writable);
	struct mapfile *file;
	struct stat st;
	uint64_t eof;
	int r;

	*count = 0;
	if (!hm)
		return -EIO;
	/* The mapping keeps it: a borrowed pointer is enough from here. */
	file = hostmap_mapfile(hm);
	r = host_fstat(file->ops->fd(file), &st);
	hostmap_put(hm);
	if (r < 0)
		return -EIO;
	eof = page_up((uint64_t)st.st_size);
	if (start >= eof)
		return -EFAULT;
	out[0] = (struct translation){
		.start = opt_start,
		.end = MIN(opt_end, eof),
		.file = file,
		.offset = opt_start,
		.perms = MAP_R | MAP_X | (is_writable ? MAP_W : 0),
	};
	*count = 1;
	return end > eof ? -EFAULT : 0;
}

/* The host takes the pages out of its own cache, which is what is mapped. */
static int remote_punch(struct mappable *m, fileoff_t off, uint64_t size)
{
	struct rnode *n = rnode_of_mappable(m);
	struct remote_handle *h;
	int r = n->remote->readonly ? -EROFS : handle_get(n, HANDLE_RDWR, &h);

	if (r < 0)
		return r;
	r = n->remote->ops->fallocate(h, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, size);
	remote_handle_put(h);
	rnode_changed(n);
	return r;
}

static int remote_map_sync(struct mappable *m, fileoff_t off UNUSED, uint64_t size UNUSED)
{
	struct rnode *n = rnode_of_mappable(m);
	struct hostmap *hm;
	struct mapfile *file;
	bool is_writable;
	int r;

	if (!atomic_load(&n->is_mapped_writable))
		return 0;
	hm = hostmap_pick(n, MAP_W, &is_writable);
	if (!hm)
		return 0;
	file = hostmap_mapfile(hm);
	r = host_fdatasync(file->ops->fd(file));
	hostmap_put(hm);
	return r;
}

size_t remote_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	struct rnode *n = rnode_of_mappable(m);

	*dev = n->id.dev;
	*ino = n->inode.ino;
	return inode_name(&n->inode, buf, size);
}

const struct mappable_ops remote_mappable_ops = {
	.get = remote_map_get,
	.put = remote_map_put,
	.add_mapping = remote_add_mapping,
	.remove_mapping = remote_remove_mapping,
	.copy_mapping = remote_copy_mapping,
	.translate = remote_translate,
	.punch = remote_punch,
	.sync = remote_map_sync,
	.describe = remote_describe,
};

void map_fini(struct rnode *n)
{
	mapping_set_fini(&n->maps);
	hostmap_put(n->hostmap[false]);
	hostmap_put(n->hostmap[true]);
	n->hostmap[false] = n->hostmap[true] = NULL;
}

void map_truncated(struct rnode *n, uint64_t size)
{
	mutex_lock(&n->maps_lock);
	mapping_set_invalidate(&n->maps, page_up(size), UINT64_MAX & PAGE_MASK, true);
	mutex_unlock(&n->maps_lock);
}
