/*
 * Pinned ranges: guest memory that the kernel uses beyond one call (io_uring's
 * registered buffers, rings that a guest brings).
 *
 * A pin holds a reference on each page as it is now. The guest may unmap the range,
 * or map something else there: the pages stay, and only the pin sees them. While the
 * range stays mapped, guest and pin see the same pages. Fork would end that (the
 * parent's next write would get a copy), so the child gets its copy at once of what
 * is pinned (fork.c), as in Linux.
 *
 * Only pages of the memory file can be pinned: a host file's may vanish.
 *
 * Locks: pins_lock guards the lists of all address spaces; it is taken inside the
 * active locks. A pin may outlive its address space.
 */
#include "mm/internal.h"

#include <string.h>

#include "base/fault.h"
#include "base/kmem.h"
#include "base/pool.h"

/* Faults for one page may be undone before we look; not for ever. */
#define PIN_TRIES 8

struct mm_pin {
	struct list link; /* [pins] on mm->pins */
	gva_t start, end; /* whole pages */
	struct memfile *mf;
	struct block *blocks; /* one a piece */
	unsigned count, capacity;
};

static POOL_DEFINE(mm_pin_pool, struct mm_pin);
static struct mutex pins_lock = MUTEX_INIT(LOCK_MM_PINS);

/* ---- pieces ---- */

static int piece_room(struct mm_pin *pin)
{
	size_t capacity = pin->capacity ? pin->capacity * 2 : 4;
	struct block *grown;

	if (pin->count < pin->capacity)
		return 0;
	if (FAULT_POINT("mm.pin"))
		return -ENOMEM;
	grown = kmem_alloc_for(KMEM_URING, capacity * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	if (pin->count)
		memcpy(grown, pin->blocks, pin->count * sizeof(*grown));
	kmem_free_for(KMEM_URING, pin->blocks);
	pin->blocks = grown;
	pin->capacity = (unsigned)capacity;
	return 0;
}

static void piece_add(struct mm_pin *pin, uint64_t offset, uint64_t size)
{
	char *base = memfile_addr(pin->mf, offset);
	struct block *last = pin->count ? &pin->blocks[pin->count - 1] : NULL;

	if (last && (char *)last->base + last->size == base)
		last->size += size;
	else
		pin->blocks[pin->count++] = (struct block){ base, size };
}

/* Takes what is there at addr, which then holds memory: its size; 0: nothing that
 * serves. => active_lock */
static int64_t take_present(struct mm *mm, struct mm_pin *pin, gva_t addr, int access)
{
	struct pma *p = pma_find(mm, addr);
	uint64_t offset, size;
	int err;

	if (!p || !(access == MAP_W ? p->prot & MAP_W : p->prot))
		return 0;
	if (p->file != memfile_mapfile(pin->mf))
		return -EFAULT;
	err = piece_room(pin);
	if (err)
		return err;
	offset = pma_offset(p, addr);
	size = MIN(MIN(pin->end, p->node.end), addr + EXTENT_MAX) - addr;
	memfile_incref(pin->mf, offset, size);
	piece_add(pin, offset, size);
	err = memfile_commit(pin->mf, offset, size);
	return err ? err : (int64_t)size;
}

static int64_t take_some(struct mm *mm, struct mm_pin *pin, gva_t addr, int access)
{
	int64_t got;
	int code;

	for (int i = 0; i < PIN_TRIES; i++) {
		rwlock_read(&mm->active_lock);
		got = take_present(mm, pin, addr, access);
		rwlock_read_unlock(&mm->active_lock);
		if (got)
			return got;
		if (fault_in(mm, addr, pin->end, access, FILL_MAP, &code) < 0 &&
		    fault_in(mm, addr, addr + PAGE_SIZE, access, FILL_MAP, &code) < 0)
			return -EFAULT;
	}
	return -EFAULT;
}

/* ---- pins ---- */

int mm_pin(struct mm *mm, gva_t addr, uint64_t size, int access, struct mm_pin **out)
{
	struct mm_pin *pin;
	gva_t at;
	int err = 0;

	*out = NULL;
	if (!size || size > mm->hi || addr > mm->hi - size)
		return -EFAULT;
	pin = pool_alloc(&mm_pin_pool);
	if (!pin)
		return -ENOMEM;
	list_init(&pin->link);
	pin->mf = mm->env.memfile;
	pin->start = page_down(addr);
	pin->end = page_up(addr + size);
	mutex_lock(&pins_lock);
	list_push_back(&mm->pins, &pin->link);
	mutex_unlock(&pins_lock);
	for (at = pin->start; at < pin->end && !err;) {
		/* Piece by piece: what is pinned cannot be evicted. */
		int64_t got = memfile_over_limit(pin->mf) ? -ENOMEM
							  : take_some(mm, pin, at, access);

		if (got < 0)
			err = (int)got;
		else
			at += (uint64_t)got;
	}
	if (err) {
		mm_unpin(pin);
		return err;
	}
	*out = pin;
	return 0;
}

void mm_unpin(struct mm_pin *pin)
{
	if (!pin)
		return;
	mutex_lock(&pins_lock);
	list_del(&pin->link);
	mutex_unlock(&pins_lock);
	for (unsigned i = 0; i < pin->count; i++)
		memfile_decref(pin->mf, memfile_offset(pin->mf, pin->blocks[i].base),
			       pin->blocks[i].size);
	kmem_free_for(KMEM_URING, pin->blocks);
	pool_free(&mm_pin_pool, pin);
}

const struct block *mm_pin_blocks(const struct mm_pin *pin, unsigned *count)
{
	*count = pin->count;
	return pin->blocks;
}

void pins_forget(struct mm *mm)
{
	mutex_lock(&pins_lock);
	while (!list_empty(&mm->pins))
		list_del(mm->pins.next);
	mutex_unlock(&pins_lock);
}

bool pins_overlap(struct mm *mm, gva_t start, gva_t end, gva_t *lo, gva_t *hi)
{
	bool found = false;

	if (list_empty(&mm->pins))
		return false;
	mutex_lock(&pins_lock);
	list_for_each(pin, &mm->pins, struct mm_pin, link) {
		gva_t a = MAX(pin->start, start), b = MIN(pin->end, end);

		if (a >= b || (found && a >= *lo))
			continue;
		*lo = a;
		*hi = b;
		found = true;
	}
	mutex_unlock(&pins_lock);
	return found;
}
