/* pidfd_open, pidfd_send_signal, pidfd_getfd, process_madvise. */
#include "abi/errno.h"
#include "abi/fcntl.h"
#include "abi/mman.h"
#include "abi/signal.h"
#include "abi/wait.h"
#include "syscall/families.h"
#include "syscall/peer.h"
#include "syscall/syscall.h"

#define WHOM \
	(ABI_PIDFD_SIGNAL_THREAD | ABI_PIDFD_SIGNAL_THREAD_GROUP | ABI_PIDFD_SIGNAL_PROCESS_GROUP)

static int install(struct task *t, struct file *f)
{
	int r = fd_install(t, f, 0, true);

	if (r < 0)
		file_put(f);
	return r;
}

static int open_process(struct task *t, int32_t pid, unsigned flags, struct file **out)
{
	struct thread_group *g = process_find(t, pid);
	struct task *other;
	int r;

	if (!g) {
		other = task_find(t, pid);
		task_put(other);
		return other ? -ENOENT : -ESRCH;
	}
	r = pidfd_create(t, g, NULL, flags, out);
	group_put(g);
	return r;
}

static int open_thread(struct task *t, int32_t tid, unsigned flags, struct file **out)
{
	struct task *other = task_find(t, tid);
	int r = other ? pidfd_create(t, other->group, other, flags, out) : -ESRCH;

	task_put(other);
	return r;
}

SYSCALL(pidfd_open)
{
	int32_t pid = (int32_t)args->a[0];
	unsigned flags = (unsigned)args->a[1];
	struct file *f;
	int r;

	if ((flags & ~(ABI_PIDFD_NONBLOCK | ABI_PIDFD_THREAD)) || pid <= 0)
		return -EINVAL;
	r = flags & ABI_PIDFD_THREAD ? open_thread(t, pid, flags, &f)
				     : open_process(t, pid, flags, &f);
	return r < 0 ? r : install(t, f);
}

/* Whom a descriptor means. */
struct target {
	struct thread_group *group; /* reference */
	struct task *thread;        /* reference; NULL: the process */
};

static void target_put(struct target *to)
{
	task_put(to->thread);
	group_put(to->group);
}

/* The descriptors that are none. */
static bool target_is_self(struct task *t, int fd, struct target *out)
{
	if (fd != ABI_PIDFD_SELF_THREAD && fd != ABI_PIDFD_SELF_THREAD_GROUP)
		return false;
	group_get(t->group);
	out->group = t->group;
	out->thread = NULL;
	if (fd == ABI_PIDFD_SELF_THREAD) {
		task_get(t);
		out->thread = t;
	}
	return true;
}

/* A pidfd; for signals also a directory of /proc. */
static int target_get(struct task *t, int fd, bool or_proc, struct target *out)
{
	struct file *f = fd_get(t, fd);

	if (!f)
		return -EBADF;
	out->group = pidfd_group(f);
	out->thread = pidfd_thread(f);
	if (!out->group && or_proc && task_group_of_proc)
		out->group = task_group_of_proc(f);
	file_put(f);
	return out->group ? 0 : -EBADF;
}

/* The signal's contents: made up, or the caller's own (rt_sigqueueinfo's rule). */
static int pidfd_siginfo(struct task *t, const struct target *to, int signo, gva_t user,
			 struct ksiginfo *info)
{
	uint8_t raw[ABI_SIGINFO_SIZE];

	if (!user) {
		*info = (struct ksiginfo){ .signo = signo,
					   .code = to->thread ? SI_TKILL : SI_USER,
					   .pid = t->group->own_pid,
					   .uid = t->cred->uid };
		return 0;
	}
	if (syscall_copy_in(t, raw, user, sizeof(raw)) < 0)
		return -EFAULT;
	siginfo_from_user(raw, info);
	if (info->signo != signo)
		return -EINVAL;
	if (to->group != t->group && (info->code >= 0 || info->code == SI_TKILL))
		return -EPERM;
	return 0;
}

/* Flags override what the descriptor was opened for. */
static void apply_flags(struct target *to, unsigned flags)
{
	if ((flags & ABI_PIDFD_SIGNAL_THREAD) && !to->thread)
		to->thread = group_any_task(to->group);
	if (flags & (ABI_PIDFD_SIGNAL_THREAD_GROUP | ABI_PIDFD_SIGNAL_PROCESS_GROUP)) {
		task_put(to->thread);
		to->thread = NULL;
	}
}

