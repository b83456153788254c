/*
 * Registered files, and direct descriptors: slots that operations fill and empty.
 *
 * A table is replaced only as a whole, a slot's node at once under the lock; what was
 * in it is let go without the lock.
 */
#include "uring/files.h"
#include "uring/internal.h"

/* ---- slots ---- */

struct rsrc_node *files_lookup(struct ring *r, uint32_t slot)
{
	return rsrc_lookup(r, &r->files, slot);
}

/* A free slot in the range that is given out, beginning behind the one that was filled
 * last, or with the one that was emptied. => lock */
static int find_free_locked(struct ring *r)
{
	struct rsrc_table *t = r->files;
	uint32_t end = MIN(r->alloc_end, t->count);

	if (r->alloc_hint < r->alloc_start || r->alloc_hint >= end)
		r->alloc_hint = r->alloc_start;
	for (uint32_t i = r->alloc_hint; i < end; i++) {
		if (!t->slot[i])
			return (int)i;
	}
	for (uint32_t i = r->alloc_start; i < end && i < r->alloc_hint; i++) {
		if (!t->slot[i])
			return (int)i;
	}
	return -ENFILE;
}

/* Where index says; the slot, or an error. => lock */
static int slot_for_locked(struct ring *r, uint32_t index)
{
	if (index == IORING_FILE_INDEX_ALLOC)
		return r->files ? find_free_locked(r) : -ENFILE;
	if (!r->files)
		return -ENXIO;
	if (index - 1 >= r->files->count)
		return -EINVAL;
	return (int)(index - 1);
}

int files_install(struct ring *r, struct file *f, uint32_t index)
{
	struct rsrc_node *n, *old = NULL;
	int slot;

	if (file_is_uring(f)) {
		file_put(f);
		return -EBADF;
	}
	n = rsrc_node_create(r, f, NULL, 0);
	if (!n) {
		file_put(f);
		return -ENOMEM;
	}
	mutex_lock(&r->lock);
	slot = slot_for_locked(r, index);
	if (slot >= 0) {
		old = r->files->slot[slot];
		r->files->slot[slot] = n;
		r->alloc_hint = (uint32_t)slot + 1;
	}
	mutex_unlock(&r->lock);
	rsrc_node_put(slot < 0 ? n : old);
	if (slot < 0)
		return slot;
	return index == IORING_FILE_INDEX_ALLOC ? slot : 0;
}

int files_close(struct ring *r, uint32_t slot)
{
	struct rsrc_node *n = NULL;
	int err = 0;

	mutex_lock(&r->lock);
	if (!r->files) {
		err = -ENXIO;
	} else if (slot >= r->files->count) {
		err = -EINVAL;
	} else {
		n = r->files->slot[slot];
		r->files->slot[slot] = NULL;
		if (!n)
			err = -EBADF;
		else
			r->alloc_hint = slot;
	}
	mutex_unlock(&r->lock);
	rsrc_node_put(n);
	return err;
}

int files_give(struct ring *r, struct task *t, struct file *f, uint32_t index, bool cloexec)
{
	int fd;

	if (index)
		return files_install(r, f, index);
	fd = fd_install(t, f, 0, cloexec);
	if (fd < 0)
		file_put(f);
	return fd;
}

/* ---- registering ---- */

/* The file for entry i of a guest's array; *file NULL: an empty slot. */
static int file_at(struct task *t, gva_t fds, unsigned i, int32_t *fd, struct file **file)
{
	*file = NULL;
	if (mm_copy_in(t->mm, fd, fds + (uint64_t)i * sizeof(*fd), sizeof(*fd)) < 0)
		return -EFAULT;
	if (*fd < 0)
		return *fd == -1 || *fd == IORING_REGISTER_FILES_SKIP ? 0 : -EBADF;
	*file = fd_get(t, *fd);
	if (!*file)
		return -EBADF;
	if (file_is_uring(*file)) {
		file_put(*file);
		*file = NULL;
		return -EBADF;
	}
	return 0;
}

static int tag_at(struct task *t, gva_t tags, unsigned i, uint64_t *tag)
{
	*tag = 0;
	if (!tags)
		return 0;
	return mm_copy_in(t->mm, tag, tags + (uint64_t)i * sizeof(*tag), sizeof(*tag));
}

static int fill_slot(struct ring *r, struct task *t, struct rsrc_table *table, gva_t fds,
		     gva_t tags, unsigned i)
{
	struct file *file;
	uint64_t tag;
	int32_t fd;
	int err;

	if (!fds)
		return 0;
	err = tag_at(t, tags, i, &tag);
	if (err < 0)
		return err;
	err = file_at(t, fds, i, &fd, &file);
	if (err < 0)
		return err;
	if (fd == IORING_REGISTER_FILES_SKIP)
		return -EBADF;
	if (!file)
		return tag ? -EINVAL : 0;
	table->slot[i] = rsrc_node_create(r, file, NULL, tag);
	if (!table->slot[i]) {
		file_put(file);
		return -ENOMEM;
	}
	return 0;
}

