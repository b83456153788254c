/* The names that strace shows for numbers: one table a kind of argument. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/fcntl.h"
#include "abi/futex.h"
#include "abi/mman.h"
#include "abi/prctl.h"
#include "abi/ptrace.h"
#include "abi/sched.h"
#include "abi/seccomp.h"
#include "abi/signal.h"
#include "abi/stat.h"
#include "abi/time.h"
#include "abi/wait.h"
#include "syscall/strace_internal.h"

#define N(x)                      \
	{                         \
		(uint64_t)(x), #x \
	}
#define M(val, name)                  \
	{                             \
		(uint64_t)(val), name \
	}

/* ---- values ---- */

static const struct strace_name whence[] = { N(SEEK_SET), N(SEEK_CUR), N(SEEK_END), N(SEEK_DATA),
					     N(SEEK_HOLE) };
static const struct strace_name clocks[] = {
	N(CLOCK_REALTIME),          N(CLOCK_MONOTONIC),     N(CLOCK_PROCESS_CPUTIME_ID),
	N(CLOCK_THREAD_CPUTIME_ID), N(CLOCK_MONOTONIC_RAW), N(CLOCK_REALTIME_COARSE),
	N(CLOCK_MONOTONIC_COARSE),  N(CLOCK_BOOTTIME),      N(CLOCK_REALTIME_ALARM),
	N(CLOCK_BOOTTIME_ALARM),    N(CLOCK_TAI),
};
static const struct strace_name fcntl_cmds[] = {
	N(F_DUPFD),         N(F_GETFD),         N(F_SETFD),      N(F_GETFL),     N(F_SETFL),
	N(F_GETLK),         N(F_SETLK),         N(F_SETLKW),     N(F_SETOWN),    N(F_GETOWN),
	N(F_SETSIG),        N(F_GETSIG),        N(F_SETOWN_EX),  N(F_GETOWN_EX), N(F_OFD_GETLK),
	N(F_OFD_SETLK),     N(F_OFD_SETLKW),    N(F_SETLEASE),   N(F_GETLEASE),  N(F_NOTIFY),
	N(F_DUPFD_CLOEXEC), N(F_SETPIPE_SZ),    N(F_GETPIPE_SZ), N(F_ADD_SEALS), N(F_GET_SEALS),
	N(F_DUPFD_QUERY),   N(F_CREATED_QUERY),
};
static const struct strace_name prctls[] = {
	N(PR_SET_PDEATHSIG),
	N(PR_GET_PDEATHSIG),
	N(PR_GET_DUMPABLE),
	N(PR_SET_DUMPABLE),
	N(PR_SET_KEEPCAPS),
	N(PR_GET_KEEPCAPS),
	N(PR_SET_NAME),
	N(PR_GET_NAME),
	N(PR_GET_SECCOMP),
	N(PR_SET_SECCOMP),
	N(PR_CAPBSET_READ),
	N(PR_CAPBSET_DROP),
	N(PR_GET_SECUREBITS),
	N(PR_SET_SECUREBITS),
	N(PR_SET_TIMERSLACK),
	N(PR_GET_TIMERSLACK),
	N(PR_SET_MM),
	N(PR_SET_CHILD_SUBREAPER),
	N(PR_GET_CHILD_SUBREAPER),
	N(PR_SET_NO_NEW_PRIVS),
	N(PR_GET_NO_NEW_PRIVS),
	N(PR_GET_TID_ADDRESS),
	N(PR_SET_THP_DISABLE),
	N(PR_GET_THP_DISABLE),
	N(PR_CAP_AMBIENT),
	N(PR_SET_VMA),
};
static const struct strace_name arch_prctls[] = {
	M(ABI_ARCH_SET_GS, "ARCH_SET_GS"),         M(ABI_ARCH_SET_FS, "ARCH_SET_FS"),
	M(ABI_ARCH_GET_FS, "ARCH_GET_FS"),         M(ABI_ARCH_GET_GS, "ARCH_GET_GS"),
	M(ABI_ARCH_GET_CPUID, "ARCH_GET_CPUID"),   M(ABI_ARCH_SET_CPUID, "ARCH_SET_CPUID"),
	M(ABI_ARCH_CET_STATUS, "ARCH_CET_STATUS"), M(ABI_ARCH_SHSTK_STATUS, "ARCH_SHSTK_STATUS"),
};
static const struct strace_name ptrace_requests[] = {
	M(ABI_PTRACE_TRACEME, "PTRACE_TRACEME"),
	M(ABI_PTRACE_PEEKTEXT, "PTRACE_PEEKTEXT"),
	M(ABI_PTRACE_PEEKDATA, "PTRACE_PEEKDATA"),
	M(ABI_PTRACE_PEEKUSR, "PTRACE_PEEKUSR"),
	M(ABI_PTRACE_POKETEXT, "PTRACE_POKETEXT"),
	M(ABI_PTRACE_POKEDATA, "PTRACE_POKEDATA"),
	M(ABI_PTRACE_POKEUSR, "PTRACE_POKEUSR"),
	M(ABI_PTRACE_CONT, "PTRACE_CONT"),
	M(ABI_PTRACE_KILL, "PTRACE_KILL"),
	M(ABI_PTRACE_SINGLESTEP, "PTRACE_SINGLESTEP"),
	M(ABI_PTRACE_GETREGS, "PTRACE_GETREGS"),
	M(ABI_PTRACE_SETREGS, "PTRACE_SETREGS"),
	M(ABI_PTRACE_GETFPREGS, "PTRACE_GETFPREGS"),
	M(ABI_PTRACE_SETFPREGS, "PTRACE_SETFPREGS"),
	M(ABI_PTRACE_ATTACH, "PTRACE_ATTACH"),
	M(ABI_PTRACE_DETACH, "PTRACE_DETACH"),
	M(ABI_PTRACE_OLDSETOPTIONS, "PTRACE_OLDSETOPTIONS"),
	M(ABI_PTRACE_SYSCALL, "PTRACE_SYSCALL"),
	M(ABI_PTRACE_ARCH_PRCTL, "PTRACE_ARCH_PRCTL"),
	M(ABI_PTRACE_SYSEMU, "PTRACE_SYSEMU"),
	M(ABI_PTRACE_SYSEMU_SINGLESTEP, "PTRACE_SYSEMU_SINGLESTEP"),
	M(ABI_PTRACE_SETOPTIONS, "PTRACE_SETOPTIONS"),
	M(ABI_PTRACE_GETEVENTMSG, "PTRACE_GETEVENTMSG"),
	M(ABI_PTRACE_GETSIGINFO, "PTRACE_GETSIGINFO"),
	M(ABI_PTRACE_SETSIGINFO, "PTRACE_SETSIGINFO"),
	M(ABI_PTRACE_GETREGSET, "PTRACE_GETREGSET"),
	M(ABI_PTRACE_SETREGSET, "PTRACE_SETREGSET"),
	M(ABI_PTRACE_SEIZE, "PTRACE_SEIZE"),
	M(ABI_PTRACE_INTERRUPT, "PTRACE_INTERRUPT"),
	M(ABI_PTRACE_LISTEN, "PTRACE_LISTEN"),
	M(ABI_PTRACE_PEEKSIGINFO, "PTRACE_PEEKSIGINFO"),
	M(ABI_PTRACE_GETSIGMASK, "PTRACE_GETSIGMASK"),
	M(ABI_PTRACE_SETSIGMASK, "PTRACE_SETSIGMASK"),
	M(ABI_PTRACE_GET_SYSCALL_INFO, "PTRACE_GET_SYSCALL_INFO"),
	M(ABI_PTRACE_SET_SYSCALL_INFO, "PTRACE_SET_SYSCALL_INFO"),
};
static const struct strace_name seccomp_ops[] = {
	N(SECCOMP_SET_MODE_STRICT),
	N(SECCOMP_SET_MODE_FILTER),
	N(SECCOMP_GET_ACTION_AVAIL),
	N(SECCOMP_GET_NOTIF_SIZES),
};
static const struct strace_name rlimits[] = {
	N(RLIMIT_CPU),      N(RLIMIT_FSIZE), N(RLIMIT_DATA),   N(RLIMIT_STACK),
	N(RLIMIT_CORE),     N(RLIMIT_RSS),   N(RLIMIT_NPROC),  N(RLIMIT_NOFILE),
	N(RLIMIT_MEMLOCK),  N(RLIMIT_AS),    N(RLIMIT_LOCKS),  N(RLIMIT_SIGPENDING),
	N(RLIMIT_MSGQUEUE), N(RLIMIT_NICE),  N(RLIMIT_RTPRIO), N(RLIMIT_RTTIME),
};
static const struct strace_name families[] = {
	N(AF_UNSPEC),  N(AF_UNIX),   N(AF_INET), N(AF_INET6),
	N(AF_NETLINK), N(AF_PACKET), N(AF_ALG),  N(AF_VSOCK)
};
static const struct strace_name madvise_names[] = {
	N(MADV_NORMAL),          N(MADV_RANDOM),        N(MADV_SEQUENTIAL),
	N(MADV_WILLNEED),        N(MADV_DONTNEED),      N(MADV_FREE),
	N(MADV_REMOVE),          N(MADV_DONTFORK),      N(MADV_DOFORK),
	N(MADV_MERGEABLE),       N(MADV_UNMERGEABLE),   N(MADV_HUGEPAGE),
	N(MADV_NOHUGEPAGE),      N(MADV_DONTDUMP),      N(MADV_DODUMP),
	N(MADV_WIPEONFORK),      N(MADV_KEEPONFORK),    N(MADV_COLD),
	N(MADV_PAGEOUT),         N(MADV_POPULATE_READ), N(MADV_POPULATE_WRITE),
	N(MADV_DONTNEED_LOCKED), N(MADV_COLLAPSE),
};
static const struct strace_name fadvise_names[] = {
	N(POSIX_FADV_NORMAL),   N(POSIX_FADV_RANDOM),   N(POSIX_FADV_SEQUENTIAL),
	N(POSIX_FADV_WILLNEED), N(POSIX_FADV_DONTNEED), N(POSIX_FADV_NOREUSE),
};
static const struct strace_name futex_ops[] = {
	N(FUTEX_WAIT),           N(FUTEX_WAKE),        N(FUTEX_FD),
	N(FUTEX_REQUEUE),        N(FUTEX_CMP_REQUEUE), N(FUTEX_WAKE_OP),
	N(FUTEX_LOCK_PI),        N(FUTEX_UNLOCK_PI),   N(FUTEX_TRYLOCK_PI),
	N(FUTEX_WAIT_BITSET),    N(FUTEX_WAKE_BITSET), N(FUTEX_WAIT_REQUEUE_PI),
	N(FUTEX_CMP_REQUEUE_PI), N(FUTEX_LOCK_PI2),
};
static const struct strace_name sig_hows[] = { N(SIG_BLOCK), N(SIG_UNBLOCK), N(SIG_SETMASK) };
static const struct strace_name epoll_ops[] = { N(EPOLL_CTL_ADD), N(EPOLL_CTL_DEL),
						N(EPOLL_CTL_MOD) };
