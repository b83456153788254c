#include "loader/testlib_fake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "abi/mman.h"
#include "abi/stat.h"
#include "memfile/memfile.h"
#include "memmap/block.h"

/* ---- files ---- */

#define FILES_MAX 16

struct fake_file {
	struct file file; /* first */
	struct inode inode;
	struct mappable mappable;
	char name[SCRIPT_HEAD_SIZE];
	const uint8_t *data;
	size_t size;
	bool is_unmappable;
	int refs;
};

static struct fake_file files[FILES_MAX];
static unsigned nfiles;
static int path_refs, cred_refs, read_error;
static struct cred fake_cred;
static struct vfs_ctx ctx;

static struct fake_file *from_file(struct file *f)
{
	return container_of(f, struct fake_file, file);
}

static struct fake_file *from_path(const struct path *p)
{
	return (struct fake_file *)(void *)p->dentry;
}

static struct mappable *fake_mappable(struct file *f)
{
	return from_file(f)->is_unmappable ? NULL : &from_file(f)->mappable;
}

static const struct file_ops fake_ops = { .name = "fake", .mappable = fake_mappable };

struct file *fake_file(const char *name, const void *data, size_t size, uint32_t mode)
{
	struct fake_file *f = &files[nfiles++];

	ASSERT(nfiles <= FILES_MAX && strlen(name) < sizeof(f->name));
	memset(f, 0, sizeof(*f));
	strcpy(f->name, name);
	f->file.ops = &fake_ops;
	f->file.inode = &f->inode;
	f->inode.mode = mode;
	f->data = data;
	f->size = size;
	return &f->file;
}

void fake_file_unmappable(struct file *f)
{
	from_file(f)->is_unmappable = true;
}

void fake_read_error(int err)
{
	read_error = err;
}

const struct vfs_ctx *fake_ctx(void)
{
	ctx.cred = &fake_cred;
	return &ctx;
}

void file_get(struct file *f)
{
	from_file(f)->refs++;
}

void file_put(struct file *f)
{
	from_file(f)->refs--;
}

/* Hands out at most 100 bytes a call: the loader must go on reading. */
ssize_t file_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io UNUSED)
{
	struct fake_file *ff = from_file(f);
	size_t n = MIN(u->remaining, (size_t)100);

	if (read_error)
		return read_error;
	if (*pos >= ff->size)
		return 0;
	n = MIN(n, ff->size - *pos);
	memcpy((char *)(uintptr_t)u->segs[0].base + u->seg_done, ff->data + *pos, n);
	u->seg_done += n;
	u->remaining -= n;
	*pos += n;
	return (ssize_t)n;
}

void uio_init_kernel(struct uio *u, struct uio_seg *seg, enum uio_dir dir, void *buf, size_t size)
{
	*seg = (struct uio_seg){ .base = (uintptr_t)buf, .size = size };
	*u = (struct uio){ .dir = dir, .segs = seg, .nsegs = 1, .remaining = size };
}

int vfs_lookup(const struct vfs_ctx *c UNUSED, const struct path *dir UNUSED, const char *name,
	       unsigned flags UNUSED, struct path *out)
{
	for (unsigned i = 0; i < nfiles; i++) {
		if (!strcmp(files[i].name, name)) {
			*out = (struct path){ .dentry = (struct dentry *)(void *)&files[i] };
			path_refs++;
			return 0;
		}
	}
	return -ENOENT;
}

void path_put(struct path *p)
{
	path_refs -= p->dentry != NULL;
	*p = (struct path){ 0 };
}

struct inode *path_inode(const struct path *p)
{
	return &from_path(p)->inode;
}

unsigned mount_flags(const struct mount *m UNUSED)
{
	return 0;
}

int vfs_permission(const struct vfs_ctx *c, struct inode *inode, int mask)
{
	if (c->cred != &fake_cred)
		return 0;
	return ((inode->mode & 7) & (unsigned)mask) == (unsigned)mask ? 0 : -EACCES;
}

int vfs_open_path(const struct vfs_ctx *c, const struct path *p, unsigned flags UNUSED,
		  struct file **out)
{
	int err = vfs_permission(c, path_inode(p), 4);

	if (err)
		return err;
	*out = &from_path(p)->file;
	file_get(*out);
	return 0;
}

struct cred *cred_create(uint32_t uid UNUSED, uint32_t gid UNUSED)
{
	static struct cred kernel_cred;

	cred_refs++;
	return &kernel_cred;
}

void cred_put(const struct cred *c UNUSED)
{
	cred_refs--;
}

/* ---- the memory file and the platform ---- */

static uint8_t memfile_bytes[16 * 4096];
static int memfile_refs;

struct memfile *fake_memfile(void)
{
	return (struct memfile *)(void *)memfile_bytes;
}

