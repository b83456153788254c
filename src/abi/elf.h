/* ELF: the C library's <elf.h> and what newer kernels added. */
#pragma once

#include <elf.h>

#ifndef PT_GNU_PROPERTY
#define PT_GNU_PROPERTY 0x6474e553
#endif