static int check_count(struct task *t, unsigned nr)
{
	if (!nr)
		return -EINVAL;
	if (nr > RSRC_FILES_MAX || nr > task_limit(t, RLIMIT_NOFILE_NR))
		return -EMFILE;
	return 0;
}

static long register_table(struct ring *r, struct task *t, gva_t fds, gva_t tags, unsigned nr)
{
	struct rsrc_table *table;
	int err;

	if (r->files)
		return -EBUSY;
	err = check_count(t, nr);
	if (err < 0)
		return err;
	table = rsrc_table_create(nr);
	if (!table)
		return -ENOMEM;
	for (unsigned i = 0; i < nr && err == 0; i++)
		err = fill_slot(r, t, table, fds, tags, i);
	if (err < 0) {
		rsrc_table_discard(table);
		return err;
	}
	mutex_lock(&r->lock);
	r->files = table;
	r->alloc_start = r->alloc_hint = 0;
	r->alloc_end = nr;
	mutex_unlock(&r->lock);
	return 0;
}

long files_register(struct ring *r, struct task *t, gva_t arg, unsigned nr)
{
	return arg ? register_table(r, t, arg, 0, nr) : -EFAULT;
}

long files_register2(struct ring *r, struct task *t, const struct io_uring_rsrc_register *rr)
{
	if ((rr->flags & IORING_RSRC_REGISTER_SPARSE) && rr->data)
		return -EINVAL;
	return register_table(r, t, rr->data, rr->tags, rr->nr);
}

long files_unregister(struct ring *r)
{
	return rsrc_table_unregister(r, &r->files);
}

/* ---- updating ---- */

static struct rsrc_node *swap_slot(struct ring *r, uint32_t slot, struct rsrc_node *n)
{
	struct rsrc_node *old = n;

	mutex_lock(&r->lock);
	if (r->files && slot < r->files->count) {
		old = r->files->slot[slot];
		r->files->slot[slot] = n;
		r->alloc_hint = n ? slot + 1 : slot;
	}
	mutex_unlock(&r->lock);
	return old;
}

static int update_slot(struct ring *r, struct task *t, const struct io_uring_rsrc_update2 *up,
		       unsigned i)
{
	struct rsrc_node *n = NULL;
	struct file *file;
	uint64_t tag;
	int32_t fd;
	int err = tag_at(t, up->tags, i, &tag);

	if (err < 0)
		return err;
	err = file_at(t, up->data, i, &fd, &file);
	if (err < 0)
		return err;
	if (!file && tag)
		return -EINVAL;
	if (fd == IORING_REGISTER_FILES_SKIP)
		return 0;
	if (file) {
		n = rsrc_node_create(r, file, NULL, tag);
		if (!n) {
			file_put(file);
			return -ENOMEM;
		}
	}
	rsrc_node_put(swap_slot(r, up->offset + i, n));
	return 0;
}

long files_update(struct ring *r, struct task *t, const struct io_uring_rsrc_update2 *up)
{
	unsigned done;
	uint32_t end;
	int err = 0;

	if (!r->files)
		return -ENXIO;
	if (add_overflow(up->offset, up->nr, &end))
		return -EOVERFLOW;
	if (end > r->files->count)
		return -EINVAL;
	for (done = 0; done < up->nr && err == 0; done += err == 0)
		err = update_slot(r, t, up, done);
	return done ? (long)done : err;
}

long files_alloc_range(struct ring *r, struct task *t, gva_t arg)
{
	struct io_uring_file_index_range range;
	uint32_t end;
	long err = 0;

	if (mm_copy_in(t->mm, &range, arg, sizeof(range)) < 0)
		return -EFAULT;
	if (add_overflow(range.off, range.len, &end))
		return -EOVERFLOW;
	if (range.resv)
		return -EINVAL;
	mutex_lock(&r->lock);
	if (!r->files || end > r->files->count) {
		err = -EINVAL;
	} else {
		r->alloc_start = r->alloc_hint = range.off;
		r->alloc_end = end;
	}
	mutex_unlock(&r->lock);
	return err;
}

long files_update_alloc(struct ring *r, struct task *t, gva_t fds, unsigned nr)
{
	unsigned done;
	long err = 0;

	if (!r->files)
		return -ENXIO;
	for (done = 0; done < nr; done++) {
		gva_t at = fds + (uint64_t)done * sizeof(int32_t);
		struct file *file;
		int32_t fd;

		err = mm_copy_in(t->mm, &fd, at, sizeof(fd));
		if (err < 0)
			break;
		file = fd_get(t, fd);
		if (!file) {
			err = -EBADF;
			break;
		}
		fd = files_install(r, file, IORING_FILE_INDEX_ALLOC);
		if (fd < 0) {
			err = fd;
			break;
		}
		if (mm_copy_out(t->mm, at, &fd, sizeof(fd)) < 0) {
			(void)files_close(r, (uint32_t)fd);
			err = -EFAULT;
			break;
		}
	}
	return done ? (long)done : err;
}
