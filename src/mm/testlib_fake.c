#include "mm/testlib_fake.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"

/* ---- the platform: linked in place of the real one ---- */

struct fake_page {
	int fd, prot;
	bool is_mapped;
	uint64_t offset;
};

struct platform {
	struct memfile *mf;
};

struct platform_as {
	struct platform *platform;
	size_t count;
	bool dead;
	struct fake_page pages[];
};

size_t fake_pages = 4096;
unsigned fake_fail_in;
uint64_t fake_ops, fake_batches, fake_lazy;

static struct platform the_platform;

struct mm_env fake_env(struct memfile *mf)
{
	the_platform.mf = mf;
	return (struct mm_env){ .platform = &the_platform, .memfile = mf };
}

void platform_guest_range(const struct platform *p UNUSED, gva_t *lo, gva_t *hi)
{
	*lo = FAKE_LO;
	*hi = fake_hi();
}

int platform_as_create(struct platform *p, struct platform_as **out)
{
	struct platform_as *as = calloc(1, sizeof(*as) + fake_pages * sizeof(struct fake_page));

	*out = as;
	if (!as)
		return -ENOMEM;
	as->platform = p;
	as->count = fake_pages;
	return 0;
}

void platform_as_destroy(struct platform_as *as)
{
	free(as);
}

void platform_as_kill(struct platform_as *as)
{
	as->dead = true;
}

int platform_as_clear(struct platform_as *as)
{
	memset(as->pages, 0, as->count * sizeof(as->pages[0]));
	return 0;
}

static struct fake_page *page_at(struct platform_as *as, gva_t addr)
{
	size_t i = (addr - FAKE_LO) / PAGE_SIZE;

	return addr >= FAKE_LO && i < as->count ? &as->pages[i] : NULL;
}

static void apply_page(struct fake_page *page, const struct platform_op *op, uint64_t offset,
		       bool lazy)
{
	ASSERT(page);
	switch (op->kind) {
	case PLATFORM_OP_MAP:
		ASSERT(!lazy || !page->is_mapped);
		ASSERT(op->prot);
		*page = (struct fake_page){ op->fd, op->prot, true, op->offset + offset };
		break;
	case PLATFORM_OP_UNMAP:
		ASSERT(!lazy);
		page->is_mapped = false;
		break;
	case PLATFORM_OP_PROTECT:
		ASSERT(!lazy);
		page->prot = op->prot;
		break;
	}
}

static int apply(struct platform_as *as, const struct platform_op *ops, size_t count, bool lazy)
{
	fake_batches++;
	fake_lazy += lazy;
	for (size_t i = 0; i < count; i++) {
		const struct platform_op *op = &ops[i];

		ASSERT(op->size && !((op->addr | op->size | op->offset) & ~PAGE_MASK));
		fake_ops++;
		if (as->dead)
			return -ESRCH;
		if (op->kind == PLATFORM_OP_MAP && fake_fail_in && --fake_fail_in == 0)
			return -ENOMEM;
		for (uint64_t at = 0; at < op->size; at += PAGE_SIZE)
			apply_page(page_at(as, op->addr + at), op, at, lazy);
	}
	return 0;
}

int platform_as_apply(struct platform_as *as, const struct platform_op *ops, size_t count)
{
	return apply(as, ops, count, false);
}

int platform_as_apply_lazy(struct platform_as *as, const struct platform_op *ops, size_t count)
{
	return apply(as, ops, count, true);
}

/* ---- a guest ---- */

static bool page_allows(const struct fake_page *page, int access)
{
	int prot = page->prot & MAP_W ? page->prot | MAP_R : page->prot;

	return page->is_mapped && (prot & access) == access;
}

bool fake_may(struct mm *mm, gva_t addr, int access)
{
	struct fake_page *page = page_at(mm_as(mm), addr);

	return page && page_allows(page, access);
}

/* The host's own page: through the memory file's mapping, or the descriptor. */
static void touch(struct platform_as *as, const struct fake_page *page, gva_t addr, int access,
		  uint8_t *value)
{
	uint64_t offset = page->offset + (addr & ~PAGE_MASK);
	struct memfile *mf = as->platform->mf;
	ssize_t n = 1;

	if (page->fd == memfile_fd(mf)) {
		uint8_t *at = (uint8_t *)memfile_addr(mf, offset);

		if (access == MAP_W)
			__atomic_store_n(at, *value, __ATOMIC_RELAXED);
		else
			*value = __atomic_load_n(at, __ATOMIC_RELAXED);
		return;
	}
	if (access == MAP_W)
		n = pwrite(page->fd, value, 1, (off_t)offset);
	else
		n = pread(page->fd, value, 1, (off_t)offset);
	ASSERT(n == 1);
}

static struct fake_result access_byte(struct mm *mm, gva_t addr, int access, uint8_t value)
{
	struct fake_result r = { .value = value };

	for (; r.traps < 8; r.traps++) {
		struct fake_page *page = page_at(mm_as(mm), addr);
		int err;

		if (page && page_allows(page, access)) {
			touch(mm_as(mm), page, addr, access, &r.value);
			return r;
		}
		err = mm_fault(mm, addr, access, &r.code);
		if (err == -EFAULT)
			r.signo = SIGSEGV;
		else if (err == -ENXIO)
			r.signo = SIGBUS;
		else if (err)
			r.signo = SIGKILL;
		if (err)
			return r;
	}
	panic("the guest traps for ever at %#llx", (unsigned long long)addr);
}

struct fake_result fake_read(struct mm *mm, gva_t addr)
{
	return access_byte(mm, addr, MAP_R, 0);
}

struct fake_result fake_write(struct mm *mm, gva_t addr, uint8_t value)
{
	return access_byte(mm, addr, MAP_W, value);
}

