/*
 * For the tests of pagecache/: a backend that is an array of bytes, which fails,
 * delays, shortens and lies when told to, and an address space that is a table
 * of pages.
 */
#pragma once

#include "base/lock.h"
#include "pagecache/pagecache.h"

#define FAKE_MAX ((uint64_t)8 << 20) /* no file is larger */

enum fake_call {
	FAKE_READ,
	FAKE_WRITE,
	FAKE_TRUNCATE,
	FAKE_FALLOCATE,
	FAKE_FSYNC,
	FAKE_SEEK,
	FAKE_SIZE,
	FAKE_CALLS,
};

struct fake_backend {
	struct mutex lock;
	uint8_t *bytes; /* [lock] FAKE_MAX */
	uint64_t size;  /* [lock] */
	atomic_uint calls[FAKE_CALLS];
	/* Faults. fail: the error of the next `fails` calls of that kind (UINT_MAX: all). */
	atomic_int fail[FAKE_CALLS];
	atomic_uint fails[FAKE_CALLS];
	/* One call in `trouble` goes wrong in some way at random; 0: none. */
	atomic_uint trouble;
	atomic_uint delay_ns; /* of each call */
	atomic_bool is_held;  /* calls begin, and go on when it is false */
	atomic_bool lies;     /* counts larger than what was asked for */
	_Atomic uint64_t random;
	atomic_int refs, dirty_holds;
	struct pagecache *pc;
};

extern const struct pagecache_ops fake_ops;

void fake_init(struct fake_backend *b);
void fake_fini(struct fake_backend *b);
unsigned fake_calls(struct fake_backend *b, enum fake_call call);
void fake_fail(struct fake_backend *b, enum fake_call call, int err, unsigned times);
uint64_t fake_draw(struct fake_backend *b);

/* ---- an address space ---- */

#define SPACE_ADDR ((gva_t)0x100000)

struct space_page {
	bool is_there;
	uint64_t offset;
	int perms;
};

/* The whole file, mapped shared at SPACE_ADDR. */
struct space {
	struct mapping_space ms;
	struct rwlock active;     /* LOCK_MM_ACTIVE */
	struct space_page *pages; /* [active] */
	uint64_t npages;
	struct memfile *mf;
	struct pagecache *pc;
	bool is_writable;
};

int space_map(struct space *s, struct memfile *mf, struct pagecache *pc, uint64_t npages,
	      bool is_writable);
void space_unmap(struct space *s);
/* As a guest's load or store: 0, -EFAULT (SIGBUS: past the end), -EIO. */
int space_load(struct space *s, uint64_t off, uint8_t *value);
int space_store(struct space *s, uint64_t off, uint8_t value);
unsigned space_count(struct space *s); /* pages mapped now */
