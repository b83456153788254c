#include "pagecache/testlib_backend.h"

#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "host/host.h"

/* ---- faults ---- */

uint64_t fake_draw(struct fake_backend *b)
{
	return hash_u64(atomic_fetch_add(&b->random, 0x9e3779b97f4a7c15ull));
}

void fake_fail(struct fake_backend *b, enum fake_call call, int err, unsigned times)
{
	atomic_store(&b->fail[call], err);
	atomic_store(&b->fails[call], times);
}

unsigned fake_calls(struct fake_backend *b, enum fake_call call)
{
	return atomic_load(&b->calls[call]);
}

static bool takes_one(atomic_uint *n)
{
	unsigned left = atomic_load(n);

	while (left) {
		if (left == UINT32_MAX || atomic_compare_exchange_weak(n, &left, left - 1))
			return true;
	}
	return false;
}

/* Counts the call; 0, or the error that it is to have. */
static int enter(struct fake_backend *b, enum fake_call call)
{
	static const int errors[] = { -EIO, -ENOSPC, -ESTALE, -ENOMEM };
	static const struct timespec nap = { 0, 100000 };
	unsigned delay = atomic_load(&b->delay_ns), trouble = atomic_load(&b->trouble);

	atomic_fetch_add(&b->calls[call], 1);
	while (atomic_load(&b->is_held))
		(void)!host_clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	if (delay) {
		struct timespec ts = { 0, (long)(fake_draw(b) % delay) };

		(void)!host_clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	}
	if (takes_one(&b->fails[call]))
		return atomic_load(&b->fail[call]);
	if (trouble && fake_draw(b) % trouble == 0)
		return errors[fake_draw(b) % ARRAY_SIZE(errors)];
	return 0;
}

/* How many of n bytes a call moves before it comes back short, or fails. */
static size_t shorten(struct fake_backend *b, size_t n)
{
	unsigned trouble = atomic_load(&b->trouble);

	if (trouble && n > 1 && fake_draw(b) % trouble < 4)
		return 1 + fake_draw(b) % (n - 1);
	return n;
}

/* ---- the calls ---- */

static size_t total(const struct block *blk, unsigned count)
{
	size_t n = 0;

	for (unsigned i = 0; i < count; i++)
		n += blk[i].size;
	return n;
}

static ssize_t fake_read(void *owner, const struct block *blk, unsigned count, uint64_t off)
{
	struct fake_backend *b = owner;
	size_t n = total(blk, count);
	int r = enter(b, FAKE_READ);

	if (r < 0)
		return r;
	n = shorten(b, n);
	mutex_lock(&b->lock);
	n = off >= b->size ? 0 : MIN(n, (size_t)(b->size - off));
	if (n) {
		struct block src = { b->bytes + off, n };

		n = block_copy(blk, count, &src, 1);
	}
	mutex_unlock(&b->lock);
	return atomic_load(&b->lies) ? (ssize_t)(total(blk, count) + 1) : (ssize_t)n;
}

static ssize_t fake_write(void *owner, const struct block *blk, unsigned count, uint64_t off,
			  unsigned flags)
{
	struct fake_backend *b = owner;
	size_t n = shorten(b, total(blk, count));
	int r = enter(b, FAKE_WRITE);
	struct block dst;

	/* An error may come after some bytes got there. */
	if (r < 0 && fake_draw(b) % 2)
		return r;
	mutex_lock(&b->lock);
	if (flags & PAGECACHE_IO_APPEND)
		off = b->size;
	if (off + n > FAKE_MAX) {
		mutex_unlock(&b->lock);
		return -EFBIG;
	}
	dst = (struct block){ b->bytes + off, n };
	n = block_copy(&dst, 1, blk, count);
	b->size = MAX(b->size, off + n);
	mutex_unlock(&b->lock);
	if (r < 0)
		return r;
	return atomic_load(&b->lies) ? (ssize_t)(total(blk, count) + 1) : (ssize_t)n;
}

static void set_size_locked(struct fake_backend *b, uint64_t size)
{
	if (size < b->size)
		memset(b->bytes + size, 0, b->size - size);
	b->size = size;
}

static int fake_truncate(void *owner, uint64_t size)
{
	struct fake_backend *b = owner;
	int r = enter(b, FAKE_TRUNCATE);

	if (r < 0)
		return r;
	if (size > FAKE_MAX)
		return -EFBIG;
	mutex_lock(&b->lock);
	set_size_locked(b, size);
	mutex_unlock(&b->lock);
	return 0;
}

