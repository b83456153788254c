/*
 * Copies that survive faults: between kernel memory and memory that somebody
 * else may take away, above all mappings of host files, which another process
 * may truncate at any time (SIGBUS). A fault ends the copy, never the kernel.
 *
 * The copies are assembly (safecopy.S) with a table of the instructions that
 * may fault; the handler that safecopy_init() installs for SIGSEGV and SIGBUS
 * continues at the table's fix-up, and panics for any other fault.
 */
#pragma once

#include "base/base.h"

/* Installs the handlers. Once, before anything below is called. */
void safecopy_init(void);

/* Both return the number of bytes at the end that were NOT copied or zeroed:
 * 0 when all were. The areas of safecopy() must not overlap. */
size_t safecopy(void *dst, const void *src, size_t size) MUST_CHECK;
size_t safecopy_zero(void *dst, size_t size) MUST_CHECK;

/* Aligned 32-bit accesses, atomic with respect to guests: a plain load
 * (acquire) and store (release), and a compare-exchange (sequentially
 * consistent) that stores what it found through `found`: it took place when
 * that equals `expected`. 0 or -EFAULT. */
int safecopy_load32(const uint32_t *addr, uint32_t *value) MUST_CHECK;
int safecopy_store32(uint32_t *addr, uint32_t value) MUST_CHECK;
int safecopy_cmpxchg32(uint32_t *addr, uint32_t expected, uint32_t desired, uint32_t *found)
	MUST_CHECK;

/* For a folder that must own SIGSEGV or SIGBUS itself: when the fault of this
 * ucontext_t was one of a safe copy, moves it to the fix-up and returns true. */
bool safecopy_fixup(void *ucontext) MUST_CHECK;
