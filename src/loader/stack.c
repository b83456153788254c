/*
 * The first stack, as the x86-64 System V ABI (section 3.4.1) and Linux have it,
 * from high to low addresses:
 *
 *	top     8 zero bytes
 *	        file name                     AT_EXECFN
 *	        environment strings           as struct loader_strings holds them
 *	        argument strings
 *	        (random gap below 8 KiB)
 *	        "x86_64"                      AT_PLATFORM
 *	        16 random bytes               AT_RANDOM
 *	        auxiliary vector, to AT_NULL
 *	        environment pointers, NULL
 *	        argument pointers, NULL
 *	rsp --> argument count                16-byte aligned
 */
#include "loader/internal.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "abi/mman.h"
#include "abi/time.h"
#include "base/fault.h"
#include "host/host.h"

#define STACK_GAP_MAX 8192u
#define STACK_ROOM (128u * 1024) /* mapped below the first frame, as in Linux */

static const char platform_name[] = "x86_64";

/* Places of the parts, found from the top down. */
struct stack_plan {
	gva_t execfn, env, args, platform, random, sp;
	size_t nwords; /* 8-byte words from sp to the end of the auxv */
};

/* Words of pointers and count: everything but the auxv. */
static size_t pointer_words(const struct loader_request *req)
{
	return 1 + req->argv->count + 1 + req->envp->count + 1;
}

static size_t strings_size(const struct loader_request *req)
{
	return sizeof(uint64_t) + strlen(req->filename) + 1 + req->envp->size + req->argv->size;
}

int stack_map(struct mm *mm, const struct loader_request *req, bool exec, gva_t *top)
{
	uint64_t size = strings_size(req) + STACK_GAP_MAX + sizeof(uint64_t) * pointer_words(req) +
			sizeof(((struct mm_layout *)0)->auxv) + STACK_ROOM;
	struct mm_map_args args = {
		.size = page_up(size),
		.prot = PROT_READ | PROT_WRITE | (exec ? PROT_EXEC : 0),
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN |
			 MAP_STACK,
		.max_prot = PROT_READ | PROT_WRITE | PROT_EXEC,
		.name = "[stack]",
		.grows_down = true,
		.is_kernel = true,
	};
	gva_t got;

	*top = page_down(mm_choose_stack_top(mm));
	if (*top <= args.size)
		return -ENOMEM;
	args.addr = *top - args.size;
	return mm_map(mm, &args, &got);
}

static void plan(gva_t top, const struct loader_request *req, unsigned naux, struct stack_plan *sp)
{
	uint32_t gap = 0;
	gva_t p;

	sp->execfn = top - sizeof(uint64_t) - (strlen(req->filename) + 1);
	sp->env = sp->execfn - req->envp->size;
	sp->args = sp->env - req->argv->size;
	if (!req->no_aslr)
		host_random(&gap, sizeof(gap));
	p = (sp->args - gap % STACK_GAP_MAX) & ~(gva_t)15;
	sp->platform = p - sizeof(platform_name);
	sp->random = sp->platform - 16;
	sp->nwords = pointer_words(req) + naux;
	sp->sp = (sp->random - sp->nwords * sizeof(uint64_t)) & ~(gva_t)15;
}

/* What cpuid says to programs: AT_HWCAP. */
static uint64_t hwcap(void)
{
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) ? edx : 0;
}

/* Programs use rdfsbase themselves if the host lets them. */
static uint64_t hwcap2(void)
{
	return getauxval(AT_HWCAP2) & ABI_HWCAP2_FSGSBASE;
}

static void aux_add(struct mm_layout *l, uint64_t type, uint64_t value)
{
	ASSERT(l->auxv_count + 2 <= ARRAY_SIZE(l->auxv));
	l->auxv[l->auxv_count++] = type;
	l->auxv[l->auxv_count++] = value;
}

static void aux_add_program(struct mm_layout *l, const struct stack_request *sr)
{
	const struct elf_program *p = sr->program;
	uint64_t bias = sr->mapped->bias;

	aux_add(l, AT_PHDR, p->phdr_addr ? bias + p->phdr_addr : 0);
	aux_add(l, AT_PHENT, sizeof(Elf64_Phdr));
	aux_add(l, AT_PHNUM, p->nphdrs);
	aux_add(l, AT_BASE, sr->interp_bias);
	aux_add(l, AT_FLAGS, 0);
	aux_add(l, AT_ENTRY, sr->mapped->entry);
}

