/* The structures that calls pass, as strace shows them. Each printer reads its
 * structure from guest memory; a bad address is printed as such. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "abi/fcntl.h"
#include "abi/resource.h"
#include "abi/sched.h"
#include "abi/signal.h"
#include "abi/stat.h"
#include "abi/time.h"
#include "abi/utsname.h"
#include "abi/wait.h"
#include "syscall/strace_internal.h"

#define SHOWN_ITEMS 32

bool strace_get(struct strace_line *l, const struct strace_call *c, gva_t addr, void *out,
		size_t size)
{
	if (mm_copy_in(c->t->mm, out, addr, size) == 0)
		return true;
	strace_pointer(l, addr);
	return false;
}

/* ---- signals ---- */

void strace_sigset(struct strace_line *l, uint64_t set)
{
	bool is_inverted = __builtin_popcountll(set) > 32;
	const char *sep = "";

	if (is_inverted)
		set = ~set;
	strace_puts(l, is_inverted ? "~[" : "[");
	for (int signo = 1; signo <= ABI_NSIG; signo++) {
		const char *name = signo < 32 ? sigabbrev_np(signo) : NULL;

		if (!(set >> (signo - 1) & 1))
			continue;
		if (name)
			strace_printf(l, "%s%s", sep, name);
		else
			strace_printf(l, "%sRT_%d", sep, signo - 32);
		sep = " ";
	}
	strace_puts(l, "]");
}

static void arg_sigset(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	uint64_t set;

	if (strace_get(l, c, c->args->a[i], &set, sizeof(set)))
		strace_sigset(l, set);
}

static void arg_sigaction(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_sigaction sa;

	if (!strace_get(l, c, c->args->a[i], &sa, sizeof(sa)))
		return;
	strace_puts(l, "{sa_handler=");
	if (sa.handler == ABI_SIG_DFL)
		strace_puts(l, "SIG_DFL");
	else if (sa.handler == ABI_SIG_IGN)
		strace_puts(l, "SIG_IGN");
	else
		strace_pointer(l, sa.handler);
	strace_puts(l, ", sa_mask=");
	strace_sigset(l, sa.mask);
	strace_puts(l, ", sa_flags=");
	strace_flags(l, sa.flags, &strace_sa_names);
	if (sa.flags & ABI_SA_RESTORER)
		strace_printf(l, ", sa_restorer=%#llx", (unsigned long long)sa.restorer);
	strace_puts(l, "}");
}

static void arg_sigevent(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_sigevent ev;

	if (!strace_get(l, c, c->args->a[i], &ev, sizeof(ev)))
		return;
	strace_puts(l, "{sigev_signo=");
	strace_signal_name(l, ev.signo);
	strace_printf(l, ", sigev_notify=%d}", ev.notify);
}

/* ---- time ---- */

void strace_timespec(struct strace_line *l, const struct abi_timespec *ts)
{
	if (ts->nsec == ABI_UTIME_NOW)
		strace_puts(l, "UTIME_NOW");
	else if (ts->nsec == ABI_UTIME_OMIT)
		strace_puts(l, "UTIME_OMIT");
	else
		strace_printf(l, "{tv_sec=%lld, tv_nsec=%lld}", (long long)ts->sec,
			      (long long)ts->nsec);
}

static void print_timeval(struct strace_line *l, const struct abi_timeval *tv)
{
	strace_printf(l, "{tv_sec=%lld, tv_usec=%lld}", (long long)tv->sec, (long long)tv->usec);
}

static void arg_timespec(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_timespec ts;

	if (strace_get(l, c, c->args->a[i], &ts, sizeof(ts)))
		strace_timespec(l, &ts);
}

static void arg_timespecs(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_timespec ts[2];

	if (!strace_get(l, c, c->args->a[i], ts, sizeof(ts)))
		return;
	strace_puts(l, "[");
	strace_timespec(l, &ts[0]);
	strace_puts(l, ", ");
	strace_timespec(l, &ts[1]);
	strace_puts(l, "]");
}

