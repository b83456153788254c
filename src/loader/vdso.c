/*
 * The vDSO: one shared object, built from vdso/ and embedded in this library,
 * copied at start-up into the memory file, its parameter page behind it, and mapped
 * from there into every address space:
 *
 *	base - 4096   [vvar]   struct vdso_params   r--
 *	base          [vdso]   the image            r-x
 *
 * (Debuggers that look for the image by its offset in a mapping expect 0: so the
 * page that comes first in memory is last in the memory file.)
 *
 * The pages are shared by all guests and never writable: a guest that makes its
 * mapping writable (a debugger setting a breakpoint) gets a private copy, as with
 * any private mapping. The mappable below is static and lives for the process, so
 * references to it are not counted.
 */
#include "loader/internal.h"

#include <string.h>

#include "abi/mman.h"
#include "abi/signal.h"
#include "loader/vdso_params.h"
#include "memfile/memfile.h"
#include "memmap/block.h"

/* tools/embed-vdso: whole pages. */
extern const uint8_t vdso_image_start[], vdso_image_end[];

static struct {
	struct memfile *memfile; /* borrowed; NULL: no vDSO */
	uint64_t offset;         /* of the image in the memory file */
	uint64_t image_size;     /* whole pages; the parameter page follows */
	uint64_t min_sigstack;
	uint64_t sigreturn; /* offset in the image */
	struct vdso_params params;
} vdso;

/* ---- the mappable: the image, then the parameter page ---- */

static uint64_t vdso_size(void)
{
	return vdso.image_size + PAGE_SIZE;
}

static void vdso_ref(struct mappable *m UNUSED)
{
}

static int vdso_add_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED,
			    gva_t addr UNUSED, uint64_t size, fileoff_t off, bool writable)
{
	if (writable)
		return -EACCES;
	return off > vdso_size() || size > vdso_size() - off ? -EINVAL : 0;
}

static void vdso_remove_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED,
				gva_t addr UNUSED, uint64_t size UNUSED, fileoff_t off UNUSED,
				bool writable UNUSED)
{
}

static int vdso_copy_mapping(struct mappable *m, struct mapping_space *ms, gva_t src UNUSED,
			     gva_t dst, uint64_t size, fileoff_t off, bool writable)
{
	return vdso_add_mapping(m, ms, dst, size, off, writable);
}

static int vdso_translate(struct mappable *m UNUSED, fileoff_t start, fileoff_t end,
			  fileoff_t opt_start UNUSED, fileoff_t opt_end UNUSED, int access,
			  struct translation *out, unsigned max, unsigned *count)
{
	*count = 0;
	if ((access & MAP_W) || end > vdso_size() || !max)
		return -EFAULT;
	out[0] = (struct translation){
		.start = start,
		.end = end,
		.file = memfile_mapfile(vdso.memfile),
		.offset = vdso.offset + start,
		.perms = MAP_R | MAP_X,
	};
	*count = 1;
	return 0;
}

static size_t vdso_describe(struct mappable *m UNUSED, char *buf, size_t size, uint64_t *dev,
			    uint64_t *ino)
{
	*dev = *ino = 0;
	if (size)
		buf[0] = '\0';
	return 0;
}

static const struct mappable_ops vdso_ops = {
	.get = vdso_ref,
	.put = vdso_ref,
	.add_mapping = vdso_add_mapping,
	.remove_mapping = vdso_remove_mapping,
	.copy_mapping = vdso_copy_mapping,
	.translate = vdso_translate,
	.describe = vdso_describe,
};
static struct mappable vdso_mappable = { .ops = &vdso_ops };

/* ---- symbols of the image, which is ours and trusted ---- */

static const void *image_at(uint64_t offset)
{
	ASSERT(offset < (uint64_t)(vdso_image_end - vdso_image_start));
	return vdso_image_start + offset;
}

static const Elf64_Shdr *image_section(uint32_t type)
{
	const Elf64_Ehdr *eh = image_at(0);
	const Elf64_Shdr *sh = image_at(eh->e_shoff);

	for (unsigned i = 0; i < eh->e_shnum; i++) {
		if (sh[i].sh_type == type)
			return &sh[i];
	}
	return NULL;
}

