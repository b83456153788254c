/* pidfd_open, pidfd_send_signal, pidfd_getfd. */
#include "abi/errno.h"
#include "abi/signal.h"
#include "abi/wait.h"
#include "syscall/families.h"
#include "syscall/peer.h"
#include "syscall/syscall.h"

SYSCALL(pidfd_open)
{
	int32_t pid = (int32_t)args->a[0];
	unsigned flags = (unsigned)args->a[1];
	struct thread_group *g;
	struct task *other;
	struct file *f;
	int r;

	if ((flags & ~ABI_PIDFD_NONBLOCK) || pid <= 0)
		return -EINVAL;
	g = pid_find_group(t->kernel, pid);
	if (!g) {
		other = pid_find_task(t->kernel, pid);
		task_put(other);
		return other ? -ENOENT : -ESRCH;
	}
	r = pidfd_create(t, g, flags, &f);
	group_put(g);
	if (r < 0)
		return r;
	r = fd_install(t, f, 0, true);
	if (r < 0)
		file_put(f);
	return r;
}

static int pidfd_get(struct task *t, int fd, struct thread_group **out)
{
	struct file *f = fd_get(t, fd);

	*out = f ? pidfd_group(f) : NULL;
	if (f)
		file_put(f);
	return *out ? 0 : -EBADF;
}

/* A pidfd, or a directory of /proc. */
static int signal_target(struct task *t, int fd, struct thread_group **out)
{
	struct file *f = fd_get(t, fd);

	*out = f ? pidfd_group(f) : NULL;
	if (f && !*out && task_group_of_proc)
		*out = task_group_of_proc(f);
	if (f)
		file_put(f);
	return *out ? 0 : -EBADF;
}

/* The signal's contents: made up, or the caller's own (rt_sigqueueinfo's rule). */
static int pidfd_siginfo(struct task *t, struct thread_group *g, int signo, gva_t user,
			 struct ksiginfo *info)
{
	uint8_t raw[ABI_SIGINFO_SIZE];

	if (!user) {
		*info = (struct ksiginfo){
			.signo = signo, .code = SI_USER, .pid = t->group->pid, .uid = t->cred->uid
		};
		return 0;
	}
	if (syscall_copy_in(t, raw, user, sizeof(raw)) < 0)
		return -EFAULT;
	siginfo_from_user(raw, info);
	if (info->signo != signo)
		return -EINVAL;
	if (g != t->group && (info->code >= 0 || info->code == SI_TKILL))
		return -EPERM;
	return 0;
}

SYSCALL(pidfd_send_signal)
{
	int signo = (int)args->a[1];
	unsigned flags = (unsigned)args->a[3];
	struct thread_group *g;
	struct ksiginfo info;
	int r;

	if (flags & ~ABI_PIDFD_SIGNAL_THREAD_GROUP)
		return -EINVAL;
	r = signal_target(t, (int)args->a[0], &g);
	if (r < 0)
		return r;
	r = pidfd_siginfo(t, g, signo, args->a[2], &info);
	if (r == 0 && (signo < 0 || signo > NSIGNALS))
		r = -EINVAL;
	/* A process that has been waited for has no leader left. */
	if (r == 0 && !__atomic_load_n(&g->leader, __ATOMIC_RELAXED))
		r = -ESRCH;
	if (r == 0)
		r = signal_may_send(t, g, signo);
	if (r == 0)
		r = signal_send_group(g, &info);
	group_put(g);
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
	struct thread_group *g;
	struct task *other;
	struct file *f;
	int r;

	if (args->a[2])
		return -EINVAL;
	r = pidfd_get(t, (int)args->a[0], &g);
	if (r < 0)
		return r;
	other = group_any_task(g);
	group_put(g);
	if (!other)
		return -ESRCH;
	r = file_of_other(t, other, (int)args->a[1], &f);
	task_put(other);
	if (r < 0)
		return r;
	r = fd_install(t, f, 0, true);
	if (r < 0)
		file_put(f);
	return r;
}
