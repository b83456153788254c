/*
 * loader/'s own: how its files divide the work.
 *
 *	loader.c   loader_check() and loader_load(): the order of things
 *	open.c     opening programs and interpreters for execution; exact reads
 *	strings.c  argument and environment strings
 *	script.c   the text of a #! line
 *	elf.c      judges an ELF file's headers; everything after it trusts them
 *	elfmap.c   maps a judged program
 *	stack.c    the first stack and the auxiliary vector
 *	vdso.c     the vDSO image and its parameter page
 */
#pragma once

#include "abi/auxv.h"
#include "abi/elf.h"
#include "loader/loader.h"

/* The first address that no program can have on x86-64 with 4-level tables;
 * mm refuses what the platform keeps for itself below it. */
#define LOADER_TASK_SIZE ((gva_t)0x7ffffffff000)

/* ---- open.c ---- */

/* Reads exactly [off, off + size). if_short: what it is when the file ends before that. */
int loader_read_exact(struct file *f, const struct vfs_ctx *ctx, uint64_t off, void *buf,
		      size_t size, int if_short) MUST_CHECK;
/* Reads at most size bytes at the start and zero-fills the rest: the bytes
 * read, or a negative errno. */
ssize_t loader_read_head(struct file *f, const struct vfs_ctx *ctx, void *buf, size_t size)
	MUST_CHECK;

/* ---- strings.c ---- */

/* Removes the first string, if any. */
void loader_strings_drop_first(struct loader_strings *s);
/* As loader_strings_add(), but in front of all others. */
int loader_strings_prepend(struct loader_strings *s, const char *str, size_t limit) MUST_CHECK;

/* ---- script.c ---- */

#define SCRIPT_HEAD_SIZE 256 /* what Linux reads of a program to know its kind */

struct script_line {
	char interp[SCRIPT_HEAD_SIZE];
	char arg[SCRIPT_HEAD_SIZE]; /* empty: has_arg says whether there is one */
	bool has_arg;
};

/* Parses the first line of a script. head holds SCRIPT_HEAD_SIZE bytes, zero
 * behind the file's end. -ENOEXEC: no #! line, no interpreter named, or its
 * name may have been cut off. */
int script_parse(const char *head, struct script_line *out) MUST_CHECK;

/* ---- elf.c ---- */

/* A program whose headers have been judged; unless is_unmappable:
 *  1. every PT_LOAD lies in [0, LOADER_TASK_SIZE), does not wrap, has
 *     filesz <= memsz, and its address and file offset agree modulo the page;
 *  2. [min, max) covers all of them and is page aligned, not empty;
 *  3. align is a power of two, at least a page, at most ELF_ALIGN_MAX;
 *  4. for ET_EXEC, entry is below LOADER_TASK_SIZE. */
struct elf_program {
	bool is_unmappable; /* elf_map() fails: -EINVAL */
	bool is_dyn;        /* ET_DYN: may go anywhere */
	bool exec_stack;    /* PT_GNU_STACK asks for an executable stack */
	uint64_t entry;     /* unbiased */
	uint64_t phdr_addr; /* unbiased address of the program headers, 0 none */
	unsigned nphdrs;    /* e_phnum */
	uint64_t min, max, align;
	Elf64_Phdr *loads; /* the PT_LOADs that take up memory, in file order; owned */
	unsigned nloads;
	char *interp; /* PT_INTERP's text, or NULL; owned */
};

#define ELF_ALIGN_MAX ((uint64_t)1 << 30)

/* Reads and judges. -ENOEXEC, -ENOMEM, -EIO (an interpreter's name that is cut off),
 * the file's errors; if_short: the file ends within the first header. */
int elf_read(struct file *f, const struct vfs_ctx *ctx, int if_short, struct elf_program *out)
	MUST_CHECK;
void elf_fini(struct elf_program *p);

/* ---- elfmap.c ---- */

enum elf_place {
	ELF_PLACE_PIE,    /* low, where Linux puts PIEs, heap behind it */
	ELF_PLACE_MMAP,   /* wherever mm chooses: static PIEs */
	ELF_PLACE_INTERP, /* the same; of a fixed address, over what is there */
};

/* A program in memory. All but bias are final guest addresses. */
struct elf_mapped {
	uint64_t bias; /* what to add to the file's addresses, modulo 2^64 */
	gva_t entry, end;
	gva_t code_start, code_end, data_start, data_end;
};

/* Maps p from f; -EINVAL, and mm_map()'s errors. place and no_aslr count for ET_DYN only. */
int elf_map(struct mm *mm, const struct elf_program *p, struct file *f, enum elf_place place,
	    bool no_aslr, struct elf_mapped *out) MUST_CHECK;
/* An address at which size bytes are free, addr exactly when it is not 0: claims
 * them and gives them back. -EEXIST, and mm_map()'s other errors. */
int loader_find_room(struct mm *mm, gva_t addr, uint64_t size, gva_t *out) MUST_CHECK;
/* A random address as Linux's base for PIEs; also where the heap of a static
 * PIE starts. */
gva_t elf_pie_base(bool no_aslr);
/* A random page-aligned offset below limit (a power of two). */
uint64_t loader_random_offset(uint64_t limit);

/* ---- stack.c ---- */

struct stack_request {
	const struct loader_request *req;
	const struct loader_ids *ids;
	const struct elf_program *program;
	const struct elf_mapped *mapped;
	uint64_t interp_bias;
};

/* Maps the stack, of a size that holds the strings and a little more; returns
 * its end (exclusive). */
int stack_map(struct mm *mm, const struct loader_request *req, bool exec, gva_t *top) MUST_CHECK;
/* Fills it below top; *sp is where the program starts. Sets the stack,
 * argument, environment and auxv fields of *layout (vdso is there already). */
int stack_fill(struct mm *mm, gva_t top, const struct stack_request *sr, struct mm_layout *layout,
	       gva_t *sp) MUST_CHECK;

/* ---- vdso.c ---- */

/* Maps the vDSO and its parameters; *base is the image's ELF header, 0 when
 * there is none. */
int vdso_map(struct mm *mm, gva_t *base) MUST_CHECK;
/* AT_MINSIGSTKSZ: the largest signal frame. */
uint64_t vdso_min_sigstack(void);
