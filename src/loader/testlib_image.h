/* ELF files made by hand, for tests and as seeds for the fuzzer. */
#pragma once

#include "loader/internal.h"

#define IMAGE_SIZE 16384
#define IMAGE_PHDRS 8

struct image {
	union {
		uint8_t bytes[IMAGE_SIZE];
		struct {
			Elf64_Ehdr eh;
			Elf64_Phdr ph[IMAGE_PHDRS];
		};
	};
};

/* A valid program of three segments: text (file pages 0 and 1, r-x) at 0, data
 * (file 0x2000 to 0x2800, rw-) at 0x3000 with zeros up to 0x5100, and
 * PT_GNU_STACK. type: ET_EXEC (then at 0x400000) or ET_DYN. interp may be NULL.
 * Bytes of the file at offset n are n % 251 where no header lies. */
void image_make(struct image *im, uint16_t type, const char *interp);
Elf64_Phdr *image_add(struct image *im, uint32_t type, uint32_t flags);
