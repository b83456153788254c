/*
 * ptrace(2): the requests. Who may trace whom and what a stop is, is in task/; here a
 * request is decoded, and the stopped tracee's registers and memory are moved.
 *
 * PTRACE_PEEK* store the word at `data`, as the system call does (the C library's
 * function returns it).
 */
#include "abi/errno.h"
#include "abi/prctl.h"
#include "abi/ptrace.h"
#include "abi/signal.h"
#include "syscall/families.h"
#include "syscall/peer.h"
#include "syscall/ptrace.h"
#include "task/ptrace.h"

#define GUEST_TOP ((uint64_t)1 << 47)

struct request {
	struct task *t, *tracee;
	int nr;
	uint64_t addr, data;
};

/* ---- memory ---- */

static long move_word(const struct request *q, uint64_t *word, bool is_write)
{
	struct mm *mm = task_mm_get(q->tracee);
	ssize_t n = 0;

	if (mm && is_write)
		n = mm_write_partial(mm, q->addr, word, sizeof(*word), true);
	else if (mm)
		n = mm_read_partial(mm, word, q->addr, sizeof(*word), true);
	mm_put(mm);
	return n == (ssize_t)sizeof(*word) ? 0 : -EIO;
}

static long peek_text(const struct request *q)
{
	uint64_t word;
	long r = move_word(q, &word, false);

	return r < 0 ? r : syscall_copy_out(q->t, q->data, &word, sizeof(word));
}

static long poke_text(const struct request *q)
{
	uint64_t word = q->data;

	return move_word(q, &word, true);
}

/* ---- registers ---- */

static long peek_user(const struct request *q)
{
	uint64_t val;
	long r = ptrace_peek_user(q->tracee, q->addr, &val);

	return r < 0 ? r : syscall_copy_out(q->t, q->data, &val, sizeof(val));
}

static long set_base(uint64_t *base, uint64_t val)
{
	if (val >= GUEST_TOP)
		return -EPERM;
	*base = val;
	return 0;
}

/* As arch_prctl(2), of the tracee; the arguments are the other way round. */
static long arch_prctl_of(const struct request *q)
{
	struct guest_regs *r = &q->tracee->regs;

	switch ((int)q->data) {
	case ABI_ARCH_SET_FS:
		return set_base(&r->fs_base, q->addr);
	case ABI_ARCH_SET_GS:
		return set_base(&r->gs_base, q->addr);
	case ABI_ARCH_GET_FS:
		return syscall_copy_out(q->t, q->addr, &r->fs_base, sizeof(r->fs_base));
	case ABI_ARCH_GET_GS:
		return syscall_copy_out(q->t, q->addr, &r->gs_base, sizeof(r->gs_base));
	default:
		return -EINVAL;
	}
}

/* ---- signals ---- */

static long get_siginfo(const struct request *q)
{
	uint8_t raw[ABI_SIGINFO_SIZE];
	struct ksiginfo info;
	long r = ptrace_get_siginfo(q->tracee, &info);

	if (r < 0)
		return r;
	siginfo_to_user(&info, raw);
	return syscall_copy_out(q->t, q->data, raw, sizeof(raw));
}

static long set_siginfo(const struct request *q)
{
	uint8_t raw[ABI_SIGINFO_SIZE];
	struct ksiginfo info;

	if (syscall_copy_in(q->t, raw, q->data, sizeof(raw)) < 0)
		return -EFAULT;
	siginfo_from_user(raw, &info);
	return ptrace_set_siginfo(q->tracee, &info);
}

static long get_sigmask(const struct request *q)
{
	sigmask_t mask = ptrace_get_sigmask(q->tracee);

	if (q->addr != ABI_SIGSET_SIZE)
		return -EINVAL;
	return syscall_copy_out(q->t, q->data, &mask, sizeof(mask));
}

static long set_sigmask(const struct request *q)
{
	sigmask_t mask;

	if (q->addr != ABI_SIGSET_SIZE)
		return -EINVAL;
	if (syscall_copy_in(q->t, &mask, q->data, sizeof(mask)) < 0)
		return -EFAULT;
	ptrace_set_sigmask(q->tracee, mask);
	return 0;
}

static long kill_tracee(const struct request *q)
{
	struct ksiginfo info = { .signo = SIGKILL, .code = SI_USER, .pid = q->t->group->own_pid };

	info.uid = task_uid(q->t);
	(void)signal_send(q->tracee, &info, 0);
	return 0;
}

/* ---- going on, options ---- */

static long go_on(const struct request *q, unsigned work)
{
	if (q->data > NSIGNALS)
		return -EIO;
	ptrace_resume(q->tracee, work, (int)q->data);
	return 0;
}

static long detach(const struct request *q)
{
	if (q->data > NSIGNALS)
		return -EIO;
	ptrace_detach(q->tracee, (int)q->data);
	return 0;
}

/* Nobody here freezes a process with its seccomp filters off (no CRIU). */
static long check_options(uint64_t options)
{
	if (options & ~(uint64_t)ABI_PTRACE_O_MASK || options & ABI_PTRACE_O_SUSPEND_SECCOMP)
		return -EINVAL;
	return 0;
}

static long set_options(const struct request *q)
{
	long r = check_options(q->data);

	if (r == 0)
		ptrace_set_options(q->tracee, (unsigned)q->data);
	return r;
}

