/*
 * Maps a judged program. Its whole range is first claimed, so that it fits as one
 * piece and collides with nothing (the stack is there already), then given back
 * and filled segment by segment; holes between segments stay holes. Nobody else
 * runs in the address space meanwhile.
 *
 *	p_vaddr          + filesz                + memsz
 *	   |  file, private  |  zeros  |  anonymous  |
 *	---+--------+--------+---------+-------------+---
 *	            page boundary      page boundary
 */
#include "loader/internal.h"

#include "abi/mman.h"
#include "host/host.h"

/* Linux's ELF_ET_DYN_BASE, two thirds of the address space, and its 28 random
 * bits of page number above it. */
#define PIE_BASE (page_down(LOADER_TASK_SIZE / 3 * 2))
#define PIE_RANDOM_SIZE ((uint64_t)1 << (28 + PAGE_SHIFT))
#define PIE_TRIES 16

uint64_t loader_random_offset(uint64_t limit)
{
	uint64_t random;

	host_random(&random, sizeof(random));
	return page_down(random & (limit - 1));
}

gva_t elf_pie_base(bool no_aslr)
{
	return no_aslr ? PIE_BASE : PIE_BASE + loader_random_offset(PIE_RANDOM_SIZE);
}

int loader_find_room(struct mm *mm, gva_t addr, uint64_t size, gva_t *out)
{
	struct mm_map_args args = {
		.addr = addr,
		.size = size,
		.prot = PROT_NONE,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			 (addr ? MAP_FIXED_NOREPLACE : 0),
		.max_prot = PROT_READ | PROT_WRITE | PROT_EXEC,
		.is_kernel = true,
	};
	int err = mm_map(mm, &args, out);

	return err ? err : mm_unmap(mm, *out, size);
}

/* Where mm likes it, on the program's alignment. */
static int place_mmap(struct mm *mm, const struct elf_program *p, gva_t *base)
{
	uint64_t slack = p->align - PAGE_SIZE;
	int err = loader_find_room(mm, 0, p->max - p->min + slack, base);

	*base = (*base + slack) & ~(p->align - 1);
	return err;
}

/* In the low region of PIEs; where that is full, anywhere. */
static int place_pie(struct mm *mm, const struct elf_program *p, bool no_aslr, gva_t *base)
{
	for (int i = 0; i < PIE_TRIES; i++) {
		gva_t want = elf_pie_base(no_aslr) & ~(p->align - 1);

		if (loader_find_room(mm, want, p->max - p->min, base) == 0)
			return 0;
	}
	return place_mmap(mm, p, base);
}

static int place(struct mm *mm, const struct elf_program *p, enum elf_place where, bool no_aslr,
		 gva_t *base)
{
	if (!p->is_dyn && !p->min)
		return -EPERM; /* as by mmap_min_addr */
	if (!p->is_dyn && where == ELF_PLACE_INTERP) {
		*base = p->min;
		return mm_unmap(mm, p->min, p->max - p->min);
	}
	if (!p->is_dyn)
		return loader_find_room(mm, p->min, p->max - p->min, base);
	if (where == ELF_PLACE_PIE)
		return place_pie(mm, p, no_aslr, base);
	return place_mmap(mm, p, base);
}

static int segment_prot(const Elf64_Phdr *ph)
{
	return (ph->p_flags & PF_R ? PROT_READ : 0) | (ph->p_flags & PF_W ? PROT_WRITE : 0) |
	       (ph->p_flags & PF_X ? PROT_EXEC : 0);
}

static int map_fixed(struct mm *mm, gva_t addr, uint64_t size, int prot, struct mappable *m,
		     fileoff_t offset)
{
	struct mm_map_args args = {
		.addr = addr,
		.size = size,
		.prot = prot,
		.flags = MAP_PRIVATE | MAP_FIXED | (m ? 0 : MAP_ANONYMOUS),
		.mappable = m,
		.offset = offset,
		.max_prot = PROT_READ | PROT_WRITE | PROT_EXEC,
		.is_kernel = true,
	};
	gva_t got;

	return size ? mm_map(mm, &args, &got) : 0;
}

/* The part of a segment that is in the file. */
static int map_file_part(struct mm *mm, const Elf64_Phdr *ph, uint64_t bias, struct mappable *m)
{
	gva_t start = bias + ph->p_vaddr;
	gva_t end = start + ph->p_filesz;

	if (!ph->p_filesz)
		return 0;
	return map_fixed(mm, page_down(start), page_up(end) - page_down(start), segment_prot(ph), m,
			 page_down(ph->p_offset));
}

/* The part that is not: the rest of the file's last page, and whole pages. */
static int map_zero_part(struct mm *mm, const Elf64_Phdr *ph, uint64_t bias)
{
	gva_t start = bias + ph->p_vaddr;
	gva_t zero = start + ph->p_filesz;
	gva_t anon = ph->p_filesz ? page_up(zero) : page_down(start);
	gva_t end = page_up(start + ph->p_memsz);
	int err;

	if (ph->p_memsz == ph->p_filesz)
		return 0;
	/* Read-only segments keep what the file has there, as in Linux. */
	if (anon > zero && (ph->p_flags & PF_W)) {
		err = mm_zero_out(mm, zero, anon - zero);
		if (err)
			return err;
	}
	/* Writable in any case, as Linux's brk makes it. */
	return map_fixed(mm, anon, end - anon,
			 PROT_READ | PROT_WRITE | (segment_prot(ph) & PROT_EXEC), NULL, 0);
}

/* What /proc calls code and data: Linux's rules. */
static void account(const Elf64_Phdr *ph, uint64_t bias, struct elf_mapped *out)
{
	gva_t start = bias + ph->p_vaddr;
	gva_t file_end = start + ph->p_filesz;

	if (ph->p_flags & PF_X) {
		out->code_start = out->code_end ? MIN(out->code_start, start) : start;
		out->code_end = MAX(out->code_end, file_end);
	}
	out->data_start = MAX(out->data_start, start);
	out->data_end = MAX(out->data_end, file_end);
	out->end = MAX(out->end, start + ph->p_memsz);
}

int elf_map(struct mm *mm, const struct elf_program *p, struct file *f, enum elf_place where,
	    bool no_aslr, struct elf_mapped *out)
{
	struct mappable *m = f->ops->mappable ? f->ops->mappable(f) : NULL;
	gva_t base;
	int err;

	*out = (struct elf_mapped){ 0 };
	if (!m)
		return -ENODEV;
	if (p->is_unmappable)
		return -EINVAL;
	err = place(mm, p, where, no_aslr, &base);
	if (err)
		return err;
	out->bias = base - p->min;
	out->entry = out->bias + p->entry;
	if (out->entry >= LOADER_TASK_SIZE)
		return -EINVAL;
	for (unsigned i = 0; i < p->nloads; i++) {
		err = map_file_part(mm, &p->loads[i], out->bias, m);
		if (!err)
			err = map_zero_part(mm, &p->loads[i], out->bias);
		if (err)
			return err;
		account(&p->loads[i], out->bias, out);
	}
	return 0;
}
