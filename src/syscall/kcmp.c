/* kcmp(2): do two tasks share something of the kernel's? */
#include "abi/errno.h"
#include "abi/sched.h"
#include "base/hash.h"
#include "syscall/families.h"
#include "syscall/peer.h"
#include "syscall/syscall.h"

/* 0: the same; 1, 2: an order, in which the addresses cannot be recognised. */
static long compare(const void *a, const void *b)
{
	uint64_t x = hash_u64_keyed((uint64_t)(uintptr_t)a);
	uint64_t y = hash_u64_keyed((uint64_t)(uintptr_t)b);

	if (a == b)
		return 0;
	return x < y ? 1 : 2;
}

/* The open file; its address only, so no reference is left. NULL: none. */
static const void *file_of(struct task *t, struct task *other, uint64_t fd)
{
	struct fdtable *files = task_files_get(other);
	struct file *f = NULL;
	bool cloexec;

	if (files && fd <= INT32_MAX)
		f = fdtable_get_file(files, (int)fd, &cloexec);
	if (files)
		fdtable_put(files, t);
	if (f)
		file_put(f);
	return f;
}

static long compare_files(struct task *t, struct task *const other[2], const struct sysargs *args)
{
	const void *a = file_of(t, other[0], args->a[3]);
	const void *b = file_of(t, other[1], args->a[4]);

	return a && b ? compare(a, b) : -EBADF;
}

/* What kind (KCMP_*) means of a task; NULL of one that has left. */
static const void *thing_of(struct task *t, struct task *other, int kind)
{
	struct fs_context *fs;
	struct fdtable *files;
	struct mm *mm;

	switch (kind) {
	case ABI_KCMP_VM:
		mm = task_mm_get(other);
		mm_put(mm);
		return mm;
	case ABI_KCMP_FILES:
		files = task_files_get(other);
		if (files)
			fdtable_put(files, t);
		return files;
	case ABI_KCMP_FS:
		fs = task_fs_get(other);
		fs_context_put(fs);
		return fs;
	case ABI_KCMP_SIGHAND:
		return READ_ONCE(other->group->sighand);
	case ABI_KCMP_SYSVSEM:
		return READ_ONCE(other->sem_undo);
	default:
		return NULL; /* KCMP_IO: nobody has anything */
	}
}

static long compare_of(struct task *t, struct task *const other[2], const struct sysargs *args)
{
	int kind = (int)args->a[2];

	switch (kind) {
	case ABI_KCMP_FILE:
		return compare_files(t, other, args);
	case ABI_KCMP_EPOLL_TFD:
		return -EOPNOTSUPP;
	case ABI_KCMP_VM:
	case ABI_KCMP_FILES:
	case ABI_KCMP_FS:
	case ABI_KCMP_SIGHAND:
	case ABI_KCMP_IO:
	case ABI_KCMP_SYSVSEM:
		return compare(thing_of(t, other[0], kind), thing_of(t, other[1], kind));
	default:
		return -EINVAL;
	}
}

SYSCALL(kcmp)
{
	struct task *other[2] = { NULL, NULL };
	long r = 0;

	for (int i = 0; r == 0 && i < 2; i++) {
		int32_t pid = (int32_t)args->a[i];

		other[i] = pid > 0 ? task_find(t, pid) : NULL;
		if (!other[i])
			r = -ESRCH;
	}
	for (int i = 0; r == 0 && i < 2; i++)
		r = peer_may_access(t, other[i]);
	if (r == 0)
		r = compare_of(t, other, args);
	task_put(other[0]);
	task_put(other[1]);
	return r;
}
