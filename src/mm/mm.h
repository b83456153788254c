/*
 * mm/: the memory of one guest process.
 *
 *	vma   what the guest asked for: a range, a mappable or nothing, the
 *	      protection, flags
 *	pma   what is really mapped: a range of a mapfile, with the permissions
 *	      the platform has for it
 *
 * Both live in interval maps by guest address. A vma without pmas costs
 * nothing. Faults, and copies to and from guest memory, fill pmas: private
 * memory from the memory file, everything else from its mappable's translate.
 *
 * Private anonymous memory gets its extent for the whole vma (or a large part
 * of it) and is mapped in one batch, so that touching pages is the host's page
 * fault and not a trap. Copy-on-write breaks 64 KiB at a time.
 *
 * Locks, outermost first (base/lockrank.h):
 *	map_lock    [m] vmas, brk, limits           LOCK_MM_MAP
 *	  (mappable's LOCK_INODE_MAPS)
 *	  active_lock [p] pmas                      LOCK_MM_ACTIVE
 *	    (mappable's INODE, INODE_DATA; memory file; platform)
 *
 * Copies pin with active_lock shared (memmap/block.h).
 */
#pragma once

#include "base/base.h"
#include "memfile/memfile.h"
#include "memmap/memmap.h"
#include "platform/platform.h"

struct mm;

/* Everything a sandbox's address spaces share. */
struct mm_env {
	struct platform *platform;
	struct memfile *memfile;
	bool aslr;
	/* Whether the calling task may lock more than its limit (CAP_IPC_LOCK);
	 * NULL: nobody may. */
	bool (*may_exceed_memlock)(void);
	/* The kernel touches guest memory, and there is none: sleeps a little and returns
	 * true if it may have been made (the guest OOM kill), so that no call fails where
	 * a touch by the guest would only have waited. NULL: never. */
	bool (*wait_for_memory)(void);
};

/* An empty address space with its platform part. */
int mm_create(const struct mm_env *env, struct mm **out) MUST_CHECK;
void mm_get(struct mm *mm);
/* The last reference unmaps everything and releases the platform part. */
void mm_put(struct mm *mm);
/* A copy-on-write copy (fork). Honours DONTFORK, WIPEONFORK. -ENOMEM, -EAGAIN. */
int mm_fork(struct mm *mm, struct mm **out) MUST_CHECK;
/* Unmaps everything, forgets brk and names: the address space of an exec that
 * nobody else uses. */
int mm_clear(struct mm *mm) MUST_CHECK;
struct platform_as *mm_as(struct mm *mm);
/* Tasks that run in it (references are more: /proc readers hold some). One
 * user alone allows lazy platform batches, and lets exec re-use it. */
void mm_user_add(struct mm *mm);
bool mm_user_del(struct mm *mm); /* true: it was the last */
unsigned mm_users(struct mm *mm);

/* ---- limits: set by the task layer on creation and on setrlimit ---- */
struct mm_limits {
	uint64_t as, data, stack, memlock;
}; /* RLIM_INFINITY = ~0 */
void mm_set_limits(struct mm *mm, const struct mm_limits *lim);

/* ---- mapping calls: arguments as the guest gave them, errors as Linux ---- */

struct mm_map_args {
	gva_t addr;
	uint64_t size;
	int prot;                  /* PROT_* */
	unsigned flags;            /* MAP_* as in mmap(2) */
	struct mappable *mappable; /* NULL: anonymous; borrowed (a vma takes its own) */
	int file_err;              /* what the file's open mode refuses, 0: nothing: an
				      error that comes after those of the address */
	fileoff_t offset;
	int max_prot;     /* PROT_* that mprotect may ever grant (a file opened
			    read-only may not become shared writable) */
	const char *name; /* "[stack]", "[heap]", "[vdso]" or NULL; a constant */
	bool grows_down;
	bool is_kernel; /* loader's own: exempt from RLIMIT_AS */
};
int mm_map(struct mm *mm, const struct mm_map_args *args, gva_t *out) MUST_CHECK;
int mm_unmap(struct mm *mm, gva_t addr, uint64_t size);
int mm_protect(struct mm *mm, gva_t addr, uint64_t size, int prot);
int mm_remap(struct mm *mm, gva_t old_addr, uint64_t old_size, uint64_t new_size, unsigned flags,
	     gva_t new_addr, gva_t *out) MUST_CHECK;
/* remap_file_pages(2): the shared mapping of [start, start + size) shows the file from that
 * page on. */
int mm_remap_file_pages(struct mm *mm, gva_t start, uint64_t size, int prot, uint64_t page,
			unsigned flags);
int mm_advise(struct mm *mm, gva_t addr, uint64_t size, int advice);
int mm_sync(struct mm *mm, gva_t addr, uint64_t size, int flags);
/* shmdt(2): unmaps what is left of the mapping that begins at addr, of a mappable of
 * which size_of says the size; it says 0 of those that are not meant. -EINVAL. */
