/*
 * mmap and its family. mm/ judges addresses, sizes and flags; here a descriptor
 * becomes a mappable, with what its open mode allows to be mapped.
 */
#include "abi/mman.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "abi/errno.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

/* ---- mmap ---- */

static bool is_noexec(const struct file *f)
{
	return (f->inode->sb->flags & SUPER_NOEXEC) ||
	       (f->path.mount && (mount_flags(f->path.mount) & MS_NOEXEC));
}

/* What may be mapped of a file that is open like this; -EACCES, -EPERM. */
static int file_protections(struct file *f, struct mm_map_args *m)
{
	bool shared = (m->flags & ABI_MAP_TYPE) != MAP_PRIVATE;

	if (shared && (m->prot & PROT_WRITE) && !file_may_write(f))
		return -EACCES;
	if (!file_may_read(f))
		return -EACCES;
	m->max_prot = PROT_READ | PROT_WRITE | PROT_EXEC;
	if (shared && !file_may_write(f))
		m->max_prot &= ~PROT_WRITE;
	if (is_noexec(f)) {
		if (m->prot & PROT_EXEC)
			return -EPERM;
		m->max_prot &= ~PROT_EXEC;
	}
	return 0;
}

/* Anonymous memory knows no MAP_SHARED_VALIDATE, a file does not grow down. */
static int zero_device(struct mm_map_args *m)
{
	m->mappable = NULL;
	if (m->flags & MAP_GROWSDOWN)
		return -EINVAL;
	if ((m->flags & ABI_MAP_TYPE) == MAP_SHARED_VALIDATE) {
		if (m->flags & ~ABI_MAP_KNOWN)
			return -EOPNOTSUPP;
		m->flags = (m->flags & ~ABI_MAP_TYPE) | MAP_SHARED;
	}
	m->flags |= MAP_ANONYMOUS;
	return 0;
}

/* *mappable is borrowed from f; /dev/zero becomes anonymous memory. */
static int file_mappable(struct file *f, struct mm_map_args *m)
{
	int r = file_protections(f, m);

	if (r < 0)
		return r;
	m->mappable = f->ops->mappable ? f->ops->mappable(f) : NULL;
	if (!m->mappable)
		return -ENODEV;
	return m->mappable == &vfs_mappable_anon ? zero_device(m) : 0;
}

static int map_file(struct task *t, struct mm_map_args *m, int fd, gva_t *out)
{
	struct file *f = fd_get(t, fd);
	int r = -EBADF;

	if (!f)
		return -EBADF;
	if (!(atomic_load_explicit(&f->flags, memory_order_relaxed) & O_PATH)) {
		m->file_err = file_mappable(f, m);
		r = m->flags & MAP_HUGETLB ? -EINVAL : mm_map(t->mm, m, out);
	}
	file_put(f);
	return r;
}

SYSCALL(mmap)
{
	struct mm_map_args m = {
		.addr = args->a[0],
		.size = args->a[1],
		.prot = (int)args->a[2],
		.flags = (unsigned)args->a[3],
		.offset = args->a[5],
		.max_prot = PROT_READ | PROT_WRITE | PROT_EXEC,
	};
	gva_t out;
	int r;

	if (m.offset & ~PAGE_MASK)
		return -EINVAL;
	if (m.flags & MAP_ANONYMOUS)
		r = mm_map(t->mm, &m, &out);
	else
		r = map_file(t, &m, (int)args->a[4], &out);
	return r < 0 ? r : (long)out;
}

/* ---- the rest of the family ---- */

SYSCALL(munmap)
{
	return mm_unmap(t->mm, args->a[0], args->a[1]);
}

SYSCALL(mprotect)
{
	return mm_protect(t->mm, args->a[0], args->a[1], (int)args->a[2]);
}

SYSCALL(mremap)
{
	gva_t out;
	int r = mm_remap(t->mm, args->a[0], args->a[1], args->a[2], (unsigned)args->a[3],
			 args->a[4], &out);

	return r < 0 ? r : (long)out;
}

SYSCALL(brk)
{
	return (long)mm_brk(t->mm, args->a[0]);
}

SYSCALL(remap_file_pages)
{
	return mm_remap_file_pages(t->mm, args->a[0], args->a[1], (int)args->a[2], args->a[3],
				   (unsigned)args->a[4]);
}

SYSCALL(madvise)
{
	return mm_advise(t->mm, args->a[0], args->a[1], (int)args->a[2]);
}

SYSCALL(msync)
{
	return mm_sync(t->mm, args->a[0], args->a[1], (int)args->a[2]);
}

SYSCALL(mincore)
{
	return mm_incore(t->mm, args->a[0], args->a[1], args->a[2]);
}

SYSCALL(mseal)
{
	return mm_seal(t->mm, args->a[0], args->a[1], args->a[2]);
}

/* ---- locking ---- */

SYSCALL(mlock)
{
	return mm_lock(t->mm, args->a[0], args->a[1], MLOCK_MODE_EAGER);
}

SYSCALL(mlock2)
{
	unsigned flags = (unsigned)args->a[2];

	if (flags & ~(unsigned)ABI_MLOCK_ONFAULT)
		return -EINVAL;
	return mm_lock(t->mm, args->a[0], args->a[1],
		       flags ? MLOCK_MODE_ONFAULT : MLOCK_MODE_EAGER);
}

SYSCALL(munlock)
{
	return mm_lock(t->mm, args->a[0], args->a[1], MLOCK_MODE_NONE);
}

SYSCALL(mlockall)
{
	int flags = (int)args->a[0];

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	return mm_lock_all(t->mm, flags);
}

SYSCALL(munlockall)
{
	return mm_lock_all(t->mm, 0);
}

/* ---- protection keys, as on a processor without them ---- */

SYSCALL(pkey_alloc)
{
	return args->a[0] || (args->a[1] & ~(uint64_t)3) ? -EINVAL : -ENOSPC;
}

SYSCALL(pkey_free)
{
	return -EINVAL;
}

SYSCALL(pkey_mprotect)
{
	if ((int)args->a[3] != -1)
		return -EINVAL;
	return mm_protect(t->mm, args->a[0], args->a[1], (int)args->a[2]);
}