static const struct strace_name itimers[] = { N(ITIMER_REAL), N(ITIMER_VIRTUAL), N(ITIMER_PROF) };
static const struct strace_name policies[] = { N(SCHED_OTHER), N(SCHED_FIFO), N(SCHED_RR),
					       N(SCHED_BATCH), N(SCHED_IDLE) };
static const struct strace_name sock_levels[] = { N(SOL_SOCKET), M(0, "SOL_IP"), M(6, "SOL_TCP"),
						  M(17, "SOL_UDP"), M(41, "SOL_IPV6") };
static const struct strace_name wait_types[] = { N(P_ALL), N(P_PID), N(P_PGID), N(P_PIDFD) };

/* ---- flags ---- */

static const struct strace_name open_flags[] = {
	N(O_CREAT),
	N(O_EXCL),
	N(O_NOCTTY),
	N(O_TRUNC),
	N(O_APPEND),
	N(O_NONBLOCK),
	N(O_SYNC),
	N(O_DSYNC),
	N(O_ASYNC),
	N(O_DIRECT),
	M(ABI_O_LARGEFILE, "O_LARGEFILE"),
	N(O_TMPFILE),
	N(O_DIRECTORY),
	N(O_NOFOLLOW),
	N(O_NOATIME),
	N(O_CLOEXEC),
	N(O_PATH),
};
static const struct strace_name prots[] = { N(PROT_READ), N(PROT_WRITE), N(PROT_EXEC),
					    N(PROT_GROWSDOWN), N(PROT_GROWSUP) };
