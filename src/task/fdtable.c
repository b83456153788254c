/*
 * Descriptor tables: an array of open files, a bitmap of the used numbers, a
 * bitmap of close-on-exec; shared by CLONE_FILES.
 *
 *  1. open bit i == (files[i] != NULL); a cloexec bit only where open is set.
 *  2. No number below `lowest` is free.
 *  3. A file that leaves the table is closed after the lock is dropped: flush
 *     and release may sleep. So close(2) of one thread and dup2(2) of another
 *     on the same number each close a different file, once.
 *
 * The table starts inside the object (64 numbers: most processes never need
 * more) and doubles; it never shrinks.
 *
 * Lock: fdtable.lock [f], which is also what readers take: uncontended it costs
 * two atomic operations, and nothing can free a file under a reader.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bitmap.h"
#include "base/fault.h"
#include "base/kmem.h"
#include "base/pool.h"
#include "task/internal.h"

#define FDS_INLINE 64u
#define FDS_MAX (1u << 20) /* /proc/sys/fs/nr_open */

struct fdtable {
	struct refcount refs;
	struct mutex lock;
	struct file **files; /* [f] */
	uint64_t *open;      /* [f] */
	uint64_t *cloexec;   /* [f] */
	unsigned capacity;   /* [f] a multiple of 64 */
	unsigned lowest;     /* [f] */
	unsigned count;      /* [f] */
	struct file *inline_files[FDS_INLINE];
	uint64_t inline_open, inline_cloexec;
};

static POOL_DEFINE(fdtable_pool, struct fdtable);

/* ---- the arrays ---- */

static void arrays_free(struct fdtable *ft)
{
	if (ft->files == ft->inline_files)
		return;
	kmem_free_for(KMEM_TABLES, ft->files);
	kmem_free_for(KMEM_TABLES, ft->open);
	kmem_free_for(KMEM_TABLES, ft->cloexec);
}

static int arrays_grow(struct fdtable *ft, unsigned fd)
{
	unsigned capacity = MAX(ft->capacity * 2, (fd / 64 + 1) * 64);
	size_t words = BITMAP_WORDS(capacity), old_words = BITMAP_WORDS(ft->capacity);
	struct file **files;
	uint64_t *open, *cloexec;

	if (FAULT_POINT("fdtable.grow"))
		return -ENOMEM;
	files = kmem_zalloc_for(KMEM_TABLES, capacity * sizeof(struct file *));
	open = kmem_zalloc_for(KMEM_TABLES, words * sizeof(*open));
	cloexec = kmem_zalloc_for(KMEM_TABLES, words * sizeof(*cloexec));
	if (!files || !open || !cloexec) {
		kmem_free_for(KMEM_TABLES, files);
		kmem_free_for(KMEM_TABLES, open);
		kmem_free_for(KMEM_TABLES, cloexec);
		return -ENOMEM;
	}
	memcpy(files, ft->files, ft->capacity * sizeof(struct file *));
	memcpy(open, ft->open, old_words * sizeof(*open));
	memcpy(cloexec, ft->cloexec, old_words * sizeof(*cloexec));
	arrays_free(ft);
	ft->files = files;
	ft->open = open;
	ft->cloexec = cloexec;
	ft->capacity = capacity;
	return 0;
}

/* ---- life ---- */

struct fdtable *fdtable_create(void)
{
	struct fdtable *ft = pool_alloc(&fdtable_pool);

	if (!ft)
		return NULL;
	refcount_init(&ft->refs, 1);
	mutex_init(&ft->lock, LOCK_FDTABLE);
	ft->files = ft->inline_files;
	ft->open = &ft->inline_open;
	ft->cloexec = &ft->inline_cloexec;
	ft->capacity = FDS_INLINE;
	return ft;
}

struct fdtable *fdtable_get(struct fdtable *ft)
{
	refcount_get(&ft->refs);
	return ft;
}

bool fdtable_is_shared(struct fdtable *ft)
{
	return refcount_read(&ft->refs) > 1;
}

/* close(2) of one descriptor of `ft`: takes the reference. t may be NULL. */
static int close_file(struct file *f, struct fdtable *ft, struct task *t)
{
	struct vfs_ctx ctx = { .owner = ft, .umask = 022, .fsize_limit = ~(uint64_t)0 };
	int r;

	if (t) {
		ctx.cred = t->cred;
		ctx.waiter = &t->waiter;
		ctx.mem = &t->mem;
		ctx.pid = (uint32_t)t->group->pid;
		ctx.task = t;
	} else {
		ctx.cred = f->cred;
	}
	r = file_close(f, &ctx);
	file_put(f);
	return r;
}