static void aux_add_ids(struct mm_layout *l, const struct loader_ids *ids)
{
	aux_add(l, AT_UID, ids->uid);
	aux_add(l, AT_EUID, ids->euid);
	aux_add(l, AT_GID, ids->gid);
	aux_add(l, AT_EGID, ids->egid);
	aux_add(l, AT_SECURE, ids->secure);
}

/* In Linux's order. Called twice: first to count, with places of zero. rseq's
 * entries are left out, as rseq is refused. */
static void fill_auxv(struct mm_layout *l, const struct stack_request *sr,
		      const struct stack_plan *sp)
{
	l->auxv_count = 0;
	if (l->vdso)
		aux_add(l, AT_SYSINFO_EHDR, l->vdso);
	aux_add(l, AT_MINSIGSTKSZ, vdso_min_sigstack());
	aux_add(l, AT_HWCAP, hwcap());
	aux_add(l, AT_PAGESZ, PAGE_SIZE);
	aux_add(l, AT_CLKTCK, ABI_USER_HZ);
	aux_add_program(l, sr);
	aux_add_ids(l, sr->ids);
	aux_add(l, AT_RANDOM, sp->random);
	aux_add(l, AT_HWCAP2, hwcap2());
	aux_add(l, AT_EXECFN, sp->execfn);
	aux_add(l, AT_PLATFORM, sp->platform);
	aux_add(l, AT_NULL, 0);
}

/* Writes the addresses of s, which lies at addr, and a NULL; returns the end. */
static uint64_t *put_pointers(uint64_t *w, const struct loader_strings *s, gva_t addr)
{
	const char *p = s->data;

	for (size_t i = 0; i < s->count; i++) {
		size_t size = strlen(p) + 1;

		*w++ = addr;
		addr += size;
		p += size;
	}
	*w++ = 0;
	return w;
}

/* Count, pointers and auxv: one block. */
static int write_words(struct mm *mm, const struct stack_request *sr, const struct stack_plan *sp,
		       const struct mm_layout *l)
{
	uint64_t *words = FAULT_POINT("loader.stack") ? NULL : calloc(sp->nwords, sizeof(*words));
	uint64_t *w = words;
	int err;

	if (!words)
		return -ENOMEM;
	*w++ = sr->req->argv->count;
	w = put_pointers(w, sr->req->argv, sp->args);
	w = put_pointers(w, sr->req->envp, sp->env);
	memcpy(w, l->auxv, l->auxv_count * sizeof(*w));
	ASSERT(w + l->auxv_count == words + sp->nwords);
	err = mm_copy_out(mm, sp->sp, words, sp->nwords * sizeof(*words));
	free(words);
	return err;
}

static int write_strings(struct mm *mm, const struct loader_request *req,
			 const struct stack_plan *sp)
{
	uint8_t random[16];
	int err;

	host_random(random, sizeof(random));
	err = mm_copy_out(mm, sp->random, random, sizeof(random));
	if (!err)
		err = mm_copy_out(mm, sp->platform, platform_name, sizeof(platform_name));
	if (!err && req->argv->size)
		err = mm_copy_out(mm, sp->args, req->argv->data, req->argv->size);
	if (!err && req->envp->size)
		err = mm_copy_out(mm, sp->env, req->envp->data, req->envp->size);
	if (!err)
		err = mm_copy_out(mm, sp->execfn, req->filename, strlen(req->filename) + 1);
	return err;
}

int stack_fill(struct mm *mm, gva_t top, const struct stack_request *sr, struct mm_layout *layout,
	       gva_t *sp)
{
	struct stack_plan places = { 0 };
	int err;

	fill_auxv(layout, sr, &places);
	plan(top, sr->req, layout->auxv_count, &places);
	fill_auxv(layout, sr, &places);
	err = write_strings(mm, sr->req, &places);
	if (!err)
		err = write_words(mm, sr, &places, layout);
	if (err)
		return err;
	layout->stack_start = places.sp;
	layout->arg_start = places.args;
	layout->arg_end = layout->env_start = places.env;
	layout->env_end = places.execfn;
	*sp = places.sp;
	return 0;
}