static const struct strace_name map_flags[] = {
	N(MAP_SHARED_VALIDATE), N(MAP_SHARED), N(MAP_PRIVATE),   N(MAP_FIXED),
	N(MAP_ANONYMOUS),       N(MAP_32BIT),  N(MAP_GROWSDOWN), N(MAP_DENYWRITE),
	N(MAP_EXECUTABLE),      N(MAP_LOCKED), N(MAP_NORESERVE), N(MAP_POPULATE),
	N(MAP_NONBLOCK),        N(MAP_STACK),  N(MAP_HUGETLB),   N(MAP_SYNC),
	N(MAP_FIXED_NOREPLACE),
};
static const struct strace_name clone_flags[] = {
	N(CLONE_VM),
	N(CLONE_FS),
	N(CLONE_FILES),
	N(CLONE_SIGHAND),
	N(CLONE_PIDFD),
	N(CLONE_PTRACE),
	N(CLONE_VFORK),
	N(CLONE_PARENT),
	N(CLONE_THREAD),
	N(CLONE_NEWNS),
	N(CLONE_SYSVSEM),
	N(CLONE_SETTLS),
	N(CLONE_PARENT_SETTID),
	N(CLONE_CHILD_CLEARTID),
	N(CLONE_UNTRACED),
	N(CLONE_CHILD_SETTID),
	N(CLONE_NEWCGROUP),
	N(CLONE_NEWUTS),
	N(CLONE_NEWIPC),
	N(CLONE_NEWUSER),
	N(CLONE_NEWPID),
	N(CLONE_NEWNET),
	N(CLONE_IO),
	M(ABI_CLONE_CLEAR_SIGHAND, "CLONE_CLEAR_SIGHAND"),
	M(ABI_CLONE_INTO_CGROUP, "CLONE_INTO_CGROUP"),
};
static const struct strace_name at_flags[] = {
	N(AT_SYMLINK_NOFOLLOW), N(AT_REMOVEDIR),        N(AT_SYMLINK_FOLLOW),  N(AT_NO_AUTOMOUNT),
	N(AT_EMPTY_PATH),       N(AT_STATX_FORCE_SYNC), N(AT_STATX_DONT_SYNC),
};
static const struct strace_name access_modes[] = { N(R_OK), N(W_OK), N(X_OK) };
static const struct strace_name msg_flags[] = {
	N(MSG_OOB),      N(MSG_PEEK),     N(MSG_DONTROUTE),    N(MSG_CTRUNC),
	N(MSG_TRUNC),    N(MSG_DONTWAIT), N(MSG_EOR),          N(MSG_WAITALL),
	N(MSG_NOSIGNAL), N(MSG_MORE),     N(MSG_CMSG_CLOEXEC), N(MSG_ERRQUEUE),
};
static const struct strace_name wait_options[] = {
	N(WNOHANG), N(WUNTRACED),   N(WEXITED), N(WCONTINUED),
	N(WNOWAIT), N(__WNOTHREAD), N(__WALL),  N(__WCLONE),
};
static const struct strace_name flock_ops[] = { N(LOCK_SH), N(LOCK_EX), N(LOCK_NB), N(LOCK_UN) };
static const struct strace_name mremap_flags[] = { N(MREMAP_MAYMOVE), N(MREMAP_FIXED),
						   N(MREMAP_DONTUNMAP) };
