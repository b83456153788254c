/*
 * Instructions of ours in the guest's code: see task/trampoline.h for what they are.
 *
 * A changed page is a private copy, so neither the file nor another process sees it.
 * While other threads run in the address space nothing is changed in place: they see
 * the old page or the new one, never half of an instruction. One thread alone is in the
 * kernel, asking for the change.
 *
 * What was there is remembered, for the guest may want the addresses where our code is
 * (a program that unmaps all that it finds): then each change is taken back first.
 */
#include "mm/internal.h"

#include <stdlib.h>
#include <string.h>

#include "abi/mman.h"

static bool is_text(const struct vma *v)
{
	return v && v->mappable && (v->flags & VMA_PROGRAM) && !(v->flags & VMA_SHARED) &&
	       (v->prot & (MAP_W | MAP_X)) == MAP_X;
}

/* Our address of the bytes at addr; NULL: there is none. */
static void *bytes_at(struct mm *mm, gva_t addr, size_t size, int access)
{
	struct pma *p = pma_find(mm, addr);
	struct block blk;
	unsigned count;

	if (!p || !p->is_mapped || !(p->prot & MAP_X))
		return NULL;
	return pma_blocks(mm, p, addr, size, access, &blk, 1, &count) == size ? blk.base : NULL;
}

static bool is_there(struct mm *mm, gva_t addr, const void *old, size_t size)
{
	const void *at = bytes_at(mm, addr, size, MAP_R);
	uint8_t buf[TEXT_PATCH_MAX];

	return at && block_safecopy(buf, at, size) == 0 && memcmp(buf, old, size) == 0;
}

static int patch_page(struct batch *b, struct vma *v, gva_t addr, const void *new, size_t size)
{
	struct pma *p = pma_find(b->mm, addr);
	void *at;
	int err = 0;

	if (!p->is_private || p->need_cow || mm_users(b->mm) > 1)
		err = cow_copy(b, v, p, addr, COW_WINDOW);
	if (err)
		return err;
	at = bytes_at(b->mm, addr, size, MAP_W);
	if (!at)
		return -EAGAIN;
	memcpy(at, new, size);
	return 0;
}

/* Inside a batch. */
static int exchange(struct batch *b, gva_t addr, const void *old, const void *new, size_t size)
{
	struct vma *v = vma_find(b->mm, addr);

	if (!is_text(v))
		return -EACCES;
	return is_there(b->mm, addr, old, size) ? patch_page(b, v, addr, new, size) : -EAGAIN;
}

static int reserve_patch(struct mm_text *t)
{
	unsigned room = t->room ? t->room * 2 : 16;
	struct text_patch *p;

	if (t->count < t->room)
		return 0;
	p = realloc(t->patches, room * sizeof(*p));
	if (!p)
		return -ENOMEM;
	t->patches = p;
	t->room = room;
	return 0;
}

static int patch_locked(struct mm *mm, gva_t addr, const void *old, const void *new, size_t size)
{
	struct text_patch *p;
	struct batch b;
	int err = reserve_patch(&mm->text), mapped;

	if (err)
		return err;
	batch_begin(&b, mm);
	err = exchange(&b, addr, old, new, size);
	mapped = batch_end(&b);
	if (err)
		return err;
	p = &mm->text.patches[mm->text.count++];
	*p = (struct text_patch){ .addr = addr, .size = (uint8_t)size };
	memcpy(p->old, old, size);
	memcpy(p->new, new, size);
	return mapped; /* what could not be mapped faults */
}

int mm_patch_text(struct mm *mm, gva_t addr, const void *old, const void *new, size_t size)
{
	int err;

	ASSERT(size <= TEXT_PATCH_MAX && page_down(addr) == page_down(addr + size - 1));
	rwlock_write(&mm->map_lock);
	err = mm->text.is_over ? -EACCES : patch_locked(mm, addr, old, new, size);
	rwlock_write_unlock(&mm->map_lock);
	return err;
}

/* ---- the end of it ---- */

/* The last first: one may lie in another. Text that is gone, or that the guest has written
 * to, is left as it is. */
static void take_back(struct mm *mm)
{
	struct batch b;

	batch_begin(&b, mm);
	for (unsigned i = mm->text.count; i-- > 0;) {
		const struct text_patch *p = &mm->text.patches[i];

		(void)!exchange(&b, p->addr, p->new, p->old, p->size);
	}
	(void)!batch_end(&b);
}

