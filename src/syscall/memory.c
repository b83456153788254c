/* Memory: mmap and its family, memfd. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/errno.h"
#include "fs/tmpfs/tmpfs.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

/* A file to map: what it offers, checked against how it is open. */
static int map_file(struct task *t, int fd, struct mm_map_args *m, struct file **out)
{
	bool shared = (m->flags & MAP_TYPE) != MAP_PRIVATE;
	struct file *f = fd_get(t, fd);
	int r = 0;

	*out = NULL;
	if (!f)
		return -EBADF;
	if (!file_may_read(f))
		r = -EACCES;
	else if (shared && (m->prot & PROT_WRITE) && !file_may_write(f))
		r = -EACCES;
	else if (!f->ops->mappable || !(m->mappable = f->ops->mappable(f)))
		r = -ENODEV;
	if (r < 0) {
		file_put(f);
		return r;
	}
	if (m->mappable == &vfs_mappable_anon)
		m->mappable = NULL;
	if (shared && !file_may_write(f))
		m->max_prot = MAP_R | MAP_X;
	*out = f;
	return 0;
}

SYSCALL(mmap)
{
	struct mm_map_args m = {
		.addr = args->a[0],
		.size = args->a[1],
		.prot = (int)args->a[2],
		.flags = (unsigned)args->a[3],
		.offset = args->a[5],
		.max_prot = MAP_R | MAP_W | MAP_X,
	};
	unsigned type = m.flags & MAP_TYPE;
	struct file *f = NULL;
	gva_t out;
	int r = 0;

	if (m.offset & ~PAGE_MASK)
		return -EINVAL;
	if (!m.size || (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE))
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && (m.flags & 0x80000)) /* MAP_SYNC */
		return -EOPNOTSUPP;
	if (m.flags & MAP_HUGETLB)
		return -ENOMEM; /* as with no huge pages reserved */
	if (!(m.flags & MAP_ANONYMOUS))
		r = map_file(t, (int)args->a[4], &m, &f);
	if (r == 0)
		r = mm_map(t->mm, &m, &out);
	if (f)
		file_put(f);
	return r < 0 ? r : (long)out;
}

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

SYSCALL(mlock)
{
	return mm_lock(t->mm, args->a[0], args->a[1], MLOCK_MODE_EAGER);
}

SYSCALL(mlock2)
{
	if (args->a[2] & ~(uint64_t)1)
		return -EINVAL;
	return mm_lock(t->mm, args->a[0], args->a[1],
		       args->a[2] ? MLOCK_MODE_ONFAULT : MLOCK_MODE_EAGER);
}

SYSCALL(munlock)
{
	return mm_lock(t->mm, args->a[0], args->a[1], MLOCK_MODE_NONE);
}

SYSCALL(mlockall)
{
	int flags = (int)args->a[0];

	if (!flags || (flags & ~7) || flags == 4)
		return -EINVAL;
	return mm_lock_all(t->mm, flags);
}

SYSCALL(munlockall)
{
	return mm_lock_all(t->mm, 0);
}

SYSCALL(memfd_create)
{
	char name[250];
	unsigned flags = (unsigned)args->a[1];
	struct vfs_ctx *ctx;
	struct file *f;
	ssize_t n;
	int r;

	if (flags & ~0x1fu || (flags & 4)) /* MFD_HUGETLB */
		return -EINVAL;
	if ((flags & 8) && (flags & 16)) /* NOEXEC_SEAL and EXEC */
		return -EINVAL;
	n = mm_copy_in_str(t->mm, name, args->a[0], sizeof(name));
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	ctx = task_vfs_begin(t);
	r = tmpfs_memfd_create(t->kernel->memfd_super, name, flags, ctx, &f);
	task_vfs_end(t);
	if (r < 0)
		return r;
	r = fd_install(t, f, 0, flags & 1);
	if (r < 0)
		file_put(f);
	return r;
}

/* ---- other processes' memory ---- */

