/* sysinfo(2). */
#pragma once

#include <stdint.h>

struct abi_sysinfo {
	int64_t uptime;
	uint64_t loads[3]; /* 16 fraction bits */
	uint64_t totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad0;
	uint32_t pad1;
	uint64_t totalhigh, freehigh;
	uint32_t mem_unit, pad2;
};
_Static_assert(sizeof(struct abi_sysinfo) == 112, "struct sysinfo");