int mm_detach(struct mm *mm, gva_t addr, uint64_t (*size_of)(const struct mappable *m));
/* What the mapping that begins at addr maps; a reference. NULL: none, or anonymous. */
struct mappable *mm_mappable_at(struct mm *mm, gva_t addr);
/* mseal(2), 6.10: no call changes the range's mappings any more. */
int mm_seal(struct mm *mm, gva_t addr, uint64_t size, uint64_t flags);
int mm_incore(struct mm *mm, gva_t addr, uint64_t size, gva_t vec);
int mm_lock(struct mm *mm, gva_t addr, uint64_t size, enum mlock_mode mode); /* NONE unlocks */
int mm_lock_all(struct mm *mm, int flags);                                   /* 0: munlockall */
/* brk(2): returns the resulting break, as Linux does. */
gva_t mm_brk(struct mm *mm, gva_t addr);
/* Where the heap starts: set once by the loader. */
void mm_set_brk_start(struct mm *mm, gva_t addr);

/* ---- what the loader sets and /proc shows ---- */
struct mm_layout {
	gva_t code_start, code_end, data_start, data_end;
	gva_t brk_start, brk;
	gva_t stack_start, arg_start, arg_end, env_start, env_end;
	gva_t vdso;
	uint64_t auxv[48]; /* pairs, ends with AT_NULL */
	unsigned auxv_count;
};
/* Bits that the layers above keep with an address space: a fork copies them, and an exec
 * clears them. */
#define MM_BARRIER_GLOBAL 1u /* membarrier(2): registered for these commands */
#define MM_BARRIER_PRIVATE 2u
atomic_uint *mm_flags(struct mm *mm);
void mm_get_layout(struct mm *mm, struct mm_layout *out);
void mm_set_layout(struct mm *mm, const struct mm_layout *in);

/* Picks where the stack top and the mmap base go (ASLR). */
gva_t mm_choose_stack_top(struct mm *mm);

struct mm_usage {
	uint64_t vsize, rss, rss_file, rss_shared, data, stack, text, locked, peak_vsize, peak_rss;
};
void mm_get_usage(struct mm *mm, struct mm_usage *out);
void mm_reset_peak(struct mm *mm); /* of resident memory */

/* What a mapping was asked to be, beside its protection. */
enum vma_flag {
	VMA_SHARED = 1,
	VMA_GROWSDOWN = 2,
	VMA_NORESERVE = 4,
	VMA_DONTFORK = 8,
	VMA_WIPEONFORK = 16,
	VMA_DONTDUMP = 32,
	VMA_SEALED = 64,   /* mseal(2) */
	VMA_PROGRAM = 128, /* a program's or library's segment */
};

/* One vma, for /proc/[pid]/maps and smaps. */
struct mm_vma_info {
	gva_t start, end;
	int prot, max_prot;
	unsigned flags; /* VMA_* */
	enum mlock_mode lock;
	bool is_anonymous;
	fileoff_t offset;
	uint64_t dev, ino;
	/* Bytes that are there; of them: this process's share, those that others have
	 * too, those that are not a file's, those of a file on the host. */
	uint64_t rss, pss, shared, anon, host_file;
	char name[4096 + 16];
};
/* Fills info with the first vma that ends after addr; false: none. */
bool mm_next_vma(struct mm *mm, gva_t addr, struct mm_vma_info *info);
/* The same without counting what is there. */
bool mm_next_mapping(struct mm *mm, gva_t addr, struct mm_vma_info *info);
/* One word a page from addr on as in /proc/[pid]/pagemap, with no page numbers. */
void mm_pagemap(struct mm *mm, gva_t addr, size_t count, uint64_t *words);

/* ---- shared memory objects ---- */

/* An object of size bytes (a page multiple) that reads as zeros, on the memory
 * file: MAP_SHARED | MAP_ANONYMOUS, SysV shm. name is for /proc/[pid]/maps and
 * copied. Returns a reference, dropped with ops->put. -ENOMEM. */
int mm_shmem_create(struct memfile *mf, uint64_t size, const char *name, struct mappable **out)
	MUST_CHECK;
/* Bytes of it that hold memory. */
uint64_t mm_shmem_resident(struct mappable *m);

/* ---- faults ---- */

/* New memory is mapped for the guest when it first touches some: this does it now.
 * For exec, whose program touches it at once. -ENOMEM: some of it will fault. */
int mm_install(struct mm *mm);
/* The guest touched addr (access: one MAP_* bit) and trapped. 0: mapped, run
 * it again. -EFAULT: SIGSEGV (*code: SEGV_MAPERR or SEGV_ACCERR). -EBUS is
 * spelled -ENXIO: SIGBUS, BUS_ADRERR. -ENOMEM: guest OOM kill.
 * => takes map_lock shared and active_lock; sleeps. */
int mm_fault(struct mm *mm, gva_t addr, int access, int *code);

/* ---- copies. Return 0, or -EFAULT with nothing promised about what was
 * already written; sizes are the caller's to bound. ---- */