static int vm_target(struct task *t, int32_t pid, struct mm **out)
{
	struct task *o = pid_find_task(t->kernel, pid);
	const struct cred *c;
	int r = 0;

	if (!o)
		return -ESRCH;
	c = task_cred_get(o);
	if (o->group != t->group && !cred_has_cap(t->cred, 19) && /* CAP_SYS_PTRACE */
	    (c->uid != t->cred->uid || c->euid != t->cred->uid || c->suid != t->cred->uid))
		r = -EPERM;
	cred_put(c);
	*out = r == 0 ? task_mm_get(o) : NULL;
	task_put(o);
	return r < 0 ? r : *out ? 0 : -ESRCH;
}

/* Through a buffer of ours: two address spaces are never held at once. */
static ssize_t vm_copy(struct task *t, struct mm *other, gva_t remote, gva_t local, size_t size,
		       bool write)
{
	char buf[4096];
	ssize_t done = 0;

	while (size) {
		size_t n = MIN(size, sizeof(buf));
		ssize_t r = write ? mm_read_partial(t->mm, buf, local, n, false)
				  : mm_read_partial(other, buf, remote, n, false);

		if (r > 0)
			r = write ? mm_write_partial(other, remote, buf, (size_t)r, false)
				  : mm_write_partial(t->mm, local, buf, (size_t)r, false);
		if (r <= 0)
			return done ? done : r;
		done += r;
		remote += (uint64_t)r;
		local += (uint64_t)r;
		size -= (size_t)r;
		if ((size_t)r < n)
			break;
	}
	return done;
}

static long vm_transfer(struct task *t, const struct sysargs *args, bool write)
{
	struct uio_seg local[8], remote[8];
	struct mm *other;
	unsigned l = 0, r = 0, nl = (unsigned)args->a[2], nr = (unsigned)args->a[4];
	uint64_t loff = 0, roff = 0;
	ssize_t done = 0, n = 0;
	int err;

	if (args->a[5] || nl > 1024 || nr > 1024)
		return -EINVAL;
	if (nl > ARRAY_SIZE(local) || nr > ARRAY_SIZE(remote))
		return -EINVAL;
	err = mm_import_iovec(t->mm, args->a[1], nl, local);
	if (err == 0)
		err = syscall_copy_in(t, remote, args->a[3], nr * sizeof(remote[0]));
	if (err == 0)
		err = vm_target(t, (int32_t)args->a[0], &other);
	if (err < 0)
		return err;
	while (l < nl && r < nr) {
		uint64_t step = MIN(local[l].size - loff, remote[r].size - roff);

		n = step ? vm_copy(t, other, remote[r].base + roff, local[l].base + loff, step,
				   write)
			 : 0;
		if (n < 0)
			break;
		done += n;
		if ((uint64_t)n < step)
			break;
		loff += step;
		roff += step;
		if (loff == local[l].size) {
			l++;
			loff = 0;
		}
		if (roff == remote[r].size) {
			r++;
			roff = 0;
		}
	}
	mm_put(other);
	return done ? done : n;
}

SYSCALL(process_vm_readv)
{
	return vm_transfer(t, args, false);
}

SYSCALL(process_vm_writev)
{
	return vm_transfer(t, args, true);
}

/* ---- memory policy: one node ---- */

SYSCALL(get_mempolicy)
{
	int mode = 0;
	uint64_t nodes = args->a[4] & 4 ? 1 : 0; /* MPOL_F_MEMS_ALLOWED */

	if (args->a[4] & ~(uint64_t)7)
		return -EINVAL;
	if (args->a[0] && syscall_copy_out(t, args->a[0], &mode, sizeof(mode)) < 0)
		return -EFAULT;
	if (args->a[1]) {
		if (args->a[2] < 1)
			return -EINVAL;
		return mm_zero_out(t->mm, args->a[1], (args->a[2] + 63) / 64 * 8) < 0
			       ? -EFAULT
			       : syscall_copy_out(t, args->a[1], &nodes, sizeof(nodes));
	}
	return 0;
}

SYSCALL(set_mempolicy)
{
	return (int)(args->a[0] & 0xff) > 6 ? -EINVAL : 0;
}

SYSCALL(mbind)
{
	return (int)(args->a[2] & 0xff) > 6 || (args->a[0] & ~PAGE_MASK) ? -EINVAL : 0;
}

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
