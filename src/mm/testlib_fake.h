/*
 * For the tests of mm/: a platform that is a table of pages, a guest that
 * touches them and traps, and a mappable that does what a file may do. The
 * platform checks every promise that platform.h asks of its callers.
 */
#pragma once

#include "mm/mm.h"

/* ---- the platform ---- */

#define FAKE_LO ((gva_t)0x10000)

extern size_t fake_pages;     /* how large guests are, set before mm_create() */
extern unsigned fake_fail_in; /* the nth map operation from now fails; 0: none */
extern uint64_t fake_ops, fake_batches, fake_lazy;

struct mm_env fake_env(struct memfile *mf);
static inline gva_t fake_hi(void)
{
	return FAKE_LO + fake_pages * PAGE_SIZE;
}

/* ---- a guest's accesses ---- */

struct fake_result {
	int signo; /* 0, SIGSEGV or SIGBUS; SIGKILL: out of memory */
	int code;
	unsigned traps;
	uint8_t value;
};

/* Reads or writes one byte as guest code does: directly where the platform
 * lets it, through mm_fault() where not. */
struct fake_result fake_read(struct mm *mm, gva_t addr);
struct fake_result fake_write(struct mm *mm, gva_t addr, uint8_t value);
/* Whether guest code can do it without a trap. */
bool fake_may(struct mm *mm, gva_t addr, int access);

/* ---- a mappable ---- */

struct fake_file {
	struct mappable mappable;
	struct mutex maps_lock, lock;
	struct mapping_set maps; /* [maps_lock] */
	struct memfile *mf;
	unsigned refs;
	uint64_t offset; /* of the contents in the memory file */
	uint64_t max;    /* its largest size, in bytes */
	uint64_t size;   /* [lock] */
	uint64_t seed;   /* not 0: covers and permits at random what it may */
	unsigned translations, syncs;
};

void fake_file_init(struct fake_file *f, struct memfile *mf, uint64_t size);
void fake_file_fini(struct fake_file *f);
uint8_t *fake_file_data(struct fake_file *f, uint64_t off);
/* Shrinks or grows it, as ftruncate() does. */
void fake_file_truncate(struct fake_file *f, uint64_t size);

/* ---- the end of a test ---- */

/* Everything goes; of the memory file nothing may be in use afterwards. */
void fake_end(struct mm *mm, struct fake_file *f, struct memfile *mf);