int mm_copy_in(struct mm *mm, void *dst, gva_t src, size_t size) MUST_CHECK;
int mm_copy_out(struct mm *mm, gva_t dst, const void *src, size_t size) MUST_CHECK;
int mm_zero_out(struct mm *mm, gva_t dst, size_t size) MUST_CHECK;
/* A NUL-terminated string of at most size bytes with its NUL: returns its
 * length, -EFAULT, or -ENAMETOOLONG when no NUL is in reach. */
ssize_t mm_copy_in_str(struct mm *mm, char *dst, gva_t src, size_t size) MUST_CHECK;
/* Copies as much as is there and returns the count (process_vm_readv, ptrace).
 * ignore_prot: what ptrace and /proc/pid/mem may do. */
ssize_t mm_read_partial(struct mm *mm, void *dst, gva_t src, size_t size, bool ignore_prot);
ssize_t mm_write_partial(struct mm *mm, gva_t dst, const void *src, size_t size, bool ignore_prot);
/* How many of the size bytes from addr on another process may access in that way
 * (one MAP_* bit): by the protection as it was given, where the processor itself
 * may allow more (what can be written can be read). */
uint64_t mm_remote_extent(struct mm *mm, gva_t addr, uint64_t size, int access);

/* A cursor over guest ranges for file i/o. segs are checked already
 * (mm_import_iovec). */
void mm_uio_init(struct mm *mm, struct uio *u, enum uio_dir dir, const struct uio_seg *segs,
		 unsigned nsegs);
/* One range: *seg is the caller's storage. -EFAULT when outside user space. */
int mm_uio_init_single(struct mm *mm, struct uio *u, struct uio_seg *seg, enum uio_dir dir,
		       gva_t base, size_t size) MUST_CHECK;
/* Reads and checks a guest iovec array: -EINVAL (count, sizes that overflow
 * ssize_t), -EFAULT. segs holds UIO_MAXIOV (1024) entries at most; the total is
 * cut to MAX_RW_COUNT as Linux does. */
int mm_import_iovec(struct mm *mm, gva_t iov, unsigned count, struct uio_seg *segs) MUST_CHECK;

/* ---- instructions of ours in the guest's code (trampolines) ---- */

/* Puts size bytes (at most 8, in one page) in place of those at addr: in this address
 * space and its forks only, and for every thread at once. -EAGAIN: other bytes are there.
 * -EACCES: no program text that is there and that the guest cannot write to. -ENOMEM. */
int mm_patch_text(struct mm *mm, gva_t addr, const void *old, const void *new, size_t size)
	MUST_CHECK;
/* Space for code of ours at a fixed address, which the guest may run: the first call maps
 * all of it, each hands out size bytes. When the guest maps or unmaps something there, all
 * that was patched becomes what it was. 0: there is something of the guest's, or no space
 * left. */
gva_t mm_code_space(struct mm *mm, gva_t base, size_t total, size_t size);
/* Writes there; at most a page. -EACCES: the space is no longer ours. -ENOMEM. */
int mm_put_code(struct mm *mm, gva_t at, const void *code, size_t size) MUST_CHECK;

/* ---- pinned ranges: pages that stay where they are, whatever the guest maps there
 * afterwards; it and the pin see the same bytes for as long as it maps them ---- */
struct mm_pin;
/* access: MAP_R, or MAP_W, which copies what is still to be copied on write. All of
 * it holds memory. -EFAULT (also for pages of host files), -ENOMEM. */
int mm_pin(struct mm *mm, gva_t addr, uint64_t size, int access, struct mm_pin **out) MUST_CHECK;
void mm_unpin(struct mm_pin *pin); /* NULL is allowed; mm may be gone */
/* The same with the front of a uio, as far as its current segment goes and at most want bytes:
 * for I/O that goes on without the caller. *first: where in the first block it begins. Returns the
 * bytes (0: it is at its end). -EFAULT, -ENOMEM; -EOPNOTSUPP: the uio is no guest's. */
ssize_t mm_pin_uio(const struct uio *u, size_t want, struct mm_pin **out, size_t *first) MUST_CHECK;
/* Whole pages: the first holds addr. Bytes of them are moved by block_safecopy. */
const struct block *mm_pin_blocks(const struct mm_pin *pin, unsigned *count);

/* ---- atomics on guest memory, for futexes ---- */
int mm_load32(struct mm *mm, gva_t addr, uint32_t *out) MUST_CHECK;
int mm_store32(struct mm *mm, gva_t addr, uint32_t val) MUST_CHECK;
/* *old receives what was there; the store happened when *old == expected. */
int mm_cmpxchg32(struct mm *mm, gva_t addr, uint32_t expected, uint32_t desired, uint32_t *old)
	MUST_CHECK;
int mm_futex_key(struct mm *mm, gva_t addr, bool is_private, struct futex_key *out) MUST_CHECK;

/* Panics when vmas, pmas and their books disagree. O(n); tests. */
void mm_check(struct mm *mm);