static const struct strace_name msync_flags[] = { N(MS_ASYNC), N(MS_INVALIDATE), N(MS_SYNC) };
static const struct strace_name mount_flags_[] = {
	N(MS_RDONLY),  N(MS_NOSUID),  N(MS_NODEV),    N(MS_NOEXEC),      N(MS_SYNCHRONOUS),
	N(MS_REMOUNT), N(MS_DIRSYNC), N(MS_NOATIME),  N(MS_NODIRATIME),  N(MS_BIND),
	N(MS_MOVE),    N(MS_REC),     N(MS_SILENT),   N(MS_UNBINDABLE),  N(MS_PRIVATE),
	N(MS_SLAVE),   N(MS_SHARED),  N(MS_RELATIME), N(MS_STRICTATIME), N(MS_LAZYTIME),
};
static const struct strace_name umount_flags[] = { M(1, "MNT_FORCE"), M(2, "MNT_DETACH"),
						   M(4, "MNT_EXPIRE"), M(8, "UMOUNT_NOFOLLOW") };
static const struct strace_name timer_flags[] = { N(TIMER_ABSTIME) };
static const struct strace_name file_flags[] = { N(O_NONBLOCK), N(O_CLOEXEC), N(O_DIRECT) };
static const struct strace_name eventfd_flags[] = { N(EFD_SEMAPHORE), N(EFD_NONBLOCK),
						    N(EFD_CLOEXEC) };
