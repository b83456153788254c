/* See region.h. */
#include "uring/region.h"

int region_create(struct memfile *mf, uint64_t size, struct region *out)
{
	struct block blk;
	int r;

	*out = (struct region){ .mf = mf };
	size = page_up(size);
	if (memfile_over_limit(mf))
		return -ENOMEM;
	r = memfile_alloc(mf, size, MEMFILE_RINGS, 0, &out->offset);
	if (r < 0)
		return -ENOMEM;
	r = memfile_commit(mf, out->offset, size);
	if (r == 0) {
		blk = (struct block){ memfile_addr(mf, out->offset), size };
		r = sharedbuf_init(&out->buf, &blk, 1);
	}
	if (r < 0) {
		memfile_decref(mf, out->offset, size);
		*out = (struct region){ 0 };
	}
	return r;
}

int region_create_user(struct mm *mm, gva_t addr, uint64_t size, struct region *out)
{
	const struct block *blk;
	unsigned count;
	int r;

	*out = (struct region){ 0 };
	if (!addr)
		return -EFAULT;
	if (addr & ~PAGE_MASK)
		return -EINVAL;
	r = mm_pin(mm, addr, page_up(size), MAP_W, &out->pin);
	if (r < 0)
		return r;
	blk = mm_pin_blocks(out->pin, &count);
	r = sharedbuf_init(&out->buf, blk, count);
	if (r < 0) {
		mm_unpin(out->pin);
		out->pin = NULL;
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
	*rg = (struct region){ 0 };
}