int memfile_alloc(struct memfile *mf UNUSED, uint64_t size, enum memfile_kind kind UNUSED,
		  unsigned flags UNUSED, uint64_t *offset)
{
	if (size > sizeof(memfile_bytes))
		return -ENOMEM;
	memset(memfile_bytes, 0, sizeof(memfile_bytes));
	memfile_refs++;
	*offset = 0;
	return 0;
}

void memfile_decref(struct memfile *mf UNUSED, uint64_t offset UNUSED, uint64_t size UNUSED)
{
	memfile_refs--;
}

void *memfile_addr(const struct memfile *mf UNUSED, uint64_t offset)
{
	return memfile_bytes + offset;
}

struct mapfile *memfile_mapfile(struct memfile *mf)
{
	return (struct mapfile *)(void *)mf;
}

static size_t plain_copy(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
	return 0;
}

size_t (*block_safecopy)(void *dst, const void *src, size_t n) = plain_copy;

const struct platform *fake_platform(void)
{
	return NULL;
}

size_t platform_xstate_size(const struct platform *p UNUSED)
{
	return 832;
}

uint64_t platform_vdso_symbol(const struct platform *p UNUSED, const char *name)
{
	return strcmp(name, "__vdso_clock_gettime") ? 0 : 0x7ffff0001000;
}

/* ---- the address space ---- */

#define RANGES_MAX 4096
#define PAGES_MAX 4096
#define STACK_TOP ((gva_t)0x7ffffffde000)
#define MMAP_TOP ((gva_t)0x7ff000000000)

struct range {
	gva_t start, end;
	int prot;
	struct mappable *mappable;
	fileoff_t offset;
	const char *name;
};

static struct range ranges[RANGES_MAX];
static unsigned nranges;
static struct {
	gva_t addr;
	uint8_t *data;
} pages[PAGES_MAX];
static unsigned npages, fail_nth;
static struct mm_layout layout;
static gva_t brk_start;

static bool fails(void)
{
	return fail_nth && !--fail_nth;
}

void fake_mm_fail(unsigned nth)
{
	fail_nth = nth;
}

static void forget_page(unsigned i)
{
	free(pages[i].data);
	pages[i] = pages[--npages];
}

static void unmap(gva_t start, gva_t end)
{
	for (unsigned i = nranges; i-- > 0;) {
		struct range *r = &ranges[i], tail = *r;

		if (r->end <= start || r->start >= end)
			continue;
		if (r->end > end && r->start < start) {
			ASSERT(nranges < RANGES_MAX);
			tail.offset += end - r->start;
			tail.start = end;
			ranges[nranges++] = tail;
			r->end = start;
		} else if (r->start < start) {
			r->end = start;
		} else if (r->end > end) {
			r->offset += end - r->start;
			r->start = end;
		} else {
			ranges[i] = ranges[--nranges];
		}
	}
	for (unsigned i = npages; i-- > 0;) {
		if (pages[i].addr >= start && pages[i].addr < end)
			forget_page(i);
	}
}

static struct range *find(gva_t addr)
{
	for (unsigned i = 0; i < nranges; i++) {
		if (addr >= ranges[i].start && addr < ranges[i].end)
			return &ranges[i];
	}
	return NULL;
}

static bool overlaps(gva_t start, gva_t end, gva_t *lowest)
{
	bool found = false;

	for (unsigned i = 0; i < nranges; i++) {
		if (ranges[i].start < end && ranges[i].end > start) {
			*lowest = found ? MIN(*lowest, ranges[i].start) : ranges[i].start;
			found = true;
		}
	}
	return found;
}

static int find_hole(uint64_t size, gva_t *out)
{
	gva_t end = MMAP_TOP;
	gva_t lowest;

	while (end >= size + PAGE_SIZE && overlaps(end - size, end, &lowest))
		end = lowest;
	if (end < size + PAGE_SIZE)
		return -ENOMEM;
	*out = end - size;
	return 0;
}

