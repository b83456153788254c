/*
 * Inherited regular files as mappables, through their descriptor: as fs/remote,
 * but with one descriptor that is there from the beginning.
 *
 * Locks: maps_lock (INODE_MAPS).
 */
#include <stdlib.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/hostfd/internal.h"
#include "memfile/memfile.h"
#include "memmap/memmap.h"

struct hostfd_map {
	struct mappable mappable;
	struct refcount refs;    /* the file's, and each vma's */
	struct hostfd *h;        /* [I] reference */
	struct hostmap *hostmap; /* [I] */
	bool may_write;          /* [I] */
	struct mutex maps_lock;
	struct mapping_set maps; /* [maps_lock] */
};

static struct hostfd_map *map_of(struct mappable *m)
{
	return container_of(m, struct hostfd_map, mappable);
}

static void map_get(struct mappable *m)
{
	refcount_get(&map_of(m)->refs);
}

static void map_put(struct mappable *m)
{
	hostfd_map_put(map_of(m));
}

static int map_add(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
		   fileoff_t off, bool writable)
{
	struct hostfd_map *hm = map_of(m);

	if (writable && !hm->may_write)
		return -EACCES;
	return mapping_set_add_under(&hm->maps_lock, &hm->maps, ms, addr, size, off, writable);
}

static void map_remove(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
		       fileoff_t off, bool writable)
{
	struct hostfd_map *hm = map_of(m);

	mapping_set_remove_under(&hm->maps_lock, &hm->maps, ms, addr, size, off, writable);
}

static int map_copy(struct mappable *m, struct mapping_space *ms, gva_t src UNUSED, gva_t dst,
		    uint64_t size, fileoff_t off, bool writable)
{
	return map_add(m, ms, dst, size, off, writable);
}

static int map_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			 fileoff_t opt_end, int access, struct translation *out,
			 unsigned max UNUSED, unsigned *count)
{
	struct hostfd_map *hm = map_of(m);
	struct stat st;
	uint64_t eof;

	*count = 0;
	if ((access & MAP_W) && !hm->may_write)
		return -EACCES;
	if (host_fstat(hm->h->fd, &st) < 0)
		return -EIO;
	eof = page_up((uint64_t)st.st_size);
	if (start >= eof)
		return -EFAULT;
	out[0] = (struct translation){
		.start = opt_start,
		.end = MIN(opt_end, eof),
		.file = hostmap_mapfile(hm->hostmap),
		.offset = opt_start,
		.perms = MAP_R | MAP_X | (hm->may_write ? MAP_W : 0),
	};
	*count = 1;
	return end > eof ? -EFAULT : 0;
}

static int map_sync(struct mappable *m, fileoff_t off UNUSED, uint64_t size UNUSED)
{
	return host_fdatasync(map_of(m)->h->fd);
}

static const struct mappable_ops hostfd_mappable_ops = {
	.get = map_get,
	.put = map_put,
	.add_mapping = map_add,
	.remove_mapping = map_remove,
	.copy_mapping = map_copy,
	.translate = map_translate,
	.sync = map_sync,
};

static void release_fd(void *arg)
{
	hostfd_put(arg);
}

int hostfd_map_create(struct hostfd *h, unsigned flags, struct hostfd_map **out)
{
	struct hostfd_map *hm = calloc(1, sizeof(*hm));
	int r;

	*out = NULL;
	if (!hm)
		return -ENOMEM;
	hm->may_write = (flags & O_ACCMODE) == O_RDWR;
	r = hostmap_create(h->fd, hm->may_write, &hm->hostmap);
	if (r < 0) {
		free(hm);
		return r;
	}
	/* A pma may hold the hostmap for longer than we live. */
	hostmap_set_release(hm->hostmap, release_fd, hostfd_get(h));
	hm->mappable.ops = &hostfd_mappable_ops;
	refcount_init(&hm->refs, 1);
	hm->h = hostfd_get(h);
	mutex_init(&hm->maps_lock, LOCK_INODE_MAPS);
	mapping_set_init(&hm->maps);
	*out = hm;
	return 0;
}

void hostfd_map_put(struct hostfd_map *hm)
{
	if (!hm || !refcount_put(&hm->refs))
		return;
	mapping_set_fini(&hm->maps);
	hostmap_put(hm->hostmap);
	hostfd_put(hm->h);
	free(hm);
}

struct mappable *hostfd_mappable(struct hostfd_map *hm)
{
	return hm ? &hm->mappable : NULL;
}
