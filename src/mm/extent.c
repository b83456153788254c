/*
 * Extents: where private memory lies in the memory file.
 *
 * Neighbours in the address space should be neighbours in the file: then they
 * are one pma for us, and one mapping for the host, which allows a process only
 * 65,530 of them. A vma gets its extent in one piece, so only what grows needs
 * care: heaps (brk, and the mprotect of malloc's arenas) and runs of
 * copy-on-write. For these an extent is taken larger than asked, and the rest
 * put aside under the address at which it would be wanted:
 *
 *	address   |== given out ==|
 *	                          ^ next
 *	file      |== given out ==|-- put aside --|
 *
 * Offsets are free, so what is put aside costs nothing; few are kept, the
 * oldest makes way. The memory file zeroes what it hands out, and nobody else
 * can have written what was put aside.
 */
#include "mm/internal.h"

#define ASIDE_MIN ((uint64_t)1 << 20)
#define ASIDE_MAX ((uint64_t)64 << 20)

static bool take_aside(struct mm *mm, gva_t addr, uint64_t size, enum memfile_kind kind,
		       uint64_t *offset)
{
	for (unsigned i = 0; i < GROWTHS; i++) {
		struct growth *g = &mm->growths[i];

		if (g->next != addr || g->size < size || g->kind != kind)
			continue;
		*offset = g->offset;
		g->next += size;
		g->offset += size;
		g->size -= size;
		return true;
	}
	return false;
}

static void forget_one(struct mm *mm, struct growth *g)
{
	if (g->size)
		memfile_decref(mm->env.memfile, g->offset, g->size);
	*g = (struct growth){ 0 };
}

static void put_aside(struct mm *mm, gva_t next, uint64_t offset, uint64_t size,
		      enum memfile_kind kind)
{
	struct growth *g = &mm->growths[mm->growth_turn++ % GROWTHS];

	forget_one(mm, g);
	*g = (struct growth){ next, offset, size, kind };
}

int extent_alloc(struct mm *mm, gva_t addr, uint64_t size, enum memfile_kind kind, bool grows,
		 uint64_t *offset)
{
	uint64_t aside = MIN(MAX(size, ASIDE_MIN), ASIDE_MAX);
	struct memfile *mf = mm->env.memfile;

	rwlock_assert_write_held(&mm->active_lock);
	if (memfile_is_exhausted(mf))
		return -ENOMEM;
	if (take_aside(mm, addr, size, kind, offset))
		return 0;
	if (grows && memfile_alloc(mf, size + aside, kind, 0, offset) == 0) {
		put_aside(mm, addr + size, *offset + size, aside, kind);
		return 0;
	}
	return memfile_alloc(mf, size, kind, MEMFILE_HUGE, offset);
}

void extent_forget(struct mm *mm)
{
	for (unsigned i = 0; i < GROWTHS; i++)
		forget_one(mm, &mm->growths[i]);
}