static void arg_timeval(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_timeval tv;

	if (strace_get(l, c, c->args->a[i], &tv, sizeof(tv)))
		print_timeval(l, &tv);
}

static void arg_timevals(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_timeval tv[2];

	if (!strace_get(l, c, c->args->a[i], tv, sizeof(tv)))
		return;
	strace_puts(l, "[");
	print_timeval(l, &tv[0]);
	strace_puts(l, ", ");
	print_timeval(l, &tv[1]);
	strace_puts(l, "]");
}

static void arg_itimerspec(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_itimerspec its;

	if (!strace_get(l, c, c->args->a[i], &its, sizeof(its)))
		return;
	strace_puts(l, "{it_interval=");
	strace_timespec(l, &its.interval);
	strace_puts(l, ", it_value=");
	strace_timespec(l, &its.value);
	strace_puts(l, "}");
}

static void arg_itimerval(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_itimerval itv;

	if (!strace_get(l, c, c->args->a[i], &itv, sizeof(itv)))
		return;
	strace_puts(l, "{it_interval=");
	print_timeval(l, &itv.interval);
	strace_puts(l, ", it_value=");
	print_timeval(l, &itv.value);
	strace_puts(l, "}");
}

/* ---- files ---- */

static void arg_stat(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_stat st;

	if (!strace_get(l, c, c->args->a[i], &st, sizeof(st)))
		return;
	strace_puts(l, "{st_mode=");
	strace_mode(l, st.mode);
	if (S_ISCHR(st.mode) || S_ISBLK(st.mode))
		strace_printf(l, ", st_rdev=makedev(%#x, %#x)", major(st.rdev), minor(st.rdev));
	else
		strace_printf(l, ", st_size=%lld", (long long)st.size);
	strace_puts(l, ", ...}");
}

static void arg_statx(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	bool is_flags;
	struct abi_statx st;

	if (!strace_get(l, c, c->args->a[i], &st, sizeof(st)))
		return;
	strace_puts(l, "{stx_mask=");
	strace_flags(l, st.mask, strace_kind_names(ARG_STATX_MASK, &is_flags));
	strace_puts(l, ", stx_mode=");
	strace_mode(l, st.mode);
	strace_printf(l, ", stx_size=%llu, ...}", (unsigned long long)st.size);
}

static void arg_statfs(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_statfs st;

	if (strace_get(l, c, c->args->a[i], &st, sizeof(st)))
		strace_printf(l, "{f_type=%#llx, f_bsize=%lld, f_blocks=%llu, f_bfree=%llu, ...}",
			      (unsigned long long)st.type, (long long)st.bsize,
			      (unsigned long long)st.blocks, (unsigned long long)st.bfree);
}

static void arg_open_how(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_open_how how;

	if (!strace_get(l, c, c->args->a[i], &how, sizeof(how)))
		return;
	strace_puts(l, "{flags=");
	strace_open_flags(l, how.flags);
	if (how.mode)
		strace_printf(l, ", mode=%#llo", (unsigned long long)how.mode);
	strace_puts(l, ", resolve=");
	strace_flags(l, how.resolve, &strace_resolve_names);
	strace_puts(l, "}");
}

/* How many records lie in the bytes that the call returned. */
static void arg_dirents(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	uint64_t addr = c->args->a[i], end = addr + (uint64_t)c->ret;
	unsigned n = 0;
	uint16_t reclen;

	for (; addr < end; addr += reclen, n++) {
		if (mm_copy_in(c->t->mm, &reclen, addr + 16, sizeof(reclen)) < 0 || !reclen)
			break;
	}
	strace_printf(l, "%#llx /* %u entries */", (unsigned long long)c->args->a[i], n);
}

static void arg_fd_pair(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	int fds[2];

	if (strace_get(l, c, c->args->a[i], fds, sizeof(fds)))
		strace_printf(l, "[%d, %d]", fds[0], fds[1]);
}

static void arg_int(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	int v;

	if (strace_get(l, c, c->args->a[i], &v, sizeof(v)))
		strace_printf(l, "[%d]", v);
}

