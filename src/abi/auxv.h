/* The auxiliary vector: getauxval(3), and the entries that Debian 12's headers
 * lack. */
#pragma once

#include <stdint.h>

#include "abi/elf.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif
#ifndef AT_RSEQ_ALIGN
#define AT_RSEQ_ALIGN 28
#endif
#ifndef AT_HWCAP3
#define AT_HWCAP3 29
#endif
#ifndef AT_HWCAP4
#define AT_HWCAP4 30
#endif

struct abi_auxv {
	uint64_t type, value;
};
_Static_assert(sizeof(struct abi_auxv) == sizeof(Elf64_auxv_t), "Elf64_auxv_t");

/* AT_FLAGS */
#define ABI_AT_FLAGS_PRESERVE_ARGV0 1u

/* AT_HWCAP2 on x86 */
#define ABI_HWCAP2_RING3MWAIT 1u
#define ABI_HWCAP2_FSGSBASE 2u
