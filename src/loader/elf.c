/*
 * Judges the headers of an ELF file. The file is hostile, and this is the one
 * place that says so: what elf_read() accepts keeps the promises listed at
 * struct elf_program, and no number of the file is looked at again elsewhere.
 *
 * Linux looks at segments and the entry late, when there is no way back, and kills
 * the process. So a program in which these are bad is accepted here, and marked: it
 * cannot be mapped. As Linux does, we believe e_machine alone, and not e_ident's
 * class and byte order.
 *
 * Not judged: the order of segments and whether they overlap. Later ones lie over
 * earlier ones, inside the program's own range: nobody else's business.
 */
#include "loader/internal.h"

#include <stdlib.h>
#include <string.h>

#include "abi/fcntl.h"
#include "base/fault.h"

#define PHDRS_SIZE_MAX 65536u

static bool header_is_ours(const Elf64_Ehdr *eh)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG))
		return false;
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return false;
	return eh->e_machine == EM_X86_64 && eh->e_phentsize == sizeof(Elf64_Phdr) &&
	       eh->e_phnum > 0 && eh->e_phnum <= PHDRS_SIZE_MAX / sizeof(Elf64_Phdr);
}

static int read_phdrs(struct file *f, const struct vfs_ctx *ctx, const Elf64_Ehdr *eh,
		      Elf64_Phdr **out)
{
	size_t size = eh->e_phnum * sizeof(Elf64_Phdr);
	Elf64_Phdr *phdrs = FAULT_POINT("loader.phdrs") ? NULL : malloc(size);
	int err;

	if (!phdrs)
		return -ENOMEM;
	err = loader_read_exact(f, ctx, eh->e_phoff, phdrs, size, -ENOEXEC);
	if (err)
		free(phdrs);
	else
		*out = phdrs;
	return err;
}

/* Promise 1. */
static bool segment_is_sane(const Elf64_Phdr *ph)
{
	uint64_t end;

	if (ph->p_filesz > ph->p_memsz || ph->p_memsz > LOADER_TASK_SIZE)
		return false;
	if (add_overflow(ph->p_vaddr, ph->p_memsz, &end) || end > LOADER_TASK_SIZE)
		return false;
	if (add_overflow(ph->p_offset, ph->p_filesz, &end) || end > INT64_MAX - PAGE_SIZE)
		return false;
	return !ph->p_filesz || (ph->p_vaddr - ph->p_offset) % PAGE_SIZE == 0;
}

/* Strange alignments are as good as none: Linux ignores what is no power of two. */
static uint64_t segment_align(const Elf64_Phdr *ph)
{
	uint64_t align = ph->p_align;

	if (align <= PAGE_SIZE || (align & (align - 1)))
		return PAGE_SIZE;
	return MIN(align, ELF_ALIGN_MAX);
}

/* Collects what counts of one PT_LOAD. */
static void take_load(struct elf_program *p, const Elf64_Phdr *ph, uint64_t phoff)
{
	if (!segment_is_sane(ph)) {
		p->is_unmappable = true;
		return;
	}
	if (!p->phdr_addr && ph->p_offset <= phoff && phoff - ph->p_offset < ph->p_filesz)
		p->phdr_addr = ph->p_vaddr + (phoff - ph->p_offset);
	if (!ph->p_memsz)
		return;
	p->min = MIN(p->min, page_down(ph->p_vaddr));
	p->max = MAX(p->max, page_up(ph->p_vaddr + ph->p_memsz));
	p->align = MAX(p->align, segment_align(ph));
	p->loads[p->nloads++] = *ph;
}

/* The interpreter's name: NUL-terminated, as long as it says or shorter. */
static int take_interp(struct elf_program *p, struct file *f, const struct vfs_ctx *ctx,
		       const Elf64_Phdr *ph)
{
	char *name;
	int err;

	if (p->interp)
		return 0;
	if (ph->p_filesz < 2 || ph->p_filesz > ABI_PATH_MAX)
		return -ENOEXEC;
	name = FAULT_POINT("loader.interp") ? NULL : malloc(ph->p_filesz);
	if (!name)
		return -ENOMEM;
	err = loader_read_exact(f, ctx, ph->p_offset, name, ph->p_filesz, -EIO);
	if (!err && name[ph->p_filesz - 1] != '\0')
		err = -ENOEXEC;
	if (err)
		free(name);
	else
		p->interp = name;
	return err;
}

static int take_phdr(struct elf_program *p, struct file *f, const struct vfs_ctx *ctx,
		     const Elf64_Phdr *ph, uint64_t phoff)
{
	switch (ph->p_type) {
	case PT_LOAD:
		take_load(p, ph, phoff);
		return 0;
	case PT_INTERP:
		return take_interp(p, f, ctx, ph);
	case PT_GNU_STACK:
		p->exec_stack = ph->p_flags & PF_X;
		return 0;
	default:
		return 0;
	}
}

/* Goes through the program headers; *p is owned by the caller also on failure. */
static int take_phdrs(struct elf_program *p, struct file *f, const struct vfs_ctx *ctx,
		      const Elf64_Ehdr *eh, const Elf64_Phdr *phdrs)
{
	int err;

	p->loads = FAULT_POINT("loader.loads") ? NULL : calloc(eh->e_phnum, sizeof(*p->loads));
	if (!p->loads)
		return -ENOMEM;
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		err = take_phdr(p, f, ctx, &phdrs[i], eh->e_phoff);
		if (err)
			return err;
	}
	if (!p->nloads || p->min >= p->max || (!p->is_dyn && p->entry >= LOADER_TASK_SIZE))
		p->is_unmappable = true;
	return 0;
}

int elf_read(struct file *f, const struct vfs_ctx *ctx, int if_short, struct elf_program *out)
{
	Elf64_Phdr *phdrs;
	Elf64_Ehdr eh;
	int err;

	*out = (struct elf_program){ .min = UINT64_MAX, .align = PAGE_SIZE };
	err = loader_read_exact(f, ctx, 0, &eh, sizeof(eh), if_short);
	if (err)
		return err;
	if (!header_is_ours(&eh))
		return -ENOEXEC;
	err = read_phdrs(f, ctx, &eh, &phdrs);
	if (err)
		return err;
	out->is_dyn = eh.e_type == ET_DYN;
	out->entry = eh.e_entry;
	out->nphdrs = eh.e_phnum;
	err = take_phdrs(out, f, ctx, &eh, phdrs);
	free(phdrs);
	if (err)
		elf_fini(out);
	return err;
}

void elf_fini(struct elf_program *p)
{
	free(p->loads);
	free(p->interp);
	*p = (struct elf_program){ 0 };
}