/* ---- a mappable ---- */

static struct fake_file *file_of(struct mappable *m)
{
	return container_of(m, struct fake_file, mappable);
}

static void file_get(struct mappable *m)
{
	__atomic_add_fetch(&file_of(m)->refs, 1, __ATOMIC_RELAXED);
}

static void file_put(struct mappable *m)
{
	unsigned left = __atomic_sub_fetch(&file_of(m)->refs, 1, __ATOMIC_RELAXED);

	ASSERT(left);
}

static int file_add(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
		    fileoff_t off, bool writable)
{
	struct fake_file *f = file_of(m);
	int err;

	mutex_lock(&f->maps_lock);
	err = mapping_set_add(&f->maps, ms, addr, size, off, writable);
	mutex_unlock(&f->maps_lock);
	return err;
}

static void file_remove(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
			fileoff_t off, bool writable)
{
	struct fake_file *f = file_of(m);

	mutex_lock(&f->maps_lock);
	mapping_set_remove(&f->maps, ms, addr, size, off, writable);
	mutex_unlock(&f->maps_lock);
}

static int file_copy(struct mappable *m, struct mapping_space *ms, gva_t src UNUSED, gva_t dst,
		     uint64_t size, fileoff_t off, bool writable)
{
	return file_add(m, ms, dst, size, off, writable);
}

static uint64_t file_random(struct fake_file *f)
{
	f->seed += 0x9e3779b97f4a7c15ull;
	return hash_u64(f->seed);
}

/* All of it as far as the file reaches; at random only some, in two pieces, or
 * without permission to write when that was not asked. */
static int file_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			  fileoff_t opt_end, int access, struct translation *out, unsigned max,
			  unsigned *count)
{
	struct fake_file *f = file_of(m);
	uint64_t random, stop;
	unsigned n = 0;

	ASSERT(max >= 2);
	mutex_lock(&f->lock);
	random = f->seed ? file_random(f) : 0;
	stop = page_up(f->size);
	mutex_unlock(&f->lock);
	f->translations++;
	*count = 0;
	if (start >= stop)
		return -EFAULT;
	if (random & 1)
		opt_start = start;
	if (random & 2)
		opt_end = end;
	opt_end = MIN(opt_end, stop);
	if ((random & 4) && start > opt_start) {
		out[n++] = (struct translation){ .start = opt_start, .end = start };
		opt_start = start;
	}
	out[n++] = (struct translation){ .start = opt_start, .end = opt_end };
	for (unsigned i = 0; i < n; i++) {
		out[i].file = memfile_mapfile(f->mf);
		out[i].offset = f->offset + out[i].start;
		out[i].perms = random & 8 ? access | MAP_R : MAP_R | MAP_W | MAP_X;
	}
	*count = n;
	return end > stop ? -EFAULT : 0;
}

static int file_sync(struct mappable *m, fileoff_t off UNUSED, uint64_t size UNUSED)
{
	file_of(m)->syncs++;
	return 0;
}

static int file_punch(struct mappable *m, fileoff_t off, uint64_t size)
{
	memfile_decommit(file_of(m)->mf, file_of(m)->offset + off, size);
	return 0;
}

static size_t file_describe(struct mappable *m UNUSED, char *buf, size_t size, uint64_t *dev,
			    uint64_t *ino)
{
	*dev = 7;
	*ino = 9;
	strncpy(buf, "/a/file", size);
	return 7;
}

static const struct mappable_ops file_ops = {
	.get = file_get,
	.put = file_put,
	.add_mapping = file_add,
	.remove_mapping = file_remove,
	.copy_mapping = file_copy,
	.translate = file_translate,
	.punch = file_punch,
	.sync = file_sync,
	.describe = file_describe,
};

void fake_file_init(struct fake_file *f, struct memfile *mf, uint64_t size)
{
	int err;

	memset(f, 0, sizeof(*f));
	f->mappable.ops = &file_ops;
	mutex_init(&f->maps_lock, LOCK_INODE_MAPS);
	mutex_init(&f->lock, LOCK_INODE_DATA);
	mapping_set_init(&f->maps);
	f->mf = mf;
	f->refs = 1;
	f->max = page_up(size);
	f->size = size;
	err = memfile_alloc(mf, f->max, MEMFILE_TMPFS, 0, &f->offset);
	ASSERT(err == 0);
}

void fake_file_fini(struct fake_file *f)
{
	ASSERT(f->refs == 1);
	ASSERT(f->maps.writable == 0);
	mapping_set_fini(&f->maps);
	memfile_decref(f->mf, f->offset, f->max);
}

uint8_t *fake_file_data(struct fake_file *f, uint64_t off)
{
	return (uint8_t *)memfile_addr(f->mf, f->offset + off);
}

void fake_file_truncate(struct fake_file *f, uint64_t size)
{
	uint64_t old;

	mutex_lock(&f->maps_lock);
	mutex_lock(&f->lock);
	old = f->size;
	f->size = size;
	mutex_unlock(&f->lock);
	if (size < old) {
		mapping_set_invalidate(&f->maps, page_up(size), f->max, true);
		memfile_decommit(f->mf, f->offset + page_up(size), f->max - page_up(size));
		memset(fake_file_data(f, size), 0, page_up(size) - size);
	}
	mutex_unlock(&f->maps_lock);
}

void fake_end(struct mm *mm, struct fake_file *f, struct memfile *mf)
{
	struct memfile_stats stats;

	mm_check(mm);
	mm_put(mm);
	fake_file_fini(f);
	memfile_trim(mf);
	memfile_check(mf);
	memfile_get_stats(mf, &stats);
	ASSERT(stats.used == 0);
	memfile_destroy(mf);
}