static int collapse_locked(struct fake_backend *b, uint64_t off, uint64_t len)
{
	if ((off | len) & ~PAGE_MASK || off + len >= b->size)
		return -EINVAL;
	memmove(b->bytes + off, b->bytes + off + len, b->size - off - len);
	set_size_locked(b, b->size - len);
	return 0;
}

static int insert_locked(struct fake_backend *b, uint64_t off, uint64_t len)
{
	if ((off | len) & ~PAGE_MASK || off >= b->size)
		return -EINVAL;
	if (b->size + len > FAKE_MAX)
		return -EFBIG;
	memmove(b->bytes + off + len, b->bytes + off, b->size - off);
	memset(b->bytes + off, 0, len);
	b->size += len;
	return 0;
}

static int zero_locked(struct fake_backend *b, int mode, uint64_t off, uint64_t len)
{
	if (off + len > FAKE_MAX)
		return -EFBIG;
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(b->bytes + off, 0, len);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		b->size = MAX(b->size, off + len);
	return 0;
}

static int fake_fallocate(void *owner, int mode, uint64_t off, uint64_t len)
{
	struct fake_backend *b = owner;
	int r = enter(b, FAKE_FALLOCATE);

	if (r < 0)
		return r;
	mutex_lock(&b->lock);
	if (mode & FALLOC_FL_COLLAPSE_RANGE)
		r = collapse_locked(b, off, len);
	else if (mode & FALLOC_FL_INSERT_RANGE)
		r = insert_locked(b, off, len);
	else
		r = zero_locked(b, mode, off, len);
	mutex_unlock(&b->lock);
	return r;
}

static int fake_fsync(void *owner, bool data_only UNUSED)
{
	return enter(owner, FAKE_FSYNC);
}

static bool is_hole(const struct fake_backend *b, uint64_t page)
{
	for (uint64_t i = 0; i < PAGE_SIZE; i++) {
		if (b->bytes[page + i])
			return false;
	}
	return true;
}

/* Pages of zeros are its holes. */
static int64_t fake_seek(void *owner, uint64_t off, int whence)
{
	struct fake_backend *b = owner;
	int64_t r = enter(b, FAKE_SEEK);

	if (r < 0)
		return r;
	mutex_lock(&b->lock);
	r = off < b->size ? (int64_t)off : -ENXIO;
	while (r >= 0 && (uint64_t)r < b->size &&
	       is_hole(b, page_down((uint64_t)r)) == (whence == SEEK_DATA))
		r = (int64_t)page_down((uint64_t)r) + (int64_t)PAGE_SIZE;
	if (r >= 0 && (uint64_t)r >= b->size)
		r = whence == SEEK_DATA ? -ENXIO : (int64_t)b->size;
	mutex_unlock(&b->lock);
	return r;
}

static int fake_size(void *owner, uint64_t *size)
{
	struct fake_backend *b = owner;
	int r = enter(b, FAKE_SIZE);

	mutex_lock(&b->lock);
	*size = b->size;
	mutex_unlock(&b->lock);
	return r;
}

static void fake_get(void *owner)
{
	struct fake_backend *b = owner;

	atomic_fetch_add(&b->refs, 1);
}

static void fake_put(void *owner)
{
	struct fake_backend *b = owner;
	int before = atomic_fetch_sub(&b->refs, 1);

	ASSERT(before > 0);
}

static void fake_dirtied(void *owner)
{
	struct fake_backend *b = owner;

	atomic_fetch_add(&b->dirty_holds, 1);
}

static void fake_cleaned(void *owner)
{
	struct fake_backend *b = owner;
	int before = atomic_fetch_sub(&b->dirty_holds, 1);

	ASSERT(before > 0);
}

const struct pagecache_ops fake_ops = {
	.get = fake_get,
	.put = fake_put,
	.dirtied = fake_dirtied,
	.cleaned = fake_cleaned,
	.read = fake_read,
	.write = fake_write,
	.truncate = fake_truncate,
	.fallocate = fake_fallocate,
	.fsync = fake_fsync,
	.seek = fake_seek,
	.size = fake_size,
};

void fake_init(struct fake_backend *b)
{
	memset(b, 0, sizeof(*b));
	mutex_init(&b->lock, LOCK_NONE);
	b->bytes = calloc(1, FAKE_MAX);
	ASSERT(b->bytes);
}

