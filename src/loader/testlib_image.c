#include "loader/testlib_image.h"

#include <string.h>

#define INTERP_OFFSET 0x1800

Elf64_Phdr *image_add(struct image *im, uint32_t type, uint32_t flags)
{
	Elf64_Phdr *ph = &im->ph[im->eh.e_phnum++];

	ASSERT(im->eh.e_phnum <= IMAGE_PHDRS);
	*ph = (Elf64_Phdr){ .p_type = type, .p_flags = flags, .p_align = PAGE_SIZE };
	return ph;
}

static void add_load(struct image *im, uint32_t flags, uint64_t offset, uint64_t filesz,
		     uint64_t vaddr, uint64_t memsz)
{
	Elf64_Phdr *ph = image_add(im, PT_LOAD, flags);

	ph->p_offset = offset;
	ph->p_vaddr = ph->p_paddr = vaddr;
	ph->p_filesz = filesz;
	ph->p_memsz = memsz;
}

void image_make(struct image *im, uint16_t type, const char *interp)
{
	uint64_t base = type == ET_EXEC ? 0x400000 : 0;

	for (unsigned i = 0; i < IMAGE_SIZE; i++)
		im->bytes[i] = (uint8_t)(i % 251);
	memset(&im->eh, 0, sizeof(im->eh));
	memset(im->ph, 0, sizeof(im->ph));
	memcpy(im->eh.e_ident, ELFMAG, SELFMAG);
	im->eh.e_ident[EI_CLASS] = ELFCLASS64;
	im->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	im->eh.e_ident[EI_VERSION] = EV_CURRENT;
	im->eh.e_type = type;
	im->eh.e_machine = EM_X86_64;
	im->eh.e_version = EV_CURRENT;
	im->eh.e_entry = base + 0x1000;
	im->eh.e_phoff = offsetof(struct image, ph);
	im->eh.e_ehsize = sizeof(im->eh);
	im->eh.e_phentsize = sizeof(Elf64_Phdr);
	if (interp) {
		Elf64_Phdr *ph = image_add(im, PT_INTERP, PF_R);

		ph->p_offset = INTERP_OFFSET;
		ph->p_filesz = ph->p_memsz = strlen(interp) + 1;
		strcpy((char *)im->bytes + INTERP_OFFSET, interp);
	}
	add_load(im, PF_R | PF_X, 0, 0x2000, base, 0x2000);
	add_load(im, PF_R | PF_W, 0x2000, 0x800, base + 0x3000, 0x2100);
	image_add(im, PT_GNU_STACK, PF_R | PF_W);
}