/* ---- polling ---- */

static void print_poll(struct strace_line *l, const struct strace_call *c, unsigned i, bool results)
{
	uint64_t count = (unsigned)c->args->a[i + 1], addr = c->args->a[i];
	struct abi_pollfd pfd;
	const char *sep = "";

	strace_puts(l, "[");
	for (uint64_t n = 0; n < count && n < SHOWN_ITEMS; n++) {
		if (mm_copy_in(c->t->mm, &pfd, addr + n * sizeof(pfd), sizeof(pfd)) < 0)
			break;
		if (results && !pfd.revents)
			continue;
		strace_printf(l, "%s{fd=%d, %s=", sep, pfd.fd, results ? "revents" : "events");
		strace_flags(l, (uint16_t)(results ? pfd.revents : pfd.events), &strace_poll_names);
		strace_puts(l, "}");
		sep = ", ";
	}
	strace_puts(l, count > SHOWN_ITEMS ? ", ...]" : "]");
}

static void arg_pollfds(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	print_poll(l, c, i, false);
}

void strace_poll_result(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	strace_puts(l, " (");
	print_poll(l, c, i, true);
	strace_puts(l, ")");
}

static void arg_fdset(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	unsigned count = MIN((unsigned)c->args->a[0], 1024u);
	uint64_t bits[16] = { 0 };
	const char *sep = "";

	if (!strace_get(l, c, c->args->a[i], bits, (count + 63) / 64 * 8))
		return;
	strace_puts(l, "[");
	for (unsigned fd = 0; fd < count; fd++) {
		if (!(bits[fd / 64] >> (fd % 64) & 1))
			continue;
		strace_printf(l, "%s%u", sep, fd);
		sep = " ";
	}
	strace_puts(l, "]");
}

static void print_epoll(struct strace_line *l, const struct abi_epoll_event *ev)
{
	strace_puts(l, "{events=");
	strace_flags(l, ev->events, &strace_epoll_names);
	strace_printf(l, ", data={u32=%u, u64=%llu}}", (uint32_t)ev->data,
		      (unsigned long long)ev->data);
}

static void arg_epoll_event(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_epoll_event ev;

	if (strace_get(l, c, c->args->a[i], &ev, sizeof(ev)))
		print_epoll(l, &ev);
}

static void arg_epoll_out(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_epoll_event ev;

	strace_puts(l, "[");
	for (long n = 0; n < c->ret && n < SHOWN_ITEMS; n++) {
		if (mm_copy_in(c->t->mm, &ev, c->args->a[i] + (uint64_t)n * sizeof(ev),
			       sizeof(ev)) < 0)
			break;
		if (n)
			strace_puts(l, ", ");
		print_epoll(l, &ev);
	}
	strace_puts(l, "]");
}

/* ---- processes ---- */

static void arg_wait_status(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	int status;

	if (!c->ret || !strace_get(l, c, c->args->a[i], &status, sizeof(status))) {
		if (!c->ret)
			strace_pointer(l, c->args->a[i]);
		return;
	}
	if (WIFEXITED(status)) {
		strace_printf(l, "[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", WEXITSTATUS(status));
	} else if (WIFSIGNALED(status)) {
		strace_puts(l, "[{WIFSIGNALED(s) && WTERMSIG(s) == ");
		strace_signal_name(l, WTERMSIG(status));
		strace_puts(l, WCOREDUMP(status) ? " && WCOREDUMP(s)}]" : "}]");
	} else if (WIFSTOPPED(status)) {
		strace_puts(l, "[{WIFSTOPPED(s) && WSTOPSIG(s) == ");
		strace_signal_name(l, WSTOPSIG(status));
		strace_puts(l, "}]");
	} else {
		strace_puts(l, "[{WIFCONTINUED(s)}]");
	}
}