static bool is_in_the_way(const struct mm_text *t, gva_t start, gva_t end)
{
	return t->base && start < t->end && end > t->base;
}

void text_withdraw(struct mm *mm, gva_t start, gva_t end)
{
	struct mm_text *t = &mm->text;

	rwlock_assert_write_held(&mm->map_lock);
	if (!is_in_the_way(t, start, end))
		return;
	take_back(mm);
	vma_find(mm, t->base)->flags &= ~(unsigned)VMA_SEALED;
	text_forget(mm);
	t->is_over = true;
}

void text_make_way(struct mm *mm, gva_t start, gva_t end, struct list *removed)
{
	const struct mm_text *t = &mm->text;

	/* What cannot be unmapped stays in the way. */
	if (is_in_the_way(t, start, end))
		(void)!mm_unmap_locked(mm, t->base, t->end, removed);
}

void text_forget(struct mm *mm)
{
	free(mm->text.patches);
	mm->text = (struct mm_text){ 0 };
}

int text_copy(const struct mm *mm, struct mm *child)
{
	const struct mm_text *t = &mm->text;

	child->text = *t;
	child->text.patches = NULL;
	child->text.room = child->text.count = 0;
	if (!t->count)
		return 0;
	child->text.patches = malloc(t->count * sizeof(*t->patches));
	if (!child->text.patches)
		return -ENOMEM;
	memcpy(child->text.patches, t->patches, t->count * sizeof(*t->patches));
	child->text.room = child->text.count = t->count;
	return 0;
}

/* ---- space for code ---- */

static bool map_space(struct mm *mm, gva_t base, size_t total)
{
	struct list removed = LIST_INIT(removed);
	struct mm_map_args args = {
		.addr = base,
		.size = total,
		.prot = MAP_R | MAP_X,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		.max_prot = MAP_R | MAP_X,
		.name = "[trampolines]",
		.is_kernel = true,
	};
	gva_t at;

	if (base < mm->lo || base > mm->hi || mm->hi - base < total)
		return false;
	if (mm_map_locked(mm, &args, total, 0, &removed, &at))
		return false;
	ASSERT(list_empty(&removed)); /* nothing was there */
	vma_find(mm, base)->flags |= VMA_SEALED;
	vma_set_lock(mm, vma_find(mm, base), MLOCK_MODE_NONE); /* not the program's to pay for */
	mm->text.base = mm->text.next = base;
	mm->text.end = base + total;
	return true;
}

gva_t mm_code_space(struct mm *mm, gva_t base, size_t total, size_t size)
{
	struct mm_text *t = &mm->text;
	gva_t at = 0;

	rwlock_write(&mm->map_lock);
	if (!t->is_over && (t->base || map_space(mm, base, total)) && size <= t->end - t->next) {
		at = t->next;
		t->next += size;
	}
	rwlock_write_unlock(&mm->map_lock);
	return at;
}

/* Nobody runs what is not written yet, so it is written in place; a page that a fork
 * shares is copied first. */
static int put_code_page(struct mm *mm, gva_t at, const void *code, size_t size)
{
	struct vma *v = vma_find(mm, at);
	struct pma *p;
	struct batch b;
	void *to;
	int err, ended;

	if (mm->text.is_over || !v)
		return -EACCES;
	batch_begin(&b, mm);
	err = fill(&b, v, page_down(at), page_down(at) + PAGE_SIZE, MAP_X, FILL_MAP);
	p = pma_find(mm, at);
	if (!err && p->need_cow)
		err = cow_copy(&b, v, p, at, PAGE_SIZE);
	to = err ? NULL : bytes_at(mm, at, size, MAP_W);
	if (to)
		memcpy(to, code, size);
	ended = batch_end(&b);
	if (err || ended)
		return err ? err : ended;
	return to ? 0 : -EACCES;
}

int mm_put_code(struct mm *mm, gva_t at, const void *code, size_t size)
{
	size_t first = MIN(size, (size_t)(page_up(at + 1) - at));
	int err;

	rwlock_write(&mm->map_lock);
	err = put_code_page(mm, at, code, first);
	if (!err && first < size)
		err = put_code_page(mm, at + first, (const uint8_t *)code + first, size - first);
	rwlock_write_unlock(&mm->map_lock);
	return err;
}
