/* See region.h. */
#include "uring/region.h"

static int make_own(struct memfile *mf, uint64_t size, struct region *out)
{
	struct block blk;
	int r;

	if (memfile_over_limit(mf) || memfile_alloc(mf, size, MEMFILE_RINGS, 0, &out->offset) < 0)
		return -ENOMEM;
	r = memfile_commit(mf, out->offset, size);
	if (r == 0) {
		blk = (struct block){ memfile_addr(mf, out->offset), size };
		r = sharedbuf_init(&out->buf, &blk, 1);
	}
	if (r < 0)
		memfile_decref(mf, out->offset, size);
	return r;
}

static int pin_users(struct mm *mm, gva_t addr, uint64_t size, struct region *out)
{
	const struct block *blk;
	unsigned count;
	int r = mm_pin(mm, addr, size, MAP_W, &out->pin);

	if (r < 0)
		return r;
	blk = mm_pin_blocks(out->pin, &count);
	r = sharedbuf_init(&out->buf, blk, count);
	if (r < 0)
		mm_unpin(out->pin);
	return r;
}

int region_create(const struct region_spec *spec, struct region *out)
{
	uint64_t size = page_up(spec->size);
	int r;

	*out = (struct region){ .mf = spec->t->kernel->memfile };
	if (spec->is_users && !spec->addr)
		return -EFAULT;
	if (spec->is_users && (spec->addr & ~PAGE_MASK))
		return -EINVAL;
	r = locked_charge(spec->user, spec->t, size / PAGE_SIZE, &out->charge);
	if (r < 0)
		return r;
	if (spec->is_users)
		r = pin_users(spec->t->mm, spec->addr, size, out);
	else
		r = make_own(out->mf, size, out);
	if (r < 0) {
		locked_uncharge(&out->charge);
		*out = (struct region){ 0 };
	}
	return r;
}

void region_destroy(struct region *rg)
{
	uint64_t size = rg->buf.size;

	sharedbuf_fini(&rg->buf);
	if (rg->pin)
		mm_unpin(rg->pin);
	else if (size)
		memfile_decref(rg->mf, rg->offset, size);
	locked_uncharge(&rg->charge);
	*rg = (struct region){ 0 };
}