static int deliver(struct task *t, const struct target *to, const struct ksiginfo *info)
{
	int r;

	/* A process that has been waited for has no leader left. */
	if (!__atomic_load_n(&to->group->leader, __ATOMIC_RELAXED) ||
	    (to->thread && atomic_load(&to->thread->state) >= TASK_ZOMBIE))
		return -ESRCH;
	r = signal_may_send(t, to->group, info->signo);
	if (r < 0)
		return r;
	return to->thread ? signal_send(to->thread, info, 0) : signal_send_group(to->group, info);
}

SYSCALL(pidfd_send_signal)
{
	int signo = (int)args->a[1];
	unsigned flags = (unsigned)args->a[3];
	struct ksiginfo info;
	struct target to;
	int r;

	if ((flags & ~WHOM) || (flags & (flags - 1)))
		return -EINVAL;
	if (!target_is_self(t, (int)args->a[0], &to)) {
		r = target_get(t, (int)args->a[0], true, &to);
		if (r < 0)
			return r;
	}
	apply_flags(&to, flags);
	r = pidfd_siginfo(t, &to, signo, args->a[2], &info);
	if (r == 0 && (signo < 0 || signo > NSIGNALS))
		r = -EINVAL;
	if (r == 0 && (flags & ABI_PIDFD_SIGNAL_PROCESS_GROUP))
		r = signal_send_pgrp(t->kernel, to.group->pid, &info);
	else if (r == 0)
		r = deliver(t, &to, &info);
	target_put(&to);
	return r;
}

static int file_of_other(struct task *t, struct task *other, int fd, struct file **out)
{
	struct fdtable *files;
	bool cloexec;
	int r;

	*out = NULL;
	r = peer_may_access(t, other);
	if (r < 0)
		return r;
	files = task_files_get(other);
	if (!files)
		return -ESRCH;
	*out = fdtable_get_file(files, fd, &cloexec);
	fdtable_put(files, t);
	return *out ? 0 : -EBADF;
}

SYSCALL(pidfd_getfd)
{
	struct target of;
	struct file *f;
	int r;

	if (args->a[2])
		return -EINVAL;
	r = target_get(t, (int)args->a[0], false, &of);
	if (r < 0)
		return r;
	if (!of.thread)
		of.thread = group_any_task(of.group);
	r = of.thread ? file_of_other(t, of.thread, (int)args->a[1], &f) : -ESRCH;
	target_put(&of);
	return r < 0 ? r : install(t, f);
}

/* The address space that a pidfd stands for, with a reference. */
static int target_mm(struct task *t, int fd, struct mm **out)
{
	struct target of;
	int r = 0;

	if (!target_is_self(t, fd, &of))
		r = target_get(t, fd, false, &of);
	if (r < 0)
		return r;
	if (!of.thread)
		of.thread = group_any_task(of.group);
	r = of.thread ? peer_may_access(t, of.thread) : -ESRCH;
	r = r == -EPERM ? -EACCES : r;
	*out = r == 0 ? task_mm_get(of.thread) : NULL;
	target_put(&of);
	return r == 0 && !*out ? -ESRCH : r;
}

/* Others may be told what they will need or not, but their bytes stay. */
static int may_advise(struct task *t, const struct mm *mm, int advice)
{
	if (mm == t->mm)
		return 0;
	if (advice != MADV_COLD && advice != MADV_PAGEOUT && advice != MADV_WILLNEED)
		return -EINVAL;
	return cred_has_cap(t->cred, CAP_SYS_NICE) ? 0 : -EPERM;
}

/* Bytes advised; an error only when there are none. */
static long advise_all(struct mm *mm, const struct uio_seg *segs, unsigned count, int advice)
{
	long done = 0;
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++) {
		r = mm_advise(mm, segs[i].base, segs[i].size, advice);
		if (r == 0)
			done += (long)segs[i].size;
	}
	return done ? done : r;
}

SYSCALL(process_madvise)
{
	unsigned count = (unsigned)MIN(args->a[2], (uint64_t)UINT32_MAX);
	struct uio_seg segs[ABI_UIO_MAXIOV] UNINITIALIZED;
	int advice = (int)args->a[3];
	struct mm *mm;
	long r;

	if ((unsigned)args->a[4])
		return -EINVAL;
	r = mm_import_iovec(t->mm, args->a[1], count, segs);
	if (r == 0)
		r = target_mm(t, (int)args->a[0], &mm);
	if (r < 0)
		return r;
	r = may_advise(t, mm, advice);
	if (r == 0)
		r = advise_all(mm, segs, count, advice);
	mm_put(mm);
	return r;
}