static long get_message(const struct request *q)
{
	uint64_t message = q->tracee->ptrace.message;

	return syscall_copy_out(q->t, q->data, &message, sizeof(message));
}

/* ---- the requests ---- */

static long do_stopped(const struct request *q)
{
	struct task *t = q->t, *tracee = q->tracee;

	switch (q->nr) {
	case ABI_PTRACE_PEEKTEXT:
	case ABI_PTRACE_PEEKDATA:
		return peek_text(q);
	case ABI_PTRACE_POKETEXT:
	case ABI_PTRACE_POKEDATA:
		return poke_text(q);
	case ABI_PTRACE_PEEKUSR:
		return peek_user(q);
	case ABI_PTRACE_POKEUSR:
		return ptrace_poke_user(tracee, q->addr, q->data);
	case ABI_PTRACE_GETREGS:
		return ptrace_get_set(t, tracee, ABI_NT_PRSTATUS, q->data);
	case ABI_PTRACE_SETREGS:
		return ptrace_set_set(t, tracee, ABI_NT_PRSTATUS, q->data);
	case ABI_PTRACE_GETFPREGS:
		return ptrace_get_set(t, tracee, ABI_NT_PRFPREG, q->data);
	case ABI_PTRACE_SETFPREGS:
		return ptrace_set_set(t, tracee, ABI_NT_PRFPREG, q->data);
	case ABI_PTRACE_GETREGSET:
		return ptrace_regset(t, tracee, (unsigned)q->addr, q->data, false);
	case ABI_PTRACE_SETREGSET:
		return ptrace_regset(t, tracee, (unsigned)q->addr, q->data, true);
	case ABI_PTRACE_ARCH_PRCTL:
		return arch_prctl_of(q);
	case ABI_PTRACE_CONT:
		return go_on(q, 0);
	case ABI_PTRACE_SYSCALL:
		return go_on(q, TRACE_CALLS);
	case ABI_PTRACE_SYSEMU:
		return go_on(q, TRACE_EMULATE);
	case ABI_PTRACE_SINGLESTEP:
		return go_on(q, TRACE_STEP);
	case ABI_PTRACE_SYSEMU_SINGLESTEP:
		return go_on(q, TRACE_EMULATE | TRACE_STEP);
	case ABI_PTRACE_DETACH:
		return detach(q);
	case ABI_PTRACE_SETOPTIONS:
	case ABI_PTRACE_OLDSETOPTIONS:
		return set_options(q);
	case ABI_PTRACE_GETEVENTMSG:
		return get_message(q);
	case ABI_PTRACE_GETSIGINFO:
		return get_siginfo(q);
	case ABI_PTRACE_SETSIGINFO:
		return set_siginfo(q);
	case ABI_PTRACE_PEEKSIGINFO:
		return ptrace_peek_siginfos(t, tracee, q->addr, q->data);
	case ABI_PTRACE_GETSIGMASK:
		return get_sigmask(q);
	case ABI_PTRACE_SETSIGMASK:
		return set_sigmask(q);
	case ABI_PTRACE_GET_SYSCALL_INFO:
		return ptrace_get_syscall_info(t, tracee, q->addr, q->data);
	case ABI_PTRACE_SET_SYSCALL_INFO:
		return ptrace_set_syscall_info(t, tracee, q->addr, q->data);
	case ABI_PTRACE_LISTEN:
		return ptrace_listen(tracee);
	default:
		return -EIO;
	}
}

static long do_request(const struct request *q)
{
	bool any_state = q->nr == ABI_PTRACE_KILL || q->nr == ABI_PTRACE_INTERRUPT;
	long r = ptrace_freeze(q->t, q->tracee, any_state);

	if (r < 0)
		return r;
	if (q->nr == ABI_PTRACE_KILL)
		return kill_tracee(q);
	if (q->nr == ABI_PTRACE_INTERRUPT)
		return ptrace_interrupt(q->tracee);
	r = do_stopped(q);
	/* One that is detached may be somebody else's by now. */
	if (r < 0 || q->nr != ABI_PTRACE_DETACH)
		ptrace_unfreeze(q->tracee);
	return r;
}

static long attach(const struct request *q)
{
	unsigned flags = PT_PTRACED;
	long r;

	if (q->nr == ABI_PTRACE_SEIZE) {
		if (q->addr || q->data & ~(uint64_t)ABI_PTRACE_O_MASK)
			return -EIO;
		r = check_options(q->data);
		if (r < 0)
			return r;
		flags |= PT_SEIZED | (unsigned)q->data << PT_OPTIONS_SHIFT;
	}
	r = peer_may_access(q->t, q->tracee);
	return r < 0 ? r : ptrace_attach(q->t, q->tracee, flags);
}

SYSCALL(ptrace)
{
	struct request q = { .t = t, .nr = (int)args->a[0], .addr = args->a[2], .data = args->a[3] };
	int32_t tid = (int32_t)args->a[1];
	bool is_attach;
	long r;

	if (q.nr == ABI_PTRACE_TRACEME)
		return ptrace_traceme(t);
	is_attach = q.nr == ABI_PTRACE_ATTACH || q.nr == ABI_PTRACE_SEIZE;
	q.tracee = tid > 0 ? task_find(t, tid) : NULL;
	if (!q.tracee)
		return is_attach && tid == t->kernel->init->pid ? -EPERM : -ESRCH;
	r = is_attach ? attach(&q) : do_request(&q);
	task_put(q.tracee);
	return r;
}
