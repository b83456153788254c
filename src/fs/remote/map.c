/*
 * Remote regular files as mappables, through the host's descriptor: native
 * faults, coherent with the host. One translation covers all that is asked for
 * up to the end of the file.
 *
 * Locks: maps_lock (LOCK_INODE_MAPS) the reverse mappings; map_lock
 * (LOCK_INODE_DATA) the hostmap.
 */
#include "fs/remote/internal.h"

static struct rnode *rnode_of_mappable(struct mappable *m)
{
	return container_of(m, struct rnode, mappable);
}

static void remote_map_get(struct mappable *m)
{
	inode_get(&rnode_of_mappable(m)->inode);
}

static void remote_map_put(struct mappable *m)
{
	inode_put(&rnode_of_mappable(m)->inode);
}

static int remote_add_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
			      fileoff_t off, bool writable)
{
	struct rnode *n = rnode_of_mappable(m);
	int r;

	mutex_lock(&n->maps_lock);
	r = mapping_set_add(&n->maps, ms, addr, size, off, writable);
	mutex_unlock(&n->maps_lock);
	return r;
}

static void remote_remove_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
				  fileoff_t off, bool writable)
{
	struct rnode *n = rnode_of_mappable(m);

	mutex_lock(&n->maps_lock);
	mapping_set_remove(&n->maps, ms, addr, size, off, writable);
	mutex_unlock(&n->maps_lock);
}

static int remote_copy_mapping(struct mappable *m, struct mapping_space *ms, gva_t src UNUSED, gva_t dst,
			       uint64_t size, fileoff_t off, bool writable)
{
	return remote_add_mapping(m, ms, dst, size, off, writable);
}

static void release_fd(void *arg)
{
	hostfd_put(arg);
}

/* The hostmap for reading, or for reading and writing. => map_lock */
static int hostmap_get_locked(struct rnode *n, bool writable, struct hostmap **out)
{
	struct hostmap **slot = &n->hostmap[writable];
	struct hostfd *h;
	int r;

	*out = *slot;
	if (*slot)
		return 0;
	r = handle_get(n, writable ? HANDLE_WRITE : HANDLE_READ, &h);
	if (r < 0)
		return r;
	r = hostmap_create(h->fd, writable, slot);
	if (r < 0) {
		hostfd_put(h);
		return r;
	}
	hostmap_set_release(*slot, release_fd, h);
	*out = *slot;
	return 0;
}

static int remote_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			    fileoff_t opt_end, int access, struct translation *out, unsigned max UNUSED,
			    unsigned *count)
{
	struct rnode *n = rnode_of_mappable(m);
	struct hostmap *hm = NULL;
	struct statx stx;
	uint64_t eof = 0;
	int r;

	*count = 0;
	mutex_lock(&n->map_lock);
	r = hostmap_get_locked(n, access & MAP_W, &hm);
	if (r == 0)
		r = n->remote->ops->fstat(hostmap_mapfile(hm)->ops->fd(hostmap_mapfile(hm)), &stx);
	if (r == 0)
		eof = page_up(stx.stx_size);
	mutex_unlock(&n->map_lock);
	if (r < 0)
		return r == -ENOMEM ? r : -EIO;
	if (start >= eof)
		return -EFAULT;
	out[0].start = opt_start;
	out[0].end = MIN(opt_end, eof);
	out[0].file = hostmap_mapfile(hm);
	out[0].offset = opt_start;
	out[0].perms = MAP_R | MAP_X | (access & MAP_W);
	*count = 1;
	return end > eof ? -EFAULT : 0;
}

static int remote_map_sync(struct mappable *m, fileoff_t off UNUSED, uint64_t size UNUSED)
{
	struct rnode *n = rnode_of_mappable(m);
	struct hostfd *h;
	int r;

	if (!n->hostmap[true])
		return 0;
	r = handle_get(n, HANDLE_WRITE, &h);
	if (r < 0)
		return r;
	r = host_fdatasync(h->fd);
	hostfd_put(h);
	return r;
}

static size_t remote_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	struct rnode *n = rnode_of_mappable(m);

	*dev = n->dev;
	*ino = n->inode.ino;
	if (size)
		buf[0] = '\0';
	return 0;
}

const struct mappable_ops remote_mappable_ops = {
	.get = remote_map_get,
	.put = remote_map_put,
	.add_mapping = remote_add_mapping,
	.remove_mapping = remote_remove_mapping,
	.copy_mapping = remote_copy_mapping,
	.translate = remote_translate,
	.sync = remote_map_sync,
	.describe = remote_describe,
};

void map_fini(struct rnode *n)
{
	mapping_set_fini(&n->maps);
	hostmap_put(n->hostmap[false]);
	hostmap_put(n->hostmap[true]);
}

/* Pages past the new end are gone for everybody who maps them. */
void map_truncated(struct rnode *n, uint64_t size)
{
	mutex_lock(&n->maps_lock);
	mapping_set_invalidate(&n->maps, page_up(size), UINT64_MAX & PAGE_MASK, true);
	mutex_unlock(&n->maps_lock);
}