void fdtable_put(struct fdtable *ft, struct task *t)
{
	if (!ft || !refcount_put(&ft->refs))
		return;
	/* Nobody else sees it: no lock. */
	for (size_t fd = 0; (fd = bitmap_find_set(ft->open, ft->capacity, fd)) < ft->capacity; fd++)
		(void)close_file(ft->files[fd], ft, t);
	arrays_free(ft);
	pool_free(&fdtable_pool, ft);
}

static int copy_locked(struct fdtable *ft, struct fdtable *copy)
{
	size_t words;
	int r;

	if (ft->capacity > copy->capacity) {
		r = arrays_grow(copy, ft->capacity - 1);
		if (r < 0)
			return r;
	}
	words = BITMAP_WORDS(ft->capacity);
	memcpy(copy->open, ft->open, words * sizeof(*ft->open));
	memcpy(copy->cloexec, ft->cloexec, words * sizeof(*ft->cloexec));
	copy->lowest = ft->lowest;
	copy->count = ft->count;
	for (size_t fd = 0; (fd = bitmap_find_set(ft->open, ft->capacity, fd)) < ft->capacity;
	     fd++) {
		copy->files[fd] = ft->files[fd];
		file_get(ft->files[fd]);
	}
	return 0;
}

int fdtable_fork(struct fdtable *ft, struct fdtable **out)
{
	struct fdtable *copy = fdtable_create();
	int r;

	*out = NULL;
	if (!copy)
		return -ENOMEM;
	mutex_lock(&ft->lock);
	r = copy_locked(ft, copy);
	mutex_unlock(&ft->lock);
	if (r < 0) {
		fdtable_put(copy, NULL);
		return r;
	}
	*out = copy;
	return 0;
}

int task_unshare_files(struct task *t)
{
	struct fdtable *copy, *old = t->files;
	int r;

	if (!fdtable_is_shared(old))
		return 0;
	r = fdtable_fork(old, &copy);
	if (r < 0)
		return r;
	fdtable_put(task_swap_files(t, copy), t);
	return 0;
}

/* ---- looking ---- */

static struct file *lookup_locked(struct fdtable *ft, int fd)
{
	if (fd < 0 || (unsigned)fd >= ft->capacity)
		return NULL;
	return ft->files[fd];
}

struct file *fdtable_get_file(struct fdtable *ft, int fd, bool *cloexec)
{
	struct file *f;

	mutex_lock(&ft->lock);
	f = lookup_locked(ft, fd);
	if (f) {
		file_get(f);
		if (cloexec)
			*cloexec = bitmap_test(ft->cloexec, (unsigned)fd);
	}
	mutex_unlock(&ft->lock);
	return f;
}

struct file *fd_get(struct task *t, int fd)
{
	return fdtable_get_file(t->files, fd, NULL);
}

int fdtable_next(struct fdtable *ft, int fd)
{
	size_t next, capacity;

	mutex_lock(&ft->lock);
	capacity = ft->capacity;
	next = fd < 0 ? 0 : (size_t)fd;
	next = bitmap_find_set(ft->open, capacity, next);
	mutex_unlock(&ft->lock);
	return next < capacity ? (int)next : -1;
}

unsigned fdtable_count(struct fdtable *ft, unsigned *capacity)
{
	unsigned count;

	mutex_lock(&ft->lock);
	count = ft->count;
	if (capacity)
		*capacity = ft->capacity;
	mutex_unlock(&ft->lock);
	return count;
}

int fd_get_cloexec(struct task *t, int fd)
{
	struct fdtable *ft = t->files;
	int r = -EBADF;

	mutex_lock(&ft->lock);
	if (lookup_locked(ft, fd))
		r = bitmap_test(ft->cloexec, (unsigned)fd);
	mutex_unlock(&ft->lock);
	return r;
}

int fd_set_cloexec(struct task *t, int fd, bool on)
{
	struct fdtable *ft = t->files;
	int r = -EBADF;

	mutex_lock(&ft->lock);
	if (lookup_locked(ft, fd)) {
		if (on)
			bitmap_set(ft->cloexec, (unsigned)fd);
		else
			bitmap_clear(ft->cloexec, (unsigned)fd);
		r = 0;
	}
	mutex_unlock(&ft->lock);
	return r;
}

/* ---- changing ---- */

static void put_locked(struct fdtable *ft, unsigned fd, struct file *f, bool cloexec)
{
	if (!ft->files[fd])
		ft->count++;
	ft->files[fd] = f;
	bitmap_set(ft->open, fd);
	if (cloexec)
		bitmap_set(ft->cloexec, fd);
	else
		bitmap_clear(ft->cloexec, fd);
}

static struct file *take_locked(struct fdtable *ft, unsigned fd)
{
	struct file *f = ft->files[fd];

	if (!f)
		return NULL;
	ft->files[fd] = NULL;
	bitmap_clear(ft->open, fd);
	bitmap_clear(ft->cloexec, fd);
	ft->lowest = MIN(ft->lowest, fd);
	ft->count--;
	return f;
}

