/*
 * Classic BPF: the programs of seccomp(2) and of SO_ATTACH_FILTER, as Linux checks
 * and runs them (Documentation/networking/filter.rst).
 *
 *	A, X      two 32-bit registers, 0 at the start
 *	M[16]     words that a program stores and loads again
 *	a view    what it may look at: a packet, or the registers of a system call
 *
 * Jumps only go forward, so a checked program ends after at most as many steps as it
 * has instructions. A load that the view refuses ends the program with 0, and so does
 * a division by a register that is 0.
 *
 * Programs come from guests: bpf_is_valid() judges, and bpf_run() believes it.
 */
#pragma once

#include <linux/filter.h>

#include "base/base.h"

#define BPF_PROGRAM_MAX 4096 /* instructions: BPF_MAXINSNS */

struct bpf_view {
	const void *data;
	uint32_t size; /* what BPF_LEN loads */
	/* Loads size (1, 2 or 4) bytes at off. False: there is no such thing. */
	bool (*load)(const struct bpf_view *v, uint32_t off, unsigned size, uint32_t *val);
};

/* May Linux run it for some kind of view? False is -EINVAL. A kind that understands
 * less (seccomp) looks at the instructions again. */
bool bpf_is_valid(const struct sock_filter *prog, unsigned count);
/* What a valid program returns. */
uint32_t bpf_run(const struct sock_filter *prog, const struct bpf_view *v);
/* The number of instructions of Linux's own form of a valid program without packet
 * loads: what its limit on all filters of a task counts. */
unsigned bpf_converted_count(const struct sock_filter *prog, unsigned count);
