/*
 * Single words of guest memory, for futexes: atomic against the guest's own
 * stores, because they happen on the same host pages. And the name under which
 * a futex is known.
 */
#include "mm/internal.h"

#include <string.h>

#include "host/safecopy.h"

struct word {
	enum { WORD_LOAD, WORD_STORE, WORD_CMPXCHG } how;
	uint32_t expected, desired;
	uint32_t found;
};

static int word_access(const struct word *w)
{
	return w->how == WORD_LOAD ? MAP_R : MAP_W;
}

static int word_do(struct word *w, uint32_t *at)
{
	switch (w->how) {
	case WORD_LOAD:
		return safecopy_load32(at, &w->found);
	case WORD_STORE:
		return safecopy_store32(at, w->desired);
	case WORD_CMPXCHG:
		return safecopy_cmpxchg32(at, w->expected, w->desired, &w->found);
	}
	return -EFAULT;
}

/* -EAGAIN: the page is not there for that. => active_lock shared */
static int word_present(struct mm *mm, gva_t addr, struct word *w)
{
	struct pma *p = pma_find(mm, addr);
	struct block blk;
	unsigned count;

	if (!p || !(word_access(w) == MAP_W ? p->prot & MAP_W : p->prot))
		return -EAGAIN;
	if (pma_blocks(mm, p, addr, sizeof(uint32_t), word_access(w), &blk, 1, &count) <
	    sizeof(uint32_t))
		return -EFAULT;
	return word_do(w, blk.base);
}

static int word_op(struct mm *mm, gva_t addr, struct word *w)
{
	int err;

	if (addr % sizeof(uint32_t))
		return -EINVAL;
	for (;;) {
		rwlock_read(&mm->active_lock);
		err = word_present(mm, addr, w);
		rwlock_read_unlock(&mm->active_lock);
		if (err != -EAGAIN)
			return err;
		if (fault_in_some(mm, addr, addr + sizeof(uint32_t), word_access(w), FILL_MAP) < 0)
			return -EFAULT;
	}
}

int mm_load32(struct mm *mm, gva_t addr, uint32_t *out)
{
	struct word w = { .how = WORD_LOAD };
	int err = word_op(mm, addr, &w);

	*out = w.found;
	return err;
}

int mm_store32(struct mm *mm, gva_t addr, uint32_t val)
{
	struct word w = { .how = WORD_STORE, .desired = val };

	return word_op(mm, addr, &w);
}

int mm_cmpxchg32(struct mm *mm, gva_t addr, uint32_t expected, uint32_t desired, uint32_t *old)
{
	struct word w = { .how = WORD_CMPXCHG, .expected = expected, .desired = desired };
	int err = word_op(mm, addr, &w);

	*old = w.found;
	return err;
}

/* Shared mappings are known by their object and offset; everything else by the
 * address space and the address, whether the guest calls it private or not. The
 * word of a futex that may be shared must be there: a file that was truncated has
 * none. */
int mm_futex_key(struct mm *mm, gva_t addr, bool is_private, struct futex_key *out)
{
	const struct vma *v;
	uint32_t word;
	int err = 0;

	memset(out, 0, sizeof(*out)); /* keys are compared by their bytes */
	out->object = mm;
	out->offset = addr;
	if (addr % sizeof(uint32_t))
		return -EINVAL;
	if (addr >= mm->hi)
		return -EFAULT;
	if (is_private)
		return 0;
	rwlock_read(&mm->map_lock);
	v = vma_find(mm, addr);
	if (!v || !v->prot) {
		err = -EFAULT;
	} else if (v->mappable && (v->flags & VMA_SHARED)) {
		out->object = v->mappable;
		out->offset = vma_offset(v, addr);
		out->shared = true;
	}
	rwlock_read_unlock(&mm->map_lock);
	return err ? err : mm_load32(mm, addr, &word);
}