void fake_fini(struct fake_backend *b)
{
	ASSERT(!b->refs && !b->dirty_holds);
	free(b->bytes);
}

/* ---- an address space ---- */

static void drop_page(struct space *s, struct space_page *p)
{
	if (p->is_there)
		memfile_decref(s->mf, p->offset, PAGE_SIZE);
	*p = (struct space_page){ 0 };
}

static void space_invalidate(struct mapping_space *ms, gva_t start, gva_t end,
			     bool invalidate_private UNUSED)
{
	struct space *s = container_of(ms, struct space, ms);

	rwlock_write(&s->active);
	for (uint64_t i = (start - SPACE_ADDR) / PAGE_SIZE; i < (end - SPACE_ADDR) / PAGE_SIZE; i++)
		drop_page(s, &s->pages[i]);
	rwlock_write_unlock(&s->active);
}

static const struct mapping_space_ops space_ops = { .invalidate = space_invalidate };

int space_map(struct space *s, struct memfile *mf, struct pagecache *pc, uint64_t npages,
	      bool is_writable)
{
	*s = (struct space){ .ms.ops = &space_ops,
			     .npages = npages,
			     .mf = mf,
			     .pc = pc,
			     .is_writable = is_writable };
	rwlock_init(&s->active, LOCK_MM_ACTIVE);
	s->pages = calloc(npages, sizeof(*s->pages));
	ASSERT(s->pages);
	return pagecache_add_mapping(pc, &s->ms, SPACE_ADDR, npages * PAGE_SIZE, 0, is_writable);
}

void space_unmap(struct space *s)
{
	pagecache_remove_mapping(s->pc, &s->ms, SPACE_ADDR, s->npages * PAGE_SIZE, 0,
				 s->is_writable);
	for (uint64_t i = 0; i < s->npages; i++)
		drop_page(s, &s->pages[i]);
	free(s->pages);
}

/* Around the page, where nothing is mapped yet. */
static int space_fault(struct space *s, uint64_t page, int access)
{
	struct translation t[4];
	uint64_t lo = page, hi = page + 1;
	unsigned count;
	int r;

	drop_page(s, &s->pages[page]);
	while (lo > 0 && !s->pages[lo - 1].is_there)
		lo--;
	while (hi < s->npages && !s->pages[hi].is_there)
		hi++;
	r = pagecache_translate(s->pc, page * PAGE_SIZE, (page + 1) * PAGE_SIZE, lo * PAGE_SIZE,
				hi * PAGE_SIZE, access, t, ARRAY_SIZE(t), &count);
	translate_check(page * PAGE_SIZE, (page + 1) * PAGE_SIZE, lo * PAGE_SIZE, hi * PAGE_SIZE,
			access, r, t, count);
	for (unsigned i = 0; i < count; i++) {
		t[i].file->ops->incref(t[i].file, t[i].offset, t[i].end - t[i].start);
		for (uint64_t at = t[i].start; at < t[i].end; at += PAGE_SIZE)
			s->pages[at / PAGE_SIZE] =
				(struct space_page){ true, t[i].offset + (at - t[i].start),
						     t[i].perms };
	}
	return r;
}

static int space_access(struct space *s, uint64_t off, uint8_t *value, int access)
{
	uint64_t page = off / PAGE_SIZE;
	const struct space_page *p = &s->pages[page];
	int r = 0;
	char *at;

	rwlock_write(&s->active);
	if (!p->is_there || (p->perms & access) != access)
		r = space_fault(s, page, access);
	rwlock_downgrade(&s->active);
	if (r == 0) {
		at = (char *)memfile_addr(s->mf, p->offset) + off % PAGE_SIZE;
		if (access == MAP_W)
			(void)!block_safecopy(at, value, 1);
		else
			(void)!block_safecopy(value, at, 1);
	}
	rwlock_read_unlock(&s->active);
	return r;
}

int space_load(struct space *s, uint64_t off, uint8_t *value)
{
	return space_access(s, off, value, MAP_R);
}

int space_store(struct space *s, uint64_t off, uint8_t value)
{
	return space_access(s, off, &value, MAP_W);
}

unsigned space_count(struct space *s)
{
	unsigned n = 0;

	rwlock_read(&s->active);
	for (uint64_t i = 0; i < s->npages; i++)
		n += s->pages[i].is_there;
	rwlock_read_unlock(&s->active);
	return n;
}