static void arg_clone_args(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_clone_args ca = { 0 };
	size_t size = MIN(c->args->a[i + 1], (uint64_t)sizeof(ca));
	bool is_flags;

	if (!strace_get(l, c, c->args->a[i], &ca, size))
		return;
	strace_puts(l, "{flags=");
	strace_flags(l, ca.flags, strace_kind_names(ARG_CLONE_FLAGS, &is_flags));
	strace_puts(l, ", exit_signal=");
	strace_signal_name(l, (int)ca.exit_signal);
	strace_puts(l, ", stack=");
	strace_pointer(l, ca.stack);
	strace_printf(l, ", stack_size=%#llx", (unsigned long long)ca.stack_size);
	if (ca.tls)
		strace_printf(l, ", tls=%#llx", (unsigned long long)ca.tls);
	strace_puts(l, "}");
}

static void arg_utsname(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	char fields[2][65];

	if (strace_get(l, c, c->args->a[i], fields, sizeof(fields)))
		strace_printf(l, "{sysname=\"%.64s\", nodename=\"%.64s\", ...}", fields[0],
			      fields[1]);
}

static void print_limit(struct strace_line *l, uint64_t v)
{
	if (v == ABI_RLIM_INFINITY)
		strace_puts(l, "RLIM64_INFINITY");
	else if (v && v % 1024 == 0)
		strace_printf(l, "%llu*1024", (unsigned long long)v / 1024);
	else
		strace_printf(l, "%llu", (unsigned long long)v);
}

static void arg_rlimit(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_rlimit lim;

	if (!strace_get(l, c, c->args->a[i], &lim, sizeof(lim)))
		return;
	strace_puts(l, "{rlim_cur=");
	print_limit(l, lim.cur);
	strace_puts(l, ", rlim_max=");
	print_limit(l, lim.max);
	strace_puts(l, "}");
}

const strace_struct_fn strace_structs[ARG_KINDS] = {
	[ARG_SIGSET] = arg_sigset,
	[ARG_SIGSET_OUT] = arg_sigset,
	[ARG_SIGACTION] = arg_sigaction,
	[ARG_SIGACTION_OUT] = arg_sigaction,
	[ARG_SIGEVENT] = arg_sigevent,
	[ARG_TIMESPEC] = arg_timespec,
	[ARG_TIMESPEC_OUT] = arg_timespec,
	[ARG_TIMESPECS] = arg_timespecs,
	[ARG_TIMEVAL] = arg_timeval,
	[ARG_TIMEVAL_OUT] = arg_timeval,
	[ARG_TIMEVALS] = arg_timevals,
	[ARG_ITIMERSPEC] = arg_itimerspec,
	[ARG_ITIMERSPEC_OUT] = arg_itimerspec,
	[ARG_ITIMERVAL] = arg_itimerval,
	[ARG_ITIMERVAL_OUT] = arg_itimerval,
	[ARG_STAT] = arg_stat,
	[ARG_STATX] = arg_statx,
	[ARG_STATFS] = arg_statfs,
	[ARG_OPEN_HOW] = arg_open_how,
	[ARG_DIRENTS] = arg_dirents,
	[ARG_PIPE_FDS] = arg_fd_pair,
	[ARG_INT_OUT] = arg_int,
	[ARG_POLLFDS] = arg_pollfds,
	[ARG_FDSET] = arg_fdset,
	[ARG_EPOLL_EVENT] = arg_epoll_event,
	[ARG_EPOLL_OUT] = arg_epoll_out,
	[ARG_WAIT_STATUS] = arg_wait_status,
	[ARG_CLONE_ARGS] = arg_clone_args,
	[ARG_UTSNAME] = arg_utsname,
	[ARG_RLIMIT_IN] = arg_rlimit,
	[ARG_RLIMIT_OUT] = arg_rlimit,
	[ARG_SOCKADDR] = strace_sockaddr,
	[ARG_SOCKADDR_OUT] = strace_sockaddr_out,
	[ARG_MSGHDR] = strace_msghdr,
	[ARG_MSGHDR_OUT] = strace_msghdr,
	[ARG_URING_PARAMS] = strace_uring_params,
	[ARG_URING_WAIT] = strace_uring_wait,
	[ARG_URING_RSRC] = strace_uring_rsrc,
};