static const struct strace_name rename_flags[] = { N(RENAME_NOREPLACE), N(RENAME_EXCHANGE),
						   N(RENAME_WHITEOUT) };
static const struct strace_name rwf_flags[] = {
	M(ABI_RWF_HIPRI, "RWF_HIPRI"),       M(ABI_RWF_DSYNC, "RWF_DSYNC"),
	M(ABI_RWF_SYNC, "RWF_SYNC"),         M(ABI_RWF_NOWAIT, "RWF_NOWAIT"),
	M(ABI_RWF_APPEND, "RWF_APPEND"),     M(ABI_RWF_NOAPPEND, "RWF_NOAPPEND"),
	M(ABI_RWF_ATOMIC, "RWF_ATOMIC"),     M(ABI_RWF_DONTCACHE, "RWF_DONTCACHE"),
	M(ABI_RWF_NOSIGNAL, "RWF_NOSIGNAL"),
};
static const struct strace_name memfd_flags[] = { N(MFD_CLOEXEC), N(MFD_ALLOW_SEALING),
						  N(MFD_HUGETLB), N(MFD_NOEXEC_SEAL), N(MFD_EXEC) };
static const struct strace_name splice_flags[] = { N(SPLICE_F_MOVE), N(SPLICE_F_NONBLOCK),
						   N(SPLICE_F_MORE), N(SPLICE_F_GIFT) };
