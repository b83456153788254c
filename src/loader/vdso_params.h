/*
 * The parameter page: the page right before the vDSO image, read-only to guests,
 * written once by vdso.c and read by the code in vdso/, which is built from this
 * header too. It holds nothing secret.
 */
#pragma once

#include <stdint.h>

/* Functions of the host's own vDSO, at the places to which the platform moved
 * them in every guest address space; 0: none, make the system call. */
struct vdso_params {
	uint64_t clock_gettime, gettimeofday, time, getcpu, clock_getres;
	uint32_t ncpus; /* CPU numbers stay below; 0: any */
	uint32_t pad;
};
