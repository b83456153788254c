/* Host processes, their signals and their scheduling; set-up is in setup.c. */
#include "host/proc.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/park.h"
#include "host/internal.h"

/* The host kernel's signal set, which libc's sigset_t is larger than. */
#define KERNEL_SIGSET_SIZE 8L

pid_t host_fork(void)
{
	pid_t pid = (pid_t)HOST_CALL(fork()); /* host-setup: clone clone3 fork */

	if (pid == 0)
		park_tid_reset();
	return pid;
}

/* clone(2) with only namespace flags is a fork; libc has no wrapper for it. */
pid_t host_fork_into(int namespaces)
{
	/* host-setup: clone */
	pid_t pid = (pid_t)HOST_CALL(syscall(SYS_clone, namespaces | SIGCHLD, 0, 0, 0, 0));

	if (pid == 0)
		park_tid_reset();
	return pid;
}

pid_t host_clone3(void *args, size_t size)
{
	pid_t pid = (pid_t)HOST_CALL(syscall(SYS_clone3, args, size)); /* host-setup: clone3 */

	if (pid == 0)
		park_tid_reset();
	return pid;
}

int host_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return (int)HOST_CALL(
		syscall(SYS_execveat, dirfd, path, argv, envp, flags)); /* host-setup: execveat */
}

void host_exit(int status)
{
	_exit(status); /* host: exit_group */
}

int host_kill(pid_t pid, int sig)
{
	return (int)HOST_CALL(kill(pid, sig)); /* host: kill */
}

int host_tgkill(pid_t tgid, pid_t tid, int sig)
{
	return (int)HOST_CALL(syscall(SYS_tgkill, tgid, tid, sig)); /* host: tgkill */
}

int host_pidfd_open(pid_t pid, unsigned flags)
{
	return (int)HOST_CALL(syscall(SYS_pidfd_open, pid, flags)); /* host-setup: pidfd_open */
}

int host_pidfd_send_signal(int pidfd, int sig)
{
	return (int)HOST_CALL(
		syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0)); /* host: pidfd_send_signal */
}

bool host_same_description(int a, int b)
{
	pid_t self = getpid();

	return HOST_CALL(syscall(SYS_kcmp, self, self, KCMP_FILE, a, b)) ==
	       0; /* host-setup: kcmp */
}

int host_waitid(int idtype, id_t id, struct host_child *child, int options)
{
	siginfo_t info = { .si_pid = 0 };
	long ret = HOST_CALL(waitid((idtype_t)idtype, id, &info, options)); /* host: waitid */

	child->pid = ret == 0 ? info.si_pid : 0;
	child->code = info.si_code;
	child->status = info.si_status;
	return (int)ret;
}

pid_t host_wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	return (pid_t)HOST_RETRY(wait4(pid, status, options, usage)); /* host: wait4 */
}

int host_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return (int)HOST_CALL(sigaction(sig, act, old)); /* host: rt_sigaction */
}

uint64_t host_ignored_signals(void)
{
	/* The host kernel's form: libc's own sigaction refuses signals 32 and 33. */
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} act;
	uint64_t set = 0;

	for (int sig = 1; sig <= 64; sig++) {
		/* host: rt_sigaction */
		if (HOST_CALL(syscall(SYS_rt_sigaction, sig, NULL, &act, KERNEL_SIGSET_SIZE)) ==
			    0 &&
		    act.handler == SIG_IGN)
			set |= (uint64_t)1 << (sig - 1);
	}
	return set;
}

int host_sigprocmask(int how, const uint64_t *set, uint64_t *old)
{
	return (int)HOST_CALL(syscall(SYS_rt_sigprocmask, how, set, old,
				      KERNEL_SIGSET_SIZE)); /* host: rt_sigprocmask */
}

int host_signalfd(uint64_t set, int flags)
{
	return (int)HOST_CALL(syscall(SYS_signalfd4, -1, &set, KERNEL_SIGSET_SIZE,
				      flags | O_CLOEXEC)); /* host-setup: signalfd4 */
}

int host_sigaltstack(void *stack, size_t size)
{
	stack_t ss = { .ss_sp = stack, .ss_size = size, .ss_flags = stack ? 0 : SS_DISABLE };

	return (int)HOST_CALL(sigaltstack(&ss, NULL)); /* host: sigaltstack */
}

pid_t host_getpid(void)
{
	return getpid(); /* host: getpid */
}

pid_t host_getppid(void)
{
	return getppid(); /* host: getppid */
}

pid_t host_gettid(void)
{
	return (pid_t)park_tid();
}

uid_t host_getuid(void)
{
	return getuid(); /* host: getuid */
}

uid_t host_geteuid(void)
{
	return geteuid(); /* host: geteuid */
}

gid_t host_getgid(void)
{
	return getgid(); /* host: getgid */
}

gid_t host_getegid(void)
{
	return getegid(); /* host: getegid */
}

pid_t host_setsid(void)
{
	return (pid_t)HOST_CALL(setsid()); /* host-setup: setsid */
}

int host_setpgid(pid_t pid, pid_t pgid)
{
	return (int)HOST_CALL(setpgid(pid, pgid)); /* host-setup: setpgid */
}

int host_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	return (int)HOST_CALL(prctl(option, a, b, c, d)); /* host: prctl */
}

int host_prlimit(pid_t pid, int resource, const struct rlimit *new_limit, struct rlimit *old)
{
	return (int)HOST_CALL(
		syscall(SYS_prlimit64, pid, resource, new_limit, old)); /* host-setup: prlimit64 */
}

int host_getrusage(int who, struct rusage *usage)
{
	return (int)HOST_CALL(getrusage(who, usage)); /* host: getrusage */
}

int host_sched_yield(void)
{
	return (int)HOST_CALL(sched_yield()); /* host: sched_yield */
}

int host_sched_setaffinity(pid_t tid, const uint64_t *mask, size_t size)
{
	return (int)HOST_CALL(
		syscall(SYS_sched_setaffinity, tid, size, mask)); /* host: sched_setaffinity */
}

int host_sched_getaffinity(pid_t tid, uint64_t *mask, size_t size)
{
	return (int)HOST_CALL(
		syscall(SYS_sched_getaffinity, tid, size, mask)); /* host: sched_getaffinity */
}

int host_getcpu(unsigned *cpu, unsigned *node)
{
	return (int)HOST_CALL(getcpu(cpu, node)); /* host: getcpu */
}