int mm_map(struct mm *mm UNUSED, const struct mm_map_args *a, gva_t *out)
{
	uint64_t size = page_up(a->size);
	gva_t start = a->addr, ignored;
	int err;

	ASSERT(a->is_kernel && !(a->prot & ~a->max_prot) && a->addr % PAGE_SIZE == 0);
	ASSERT(!a->mappable == !!(a->flags & MAP_ANONYMOUS) && a->offset % PAGE_SIZE == 0);
	if (fails())
		return -ENOMEM;
	if (!size)
		return -EINVAL;
	if (size > LOADER_TASK_SIZE || nranges >= RANGES_MAX - 2)
		return -ENOMEM;
	if (!(a->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		err = find_hole(size, &start);
		if (err)
			return err;
	} else if (start < 65536 || start > LOADER_TASK_SIZE - size) {
		return start < 65536 ? -EPERM : -ENOMEM;
	}
	if ((a->flags & MAP_FIXED_NOREPLACE) && overlaps(start, start + size, &ignored))
		return -EEXIST;
	unmap(start, start + size);
	ranges[nranges++] =
		(struct range){ start, start + size, a->prot, a->mappable, a->offset, a->name };
	*out = start;
	return 0;
}

int mm_install(struct mm *mm UNUSED)
{
	return 0;
}

int mm_unmap(struct mm *mm UNUSED, gva_t addr, uint64_t size)
{
	if (fails())
		return -ENOMEM;
	unmap(addr, addr + page_up(size));
	return 0;
}

/* Fills buf with the page's bytes before any write; false past the file's end. */
static bool load_page(const struct range *r, gva_t page, uint8_t *buf)
{
	const struct fake_file *f;
	fileoff_t off = r->offset + (page - r->start);
	uint64_t opt;
	struct translation t;

	memset(buf, 0, PAGE_SIZE);
	if (!r->mappable)
		return true;
	if (r->mappable->ops) { /* the vDSO */
		opt = off + PAGE_SIZE;
		unsigned count;

		if (r->mappable->ops->translate(r->mappable, off, opt, off, opt, MAP_R, &t, 1,
						&count))
			return false;
		memcpy(buf, memfile_bytes + t.offset, PAGE_SIZE);
		return true;
	}
	f = container_of(r->mappable, struct fake_file, mappable);
	if (off >= page_up(f->size))
		return false;
	if (off < f->size)
		memcpy(buf, f->data + off, MIN(f->size - off, PAGE_SIZE));
	return true;
}

static uint8_t *find_page(gva_t page)
{
	for (unsigned i = 0; i < npages; i++) {
		if (pages[i].addr == page)
			return pages[i].data;
	}
	return NULL;
}

static uint8_t *writable_page(gva_t page)
{
	struct range *r = find(page);
	uint8_t *data = find_page(page);

	if (!r || !(r->prot & PROT_WRITE))
		return NULL;
	if (data)
		return data;
	ASSERT(npages < PAGES_MAX);
	data = malloc(PAGE_SIZE);
	ASSERT(data);
	if (!load_page(r, page, data)) {
		free(data);
		return NULL;
	}
	pages[npages].addr = page;
	pages[npages++].data = data;
	return data;
}

int mm_copy_out(struct mm *mm UNUSED, gva_t dst, const void *src, size_t size)
{
	const uint8_t *from = src;

	if (fails())
		return -EFAULT;
	while (size) {
		size_t in_page = dst % PAGE_SIZE, n = MIN(size, PAGE_SIZE - in_page);
		uint8_t *data = writable_page(page_down(dst));

		if (!data)
			return -EFAULT;
		if (from)
			memcpy(data + in_page, from, n);
		else
			memset(data + in_page, 0, n);
		from = from ? from + n : NULL;
		dst += n;
		size -= n;
	}
	return 0;
}

int mm_zero_out(struct mm *mm, gva_t dst, size_t size)
{
	ASSERT(size < PAGE_SIZE);
	return mm_copy_out(mm, dst, NULL, size);
}

void mm_set_brk_start(struct mm *mm UNUSED, gva_t addr)
{
	brk_start = addr;
}

void mm_set_layout(struct mm *mm UNUSED, const struct mm_layout *in)
{
	layout = *in;
}

gva_t mm_choose_stack_top(struct mm *mm UNUSED)
{
	return STACK_TOP;
}

struct mm *fake_mm(void)
{
	return (struct mm *)(void *)ranges;
}

bool fake_peek(gva_t addr, void *buf, size_t size)
{
	uint8_t *to = buf, page[4096];

	while (size) {
		size_t in_page = addr % PAGE_SIZE, n = MIN(size, PAGE_SIZE - in_page);
		const struct range *r = find(addr);
		const uint8_t *data = find_page(page_down(addr));

		if (!r || (!data && !load_page(r, page_down(addr), page)))
			return false;
		memcpy(to, (data ? data : page) + in_page, n);
		to += n;
		addr += n;
		size -= n;
	}
	return true;
}

uint64_t fake_peek64(gva_t addr)
{
	uint64_t value;

	ASSERT(fake_peek(addr, &value, sizeof(value)));
	return value;
}

int fake_prot(gva_t addr)
{
	const struct range *r = find(addr);

	return r ? r->prot : -1;
}

unsigned fake_nranges(void)
{
	return nranges;
}

const char *fake_name(gva_t addr)
{
	const struct range *r = find(addr);

	return r && r->name ? r->name : "";
}

const struct mm_layout *fake_layout(void)
{
	return &layout;
}

gva_t fake_brk_start(void)
{
	return brk_start;
}

void fake_reset(void)
{
	unmap(0, UINT64_MAX);
	nfiles = 0;
	path_refs = cred_refs = memfile_refs = read_error = 0;
	fail_nth = 0;
	brk_start = 0;
	memset(&layout, 0, sizeof(layout));
}

bool fake_is_balanced(void)
{
	bool ok = !path_refs && !cred_refs && !memfile_refs;

	for (unsigned i = 0; i < nfiles; i++)
		ok &= files[i].refs == 0;
	return ok;
}