/* The value of a dynamic symbol, 0 when there is none. */
static uint64_t image_symbol(const char *name)
{
	const Elf64_Ehdr *eh = image_at(0);
	const Elf64_Shdr *dynsym = image_section(SHT_DYNSYM);
	const Elf64_Shdr *sections = image_at(eh->e_shoff);
	const Elf64_Sym *sym;
	const char *strtab;

	if (!dynsym)
		return 0;
	sym = image_at(dynsym->sh_offset);
	strtab = image_at(sections[dynsym->sh_link].sh_offset);
	for (uint64_t i = 0; i < dynsym->sh_size / sizeof(*sym); i++) {
		if (!strcmp(strtab + sym[i].st_name, name))
			return sym[i].st_value;
	}
	return 0;
}

/* ---- bring-up ---- */

/* As Linux counts it: the frame, alignment, and the extended state with its end
 * mark; the guest's red zone is not part of it. */
static uint64_t max_frame_size(const struct platform *p)
{
	uint64_t size = sizeof(struct abi_rt_sigframe) + 15 + 63;

	size += platform_xstate_size(p) + ABI_FP_XSTATE_MAGIC2_SIZE;
	return (size + 15) & ~(uint64_t)15;
}

static int write_at(uint64_t at, const void *src, size_t size)
{
	return block_safecopy(memfile_addr(vdso.memfile, vdso.offset + at), src, size) ? -ENOMEM
										       : 0;
}

int loader_vdso_init(struct memfile *mf, const struct platform *p)
{
	int err;

	vdso.min_sigstack = max_frame_size(p);
	vdso.sigreturn = image_symbol("__vdso_rt_sigreturn");
	vdso.params.clock_gettime = platform_vdso_symbol(p, "__vdso_clock_gettime");
	vdso.params.gettimeofday = platform_vdso_symbol(p, "__vdso_gettimeofday");
	vdso.params.time = platform_vdso_symbol(p, "__vdso_time");
	vdso.params.getcpu = platform_vdso_symbol(p, "__vdso_getcpu");
	vdso.params.clock_getres = platform_vdso_symbol(p, "__vdso_clock_getres");

	vdso.image_size = (uint64_t)(vdso_image_end - vdso_image_start);
	err = memfile_alloc(mf, vdso_size(), MEMFILE_SHARED, 0, &vdso.offset);
	if (err)
		return err;
	vdso.memfile = mf;
	err = write_at(0, vdso_image_start, vdso.image_size);
	if (!err)
		err = write_at(vdso.image_size, &vdso.params, sizeof(vdso.params));
	if (err)
		loader_vdso_fini();
	return err;
}

void loader_vdso_set_cpus(unsigned ncpus)
{
	vdso.params.ncpus = ncpus;
	if (vdso.memfile && write_at(vdso.image_size, &vdso.params, sizeof(vdso.params)))
		panic("the vDSO's parameter page cannot be written");
}

void loader_vdso_fini(void)
{
	if (vdso.memfile)
		memfile_decref(vdso.memfile, vdso.offset, vdso_size());
	memset(&vdso, 0, sizeof(vdso));
}

uint64_t loader_vdso_sigreturn_offset(void)
{
	return vdso.sigreturn;
}

uint64_t vdso_min_sigstack(void)
{
	return vdso.min_sigstack;
}

/* ---- mapping ---- */

static int map_part(struct mm *mm, gva_t addr, fileoff_t off, uint64_t size, int prot,
		    const char *name)
{
	struct mm_map_args args = {
		.addr = addr,
		.size = size,
		.prot = prot,
		.flags = MAP_PRIVATE | MAP_FIXED,
		.mappable = &vdso_mappable,
		.offset = off,
		.max_prot = PROT_READ | PROT_WRITE | PROT_EXEC,
		.name = name,
		.is_kernel = true,
	};
	gva_t got;

	return mm_map(mm, &args, &got);
}

int vdso_map(struct mm *mm, gva_t *base)
{
	gva_t vvar;
	int err;

	*base = 0;
	if (!vdso.memfile)
		return 0;
	err = loader_find_room(mm, 0, vdso_size(), &vvar);
	if (!err)
		err = map_part(mm, vvar, vdso.image_size, PAGE_SIZE, PROT_READ, "[vvar]");
	if (!err)
		err = map_part(mm, vvar + PAGE_SIZE, 0, vdso.image_size, PROT_READ | PROT_EXEC,
			       "[vdso]");
	if (!err)
		*base = vvar + PAGE_SIZE;
	return err;
}