static unsigned fd_limit(struct task *t)
{
	return (unsigned)MIN(task_limit(t, RLIMIT_NOFILE_NR), (uint64_t)FDS_MAX);
}

static int install_locked(struct fdtable *ft, struct file *f, unsigned min, unsigned limit,
			  bool cloexec)
{
	unsigned from = MAX(min, ft->lowest);
	unsigned fd = (unsigned)bitmap_find_clear(ft->open, ft->capacity, from);
	int r;

	if (from > ft->capacity)
		fd = from;
	if (fd >= limit)
		return -EMFILE;
	if (fd >= ft->capacity) {
		r = arrays_grow(ft, fd);
		if (r < 0)
			return r;
	}
	put_locked(ft, fd, f, cloexec);
	if (from == ft->lowest)
		ft->lowest = fd + 1;
	return (int)fd;
}

int fd_install(struct task *t, struct file *f, int min, bool cloexec)
{
	struct fdtable *ft = t->files;
	unsigned limit = fd_limit(t);
	int r;

	if (min < 0 || (min > 0 && (unsigned)min >= limit))
		return -EINVAL;
	mutex_lock(&ft->lock);
	r = install_locked(ft, f, (unsigned)min, limit, cloexec);
	mutex_unlock(&ft->lock);
	return r;
}

int fd_install_at(struct task *t, struct file *f, int fd, bool cloexec)
{
	struct fdtable *ft = t->files;
	struct file *old = NULL;
	int r = 0;

	if (fd < 0 || (unsigned)fd >= fd_limit(t))
		return -EBADF;
	mutex_lock(&ft->lock);
	if ((unsigned)fd >= ft->capacity)
		r = arrays_grow(ft, (unsigned)fd);
	if (r == 0) {
		old = ft->files[fd];
		put_locked(ft, (unsigned)fd, f, cloexec);
	}
	mutex_unlock(&ft->lock);
	if (r < 0)
		return r;
	if (old)
		(void)close_file(old, ft, t);
	return fd;
}

int fd_close(struct task *t, int fd)
{
	struct fdtable *ft = t->files;
	struct file *f;

	mutex_lock(&ft->lock);
	f = fd >= 0 && (unsigned)fd < ft->capacity ? take_locked(ft, (unsigned)fd) : NULL;
	mutex_unlock(&ft->lock);
	return f ? close_file(f, ft, t) : -EBADF;
}

/* The first descriptor in [*fd, last] leaves the table, or is marked. */
static struct file *range_step(struct fdtable *ft, unsigned *fd, unsigned last, bool cloexec_only)
{
	struct file *f = NULL;
	unsigned end;

	mutex_lock(&ft->lock);
	end = last < ft->capacity ? last + 1 : ft->capacity;
	for (; (*fd = (unsigned)bitmap_find_set(ft->open, end, *fd)) < end; (*fd)++) {
		if (!cloexec_only) {
			f = take_locked(ft, *fd);
			break;
		}
		bitmap_set(ft->cloexec, *fd);
	}
	mutex_unlock(&ft->lock);
	return f;
}

int fd_close_range(struct task *t, unsigned first, unsigned last, bool cloexec_only)
{
	struct file *f;

	if (first > last)
		return -EINVAL;
	while ((f = range_step(t->files, &first, last, cloexec_only)))
		(void)close_file(f, t->files, t);
	return 0;
}

void fdtable_close_on_exec(struct task *t)
{
	struct fdtable *ft = t->files;
	size_t fd = 0;

	for (;;) {
		struct file *f = NULL;

		mutex_lock(&ft->lock);
		fd = bitmap_find_set(ft->cloexec, ft->capacity, fd);
		if (fd < ft->capacity)
			f = take_locked(ft, (unsigned)fd);
		mutex_unlock(&ft->lock);
		if (!f)
			break;
		(void)close_file(f, ft, t);
	}
}

int fd_dir(struct task *t, int dirfd, const char *name, struct path *out)
{
	struct file *f;

	out->mount = NULL;
	out->dentry = NULL;
	if (dirfd == AT_FDCWD || *name == '/')
		return 0;
	f = fd_get(t, dirfd);
	if (!f)
		return -EBADF;
	if (*name && !S_ISDIR(f->inode->mode)) {
		file_put(f);
		return -ENOTDIR;
	}
	*out = f->path;
	path_get(out);
	file_put(f);
	return 0;
}

int fd_getattr(struct task *t, int fd, struct kstat *out, struct path *path)
{
	struct file *f = fd_get(t, fd);
	int r;

	if (!f)
		return -EBADF;
	r = file_getattr(f, task_vfs_begin_file(t, f), out);
	task_vfs_end(t);
	if (r == 0) {
		*path = f->path;
		path_get(path);
	}
	file_put(f);
	return r;
}