static const struct strace_name close_range_flags[] = {
	M(ABI_CLOSE_RANGE_UNSHARE, "CLOSE_RANGE_UNSHARE"),
	M(ABI_CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"),
};
static const struct strace_name falloc_modes[] = {
	N(FALLOC_FL_KEEP_SIZE),  N(FALLOC_FL_PUNCH_HOLE),   N(FALLOC_FL_COLLAPSE_RANGE),
	N(FALLOC_FL_ZERO_RANGE), N(FALLOC_FL_INSERT_RANGE), N(FALLOC_FL_UNSHARE_RANGE),
};
static const struct strace_name statx_masks[] = {
	N(STATX_BASIC_STATS), N(STATX_TYPE),   N(STATX_MODE),  N(STATX_NLINK),  N(STATX_UID),
	N(STATX_GID),         N(STATX_ATIME),  N(STATX_MTIME), N(STATX_CTIME),  N(STATX_INO),
	N(STATX_SIZE),        N(STATX_BLOCKS), N(STATX_BTIME), N(STATX_MNT_ID), N(STATX_DIOALIGN),
};
static const struct strace_name sa_flags[] = {
	M(ABI_SA_RESTORER, "SA_RESTORER"),   M(ABI_SA_ONSTACK, "SA_ONSTACK"),
	M(ABI_SA_RESTART, "SA_RESTART"),     M(ABI_SA_NODEFER, "SA_NODEFER"),
	M(ABI_SA_RESETHAND, "SA_RESETHAND"), M(ABI_SA_SIGINFO, "SA_SIGINFO"),
	M(ABI_SA_NOCLDSTOP, "SA_NOCLDSTOP"), M(ABI_SA_NOCLDWAIT, "SA_NOCLDWAIT"),
};
static const struct strace_name poll_events[] = {
	N(POLLIN),     N(POLLPRI),    N(POLLOUT),    N(POLLERR),    N(POLLHUP),   N(POLLNVAL),
	N(POLLRDNORM), N(POLLRDBAND), N(POLLWRNORM), N(POLLWRBAND), N(POLLRDHUP),
};
static const struct strace_name epoll_events[] = {
	N(EPOLLIN),     N(EPOLLPRI),       N(EPOLLOUT),    N(EPOLLERR),     N(EPOLLHUP),
	N(EPOLLRDNORM), N(EPOLLRDBAND),    N(EPOLLWRNORM), N(EPOLLWRBAND),  N(EPOLLMSG),
	N(EPOLLRDHUP),  N(EPOLLEXCLUSIVE), N(EPOLLWAKEUP), N(EPOLLONESHOT), N(EPOLLET),
};
static const struct strace_name resolves[] = {
	M(ABI_RESOLVE_NO_XDEV, "RESOLVE_NO_XDEV"),
	M(ABI_RESOLVE_NO_MAGICLINKS, "RESOLVE_NO_MAGICLINKS"),
	M(ABI_RESOLVE_NO_SYMLINKS, "RESOLVE_NO_SYMLINKS"),
	M(ABI_RESOLVE_BENEATH, "RESOLVE_BENEATH"),
	M(ABI_RESOLVE_IN_ROOT, "RESOLVE_IN_ROOT"),
	M(ABI_RESOLVE_CACHED, "RESOLVE_CACHED"),
};

const struct strace_names strace_poll_names = STRACE_NAMES(poll_events);
const struct strace_names strace_epoll_names = STRACE_NAMES(epoll_events);
const struct strace_names strace_sa_names = STRACE_NAMES(sa_flags);
const struct strace_names strace_resolve_names = STRACE_NAMES(resolves);

static const struct strace_names open_flag_names = STRACE_NAMES(open_flags);

/* ---- which table for which kind ---- */

static const struct strace_names value_tables[ARG_KINDS] = {
	[ARG_WHENCE] = STRACE_NAMES(whence),          [ARG_CLOCK] = STRACE_NAMES(clocks),
	[ARG_FCNTL] = STRACE_NAMES(fcntl_cmds),       [ARG_PRCTL] = STRACE_NAMES(prctls),
	[ARG_ARCH_PRCTL] = STRACE_NAMES(arch_prctls), [ARG_RLIMIT] = STRACE_NAMES(rlimits),
	[ARG_FAMILY] = STRACE_NAMES(families),        [ARG_ADVICE] = STRACE_NAMES(madvise_names),
	[ARG_FADVICE] = STRACE_NAMES(fadvise_names),  [ARG_FUTEX_OP] = STRACE_NAMES(futex_ops),
	[ARG_SIG_HOW] = STRACE_NAMES(sig_hows),       [ARG_EPOLL_OP] = STRACE_NAMES(epoll_ops),
	[ARG_ITIMER] = STRACE_NAMES(itimers),         [ARG_SCHED_POLICY] = STRACE_NAMES(policies),
	[ARG_SOCKLEVEL] = STRACE_NAMES(sock_levels),  [ARG_WAIT_TYPE] = STRACE_NAMES(wait_types),
	[ARG_SECCOMP_OP] = STRACE_NAMES(seccomp_ops), [ARG_PTRACE] = STRACE_NAMES(ptrace_requests),
};

static const struct strace_names flag_tables[ARG_KINDS] = {
	[ARG_PROT] = STRACE_NAMES(prots),
	[ARG_MAP_FLAGS] = STRACE_NAMES(map_flags),
	[ARG_CLONE_FLAGS] = STRACE_NAMES(clone_flags),
	[ARG_AT_FLAGS] = STRACE_NAMES(at_flags),
	[ARG_ACCESS] = STRACE_NAMES(access_modes),
	[ARG_MSG_FLAGS] = STRACE_NAMES(msg_flags),
	[ARG_WAIT_OPTIONS] = STRACE_NAMES(wait_options),
	[ARG_FLOCK_OP] = STRACE_NAMES(flock_ops),
	[ARG_MREMAP_FLAGS] = STRACE_NAMES(mremap_flags),
	[ARG_MSYNC_FLAGS] = STRACE_NAMES(msync_flags),
	[ARG_MOUNT_FLAGS] = STRACE_NAMES(mount_flags_),
	[ARG_UMOUNT_FLAGS] = STRACE_NAMES(umount_flags),
	[ARG_TIMER_FLAGS] = STRACE_NAMES(timer_flags),
	[ARG_FILE_FLAGS] = STRACE_NAMES(file_flags),
	[ARG_EVENTFD_FLAGS] = STRACE_NAMES(eventfd_flags),
	[ARG_RENAME_FLAGS] = STRACE_NAMES(rename_flags),
	[ARG_RWF] = STRACE_NAMES(rwf_flags),
	[ARG_MEMFD_FLAGS] = STRACE_NAMES(memfd_flags),
	[ARG_SPLICE_FLAGS] = STRACE_NAMES(splice_flags),
	[ARG_CLOSE_RANGE_FLAGS] = STRACE_NAMES(close_range_flags),
	[ARG_FALLOC_MODE] = STRACE_NAMES(falloc_modes),
	[ARG_STATX_MASK] = STRACE_NAMES(statx_masks),
};

const struct strace_names *strace_kind_names(unsigned kind, bool *is_flags)
{
	*is_flags = flag_tables[kind].count > 0;
	if (*is_flags)
		return &flag_tables[kind];
	return value_tables[kind].count ? &value_tables[kind] : NULL;
}

/* ---- printing ---- */

void strace_value(struct strace_line *l, uint64_t val, const struct strace_names *names,
		  const char *number_format)
{
	for (unsigned i = 0; i < names->count; i++) {
		if (names->names[i].val == val) {
			strace_puts(l, names->names[i].name);
			return;
		}
	}
	if (strcmp(number_format, "%d") == 0)
		strace_printf(l, "%lld", (long long)val);
	else
		strace_printf(l, "%#llx", (unsigned long long)val);
}

static bool print_flag_names(struct strace_line *l, uint64_t *val, const struct strace_names *names,
			     bool any)
{
	for (unsigned i = 0; i < names->count; i++) {
		uint64_t bits = names->names[i].val;

		if (!bits || (*val & bits) != bits)
			continue;
		strace_printf(l, "%s%s", any ? "|" : "", names->names[i].name);
		*val &= ~bits;
		any = true;
	}
	return any;
}

void strace_flags(struct strace_line *l, uint64_t val, const struct strace_names *names)
{
	bool any = print_flag_names(l, &val, names, false);

	if (val)
		strace_printf(l, "%s%#llx", any ? "|" : "", (unsigned long long)val);
	else if (!any)
		strace_puts(l, "0");
}

void strace_open_flags(struct strace_line *l, uint64_t flags)
{
	static const char *const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE" };
	uint64_t rest = (uint32_t)flags & ~(uint64_t)O_ACCMODE;

	strace_puts(l, modes[flags & O_ACCMODE]);
	(void)print_flag_names(l, &rest, &open_flag_names, true);
	if (rest)
		strace_printf(l, "|%#llx", (unsigned long long)rest);
}

void strace_mode(struct strace_line *l, uint32_t mode)
{
	static const struct strace_name types[] = { N(S_IFREG), N(S_IFDIR), N(S_IFLNK), N(S_IFCHR),
						    N(S_IFBLK), N(S_IFIFO), N(S_IFSOCK) };
	static const struct strace_names names = STRACE_NAMES(types);

	strace_value(l, mode & S_IFMT, &names, "%#x");
	strace_printf(l, "|%#03o", mode & 07777);
}

void strace_signal_name(struct strace_line *l, int signo)
{
	const char *name = signo > 0 && signo < 32 ? sigabbrev_np(signo) : NULL;

	if (name)
		strace_printf(l, "SIG%s", name);
	else if (signo >= 32 && signo <= ABI_NSIG)
		strace_printf(l, "SIGRT_%d", signo - 32);
	else
		strace_printf(l, "%d", signo);
}

struct code_name {
	int signo; /* 0: any */
	int code;
	const char *name;
};

const char *strace_signal_code(int signo, int code)
{
#define C(s, c)          \
	{                \
		s, c, #c \
	}
	static const struct code_name names[] = {
		C(0, SI_USER),           C(0, SI_KERNEL),
		C(0, SI_QUEUE),          C(0, SI_TIMER),
		C(0, SI_MESGQ),          C(0, SI_ASYNCIO),
		C(0, SI_SIGIO),          C(0, SI_TKILL),
		C(SIGCHLD, CLD_EXITED),  C(SIGCHLD, CLD_KILLED),
		C(SIGCHLD, CLD_DUMPED),  C(SIGCHLD, CLD_TRAPPED),
		C(SIGCHLD, CLD_STOPPED), C(SIGCHLD, CLD_CONTINUED),
		C(SIGSEGV, SEGV_MAPERR), C(SIGSEGV, SEGV_ACCERR),
		C(SIGBUS, BUS_ADRALN),   C(SIGBUS, BUS_ADRERR),
		C(SIGBUS, BUS_OBJERR),   C(SIGFPE, FPE_INTDIV),
		C(SIGFPE, FPE_INTOVF),   C(SIGFPE, FPE_FLTDIV),
		C(SIGFPE, FPE_FLTINV),   C(SIGILL, ILL_ILLOPC),
		C(SIGILL, ILL_ILLOPN),   C(SIGILL, ILL_PRVOPC),
		C(SIGTRAP, TRAP_BRKPT),  C(SIGTRAP, TRAP_TRACE),
	};
#undef C

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if ((!names[i].signo || names[i].signo == signo) && names[i].code == code)
			return names[i].name;
	}
	return NULL;
}
