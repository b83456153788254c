/*
 * What the loader stands on, faked for its tests and its fuzzer: an address space
 * that is a list of ranges and the pages that were written, files in memory that
 * are found by name, a memory file of one buffer. Everything is global: one test at
 * a time.
 */
#pragma once

#include "loader/internal.h"

/* Forgets all files, memory and counters; the files' data are borrowed. */
void fake_reset(void);
/* Checks that every reference taken has been dropped. */
bool fake_is_balanced(void);

/* A file that vfs_lookup() finds under `name`. mode: S_IF* and permissions. */
struct file *fake_file(const char *name, const void *data, size_t size, uint32_t mode);
/* The file can be read but not mapped. */
void fake_file_unmappable(struct file *f);
/* Reads of files fail with err (negative) from now on; 0: no longer. */
void fake_read_error(int err);

const struct vfs_ctx *fake_ctx(void);

struct mm *fake_mm(void);
/* Copies out of the address space; false when anything is unmapped or its file
 * ends before. */
bool fake_peek(gva_t addr, void *buf, size_t size);
uint64_t fake_peek64(gva_t addr);
/* The protection at addr, or -1. */
int fake_prot(gva_t addr);
/* How many ranges are mapped. */
unsigned fake_nranges(void);
/* The name given to the range at addr, or "". */
const char *fake_name(gva_t addr);
const struct mm_layout *fake_layout(void);
gva_t fake_brk_start(void);
/* The nth mm call from now (from 1) fails with -ENOMEM; 0: none. */
void fake_mm_fail(unsigned nth);

/* The memory file's bytes. */
struct memfile *fake_memfile(void);
const struct platform *fake_platform(void);
