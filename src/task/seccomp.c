/*
 * Filters: how they come to a task, and what they make of a call.
 *
 * A filter is made (filter_create), then attached. Attaching is what can go wrong
 * last, under sighand.lock: the mode, a second listener, a thread that cannot follow,
 * too long a chain.
 *
 * allowed[]: run with nothing but the number and the architecture to look at, a program
 * either comes to its answer, which then is the answer for every such call, or wants to
 * see more and ends with 0, which is to kill. So what it allows that way it always
 * allows, and need not be run for; what all filters of a chain always allow is kept with
 * the youngest.
 */
#include "task/seccomp.h"

#include "abi/ptrace.h"
#include "abi/syscall_nr.h"
#include "base/bpf.h"
#include "base/kmem.h"
#include "base/log.h"
#include "base/pool.h"
#include "task/ptrace.h"
#include "task/seccomp_filter.h"

#ifndef CAP_SYS_ADMIN
#define CAP_SYS_ADMIN 21
#endif

/* Linux: MAX_INSNS_PER_PATH, and what each older filter counts besides its own. */
#define CHAIN_COST_MAX 32768u
#define CHAIN_COST_LINK 4u
#define ERRNO_MAX 4095u

static POOL_DEFINE(seccomp_filter_pool, struct seccomp_filter);

/* ---- references ---- */

static void filter_destroy(struct seccomp_filter *f)
{
	seccomp_listener_destroy(f->listener);
	kmem_free_for(KMEM_FILTERS, f->prog);
	pool_free(&seccomp_filter_pool, f);
}

void seccomp_filter_put(struct seccomp_filter *f)
{
	while (f && refcount_put(&f->refs)) {
		struct seccomp_filter *prev = f->prev;

		filter_destroy(f);
		f = prev;
	}
}

static struct seccomp_filter *filter_get_user(struct seccomp_filter *f)
{
	if (f) {
		refcount_get(&f->refs);
		atomic_fetch_add(&f->users, 1);
	}
	return f;
}

static void filter_put_user(struct seccomp_filter *f)
{
	for (struct seccomp_filter *u = f; u && atomic_fetch_sub(&u->users, 1) == 1; u = u->prev)
		seccomp_listener_hup(u);
	seccomp_filter_put(f);
}

/* ---- programs ---- */

/* The words of struct seccomp_data, in the machine's order. */
static bool load_call(const struct bpf_view *v, uint32_t off, unsigned size, uint32_t *val)
{
	ASSERT(size == 4 && off % 4 == 0 && off < v->size);
	*val = ((const uint32_t *)v->data)[off / 4];
	return true;
}

/* The same where only the number and the architecture are known. */
static bool load_number(const struct bpf_view *v, uint32_t off, unsigned size, uint32_t *val)
{
	return off <= offsetof(struct seccomp_data, arch) && load_call(v, off, size, val);
}

static uint32_t filter_run(const struct seccomp_filter *f, const struct seccomp_data *sd)
{
	const struct bpf_view v = { sd, sizeof(*sd), load_call };

	return bpf_run(f->prog, &v);
}

/* What seccomp has not of BPF: loads but of aligned words, and remainders. */
static bool is_for_seccomp(const struct sock_filter *prog, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		switch (prog[i].code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (prog[i].k >= sizeof(struct seccomp_data) || prog[i].k % 4)
				return false;
			break;
		case BPF_LD | BPF_H | BPF_ABS:
		case BPF_LD | BPF_B | BPF_ABS:
		case BPF_LD | BPF_W | BPF_IND:
		case BPF_LD | BPF_H | BPF_IND:
		case BPF_LD | BPF_B | BPF_IND:
		case BPF_LDX | BPF_B | BPF_MSH:
		case BPF_ALU | BPF_MOD | BPF_K:
		case BPF_ALU | BPF_MOD | BPF_X:
			return false;
		}
	}
	return true;
}

static void find_allowed(struct seccomp_filter *f)
{
	struct seccomp_data sd = { .arch = AUDIT_ARCH_X86_64 };
	const struct bpf_view v = { &sd, sizeof(sd), load_number };

	for (int nr = 0; nr < SECCOMP_CACHED; nr++) {
		sd.nr = nr;
		if (bpf_run(f->prog, &v) == SECCOMP_RET_ALLOW)
			bitmap_set(f->allowed, (size_t)nr);
	}
}

static int filter_load(struct task *t, struct seccomp_filter *f, const struct abi_sock_fprog *fprog)
{
	size_t size = fprog->len * sizeof(struct sock_filter);

	if (!fprog->filter)
		return -EINVAL;
	f->prog = kmem_alloc_for(KMEM_FILTERS, size);
	if (!f->prog)
		return -ENOMEM;
	if (mm_copy_in(t->mm, f->prog, fprog->filter, size) < 0)
		return -EFAULT;
	if (!bpf_is_valid(f->prog, fprog->len) || !is_for_seccomp(f->prog, fprog->len))
		return -EINVAL;
	f->cost = bpf_converted_count(f->prog, fprog->len);
	find_allowed(f);
	return 0;
}

/* With one user: who will attach it. */
static int filter_create(struct task *t, uint64_t user, struct seccomp_filter **out)
{
	struct abi_sock_fprog fprog;
	struct seccomp_filter *f;
	int r;

	if (mm_copy_in(t->mm, &fprog, user, sizeof(fprog)) < 0)
		return -EFAULT;
	if (fprog.len == 0 || fprog.len > BPF_PROGRAM_MAX)
		return -EINVAL;
	/* Else a program with set-user-ID could be made to believe anything. */
	if (!t->no_new_privs && !cred_has_cap(t->cred, CAP_SYS_ADMIN))
		return -EACCES;
	f = pool_alloc(&seccomp_filter_pool);
	if (!f)
		return -ENOMEM;
	refcount_init(&f->refs, 1);
	atomic_store(&f->users, 1);
	r = filter_load(t, f, &fprog);
	if (r < 0) {
		filter_destroy(f);
		return r;
	}
	*out = f;
	return 0;
}

/* ---- attaching ---- */

static void set_locked(struct task *t, struct seccomp_filter *f, unsigned count)
{
	atomic_store(&t->seccomp.filter, f);
	atomic_store(&t->seccomp.count, count);
	atomic_store(&t->seccomp.mode, SECCOMP_MODE_FILTER);
	atomic_fetch_or(&t->call_work, CALL_WORK_SECCOMP);
}

/* Is a filter of the chain f, which may be empty? */
static bool chain_contains(const struct seccomp_filter *chain, const struct seccomp_filter *f)
{
	while (f && chain && chain != f)
		chain = chain->prev;
	return chain == f || !f;
}

static bool can_follow(struct task *other, const struct seccomp_filter *chain)
{
	switch (atomic_load(&other->seccomp.mode)) {
	case SECCOMP_MODE_DISABLED:
		return true;
	case SECCOMP_MODE_FILTER:
		return chain_contains(chain, atomic_load(&other->seccomp.filter));
	default:
		return false;
	}
}

/* The number of a thread that has filters which the caller has not; 0: none. */
static int32_t find_stray_locked(struct task *t)
{
	const struct seccomp_filter *chain = atomic_load(&t->seccomp.filter);

	list_for_each(other, &t->group->tasks, struct task, group_link) {
		if (other != t && !other->leaving && !can_follow(other, chain))
			return other->tid;
	}
	return 0;
}

static void sync_threads_locked(struct task *t)
{
	struct seccomp_filter *chain = atomic_load(&t->seccomp.filter), *old;

	list_for_each(other, &t->group->tasks, struct task, group_link) {
		if (other == t || other->leaving)
			continue;
		old = atomic_load(&other->seccomp.filter);
		set_locked(other, filter_get_user(chain), atomic_load(&t->seccomp.count));
		/* A part of the chain, so it is not the last reference. */
		filter_put_user(old);
		if (t->no_new_privs)
			other->no_new_privs = true;
	}
}

static int check_chain(const struct seccomp_filter *chain, const struct seccomp_filter *f)
{
	unsigned cost = f->cost;

	for (; chain; chain = chain->prev)
		cost += chain->cost + CHAIN_COST_LINK;
	return cost > CHAIN_COST_MAX ? -ENOMEM : 0;
}

static bool has_second_listener(const struct seccomp_filter *chain, const struct seccomp_filter *f)
{
	if (!f->listener)
		return false;
	while (chain && !seccomp_listener_is_open(chain))
		chain = chain->prev;
	return chain;
}

static bool may_change_mode(const struct task *t, int mode)
{
	int now = atomic_load(&t->seccomp.mode);

	return now == SECCOMP_MODE_DISABLED || now == mode;
}

/* Takes f's user when it returns 0. */
static long attach_locked(struct task *t, struct seccomp_filter *f, unsigned flags)
{
	struct seccomp_filter *chain = atomic_load(&t->seccomp.filter);
	int32_t stray;
	int r;

	if (!may_change_mode(t, SECCOMP_MODE_FILTER))
		return -EINVAL;
	if (has_second_listener(chain, f))
		return -EBUSY;
	r = check_chain(chain, f);
	if (r < 0)
		return r;
	stray = flags & SECCOMP_FILTER_FLAG_TSYNC ? find_stray_locked(t) : 0;
	if (stray)
		return flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -ESRCH : stray;
	f->is_logged = flags & SECCOMP_FILTER_FLAG_LOG;
	f->wait_killable = flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	f->prev = chain;
	for (unsigned i = 0; chain && i < ARRAY_SIZE(f->allowed); i++)
		f->allowed[i] &= chain->allowed[i];
	set_locked(t, f, atomic_load(&t->seccomp.count) + 1);
	if (flags & SECCOMP_FILTER_FLAG_TSYNC)
		sync_threads_locked(t);
	return 0;
}

/* A descriptor for f's listener, in the caller's table. */
static int install_listener(struct task *t, struct seccomp_filter *f)
{
	struct file *file;
	int fd, r;

	r = seccomp_listener_create(f, t->cred, &file);
	if (r < 0)
		return r;
	fd = fd_install(t, file, 0, true);
	if (fd < 0)
		file_put(file);
	return fd;
}

static bool flags_are_valid(unsigned flags)
{
	if (flags & ~ABI_SECCOMP_FLAGS)
		return false;
	/* Both would be told by a positive result. */
	if ((flags & SECCOMP_FILTER_FLAG_TSYNC) && (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) &&
	    !(flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH))
		return false;
	return !(flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) ||
	       (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

long seccomp_set_filter(struct task *t, unsigned flags, uint64_t fprog)
{
	struct seccomp_filter *f;
	int fd = -1;
	long r;

	if (!flags_are_valid(flags))
		return -EINVAL;
	r = filter_create(t, fprog, &f);
	if (r < 0)
		return r;
	if (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) {
		fd = install_listener(t, f);
		if (fd < 0) {
			filter_put_user(f);
			return fd;
		}
	}
	group_sighand_lock(t->group);
	r = attach_locked(t, f, flags);
	group_sighand_unlock(t->group);
	if (r == 0)
		return MAX(fd, 0);
	if (fd >= 0)
		(void)fd_close(t, fd);
	filter_put_user(f);
	return r;
}

long seccomp_set_strict(struct task *t)
{
	long r = 0;

	group_sighand_lock(t->group);
	if (may_change_mode(t, SECCOMP_MODE_STRICT)) {
		atomic_store(&t->seccomp.mode, SECCOMP_MODE_STRICT);
		atomic_fetch_or(&t->call_work, CALL_WORK_SECCOMP);
	} else {
		r = -EINVAL;
	}
	group_sighand_unlock(t->group);
	return r;
}

int seccomp_mode(const struct task *t)
{
	return atomic_load(&t->seccomp.mode);
}

unsigned seccomp_count(const struct task *t)
{
	return atomic_load(&t->seccomp.count);
}

/* ---- tasks come and go ---- */

void seccomp_fork_locked(struct task *t, struct task *child)
{
	int mode = atomic_load(&t->seccomp.mode);

	/* Another thread's TSYNC may have set it since the child was begun. */
	atomic_store(&child->no_new_privs, atomic_load(&t->no_new_privs));
	if (mode == SECCOMP_MODE_DISABLED)
		return;
	if (mode == SECCOMP_MODE_FILTER)
		set_locked(child, filter_get_user(atomic_load(&t->seccomp.filter)),
			   atomic_load(&t->seccomp.count));
	atomic_store(&child->seccomp.mode, mode);
	atomic_fetch_or(&child->call_work, CALL_WORK_SECCOMP);
}

void seccomp_leave(struct task *t)
{
	/* TSYNC leaves out who is leaving. */
	filter_put_user(atomic_exchange(&t->seccomp.filter, NULL));
	atomic_store(&t->seccomp.count, 0);
}

/* ---- calls ---- */

static bool run_filters(struct task *t, bool is_traced, long *ret);

static void log_action(const struct task *t, int nr, const char *action)
{
	log_info("seccomp: %s of call %d, thread %d (%.15s), ip 0x%llx", action, nr, t->tid,
		 t->comm, (unsigned long long)t->regs.rip);
}

static struct ksiginfo sigsys_info(const struct task *t, int nr, uint32_t data)
{
	return (struct ksiginfo){
		.signo = SIGSYS,
		.code = ABI_SYS_SECCOMP,
		.err = (int)data,
		.addr = t->regs.rip,
		.status = nr,
		.arch = AUDIT_ARCH_X86_64,
	};
}

/* The process ends, as by a SIGSYS that cannot be caught; a thread, if there are others,
 * goes alone. */
static void kill_for(struct task *t, int nr, uint32_t data, bool is_process)
{
	struct ksiginfo info = sigsys_info(t, nr, data);

	log_action(t, nr, is_process ? "kill_process" : "kill_thread");
	if (is_process || task_is_last(t))
		signal_kill(t->group, &info);
	else
		task_exit(t, SIGSYS);
}

static bool strict_admits(struct task *t, int nr)
{
	switch (nr) {
	case ABI_NR_read:
	case ABI_NR_write:
	case ABI_NR_exit:
	case ABI_NR_rt_sigreturn:
		return true;
	}
	log_action(t, nr, "kill_thread");
	task_exit(t, SIGKILL);
	return false;
}

/* The strictest answer of the chain, and whose it is. */
static uint32_t chain_run(struct seccomp_filter *chain, const struct seccomp_data *sd,
			  struct seccomp_filter **whose)
{
	uint32_t strictest = SECCOMP_RET_ALLOW;

	*whose = NULL;
	for (struct seccomp_filter *f = chain; f; f = f->prev) {
		uint32_t r = filter_run(f, sd);

		if ((int32_t)(r & SECCOMP_RET_ACTION_FULL) <
		    (int32_t)(strictest & SECCOMP_RET_ACTION_FULL)) {
			strictest = r;
			*whose = f;
		}
	}
	return strictest;
}

static bool is_restart_code(long ret)
{
	switch (-ret) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		return true;
	default:
		return false;
	}
}

/* The call is not made. What the filter says is no restart code, whatever it looks like. */
static bool refuse(struct task *t, const struct seccomp_filter *f, const char *action, long ret)
{
	if (f->is_logged)
		log_action(t, (int)t->orig_rax, action);
	if (is_restart_code(ret))
		t->sysno = -1;
	return false;
}

/* What a filter leaves to a tracer, which may have made another call of it: then the
 * filters are asked again, but the tracer is not. */
static bool trace(struct task *t, struct seccomp_filter *f, uint32_t data, long *ret)
{
	bool killed;

	*ret = -ENOSYS;
	if (!ptrace_event_enabled(t, ABI_PTRACE_EVENT_SECCOMP))
		return refuse(t, f, "trace", *ret);
	t->regs.rax = (uint64_t)*ret;
	ptrace_event(t, ABI_PTRACE_EVENT_SECCOMP, data);
	*ret = (long)t->regs.rax;
	group_sighand_lock(t->group);
	killed = t->group->exiting;
	group_sighand_unlock(t->group);
	if (killed || t->sysno < 0)
		return refuse(t, f, "trace", *ret);
	return run_filters(t, true, ret);
}

static bool act(struct task *t, struct seccomp_filter *f, uint32_t answer,
		const struct seccomp_data *sd, long *ret)
{
	uint32_t data = answer & SECCOMP_RET_DATA;
	struct ksiginfo info;

	*ret = sd->nr;
	switch (answer & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
		return true;
	case SECCOMP_RET_LOG:
		log_action(t, sd->nr, "log");
		return true;
	case SECCOMP_RET_ERRNO:
		*ret = -(long)MIN(data, ERRNO_MAX);
		return refuse(t, f, "errno", *ret);
	case SECCOMP_RET_TRACE:
		return trace(t, f, data, ret);
	case SECCOMP_RET_TRAP:
		t->regs.rax = (uint64_t)sd->nr;
		info = sigsys_info(t, sd->nr, data);
		signal_force(t, &info);
		return refuse(t, f, "trap", *ret);
	case SECCOMP_RET_USER_NOTIF:
		switch (seccomp_ask(t, f, sd, ret)) {
		case SECCOMP_GO_ON:
			return true;
		case SECCOMP_ANSWERED:
			return refuse(t, f, "user_notif", *ret);
		case SECCOMP_INTERRUPTED:
			return false;
		}
		return false;
	case SECCOMP_RET_KILL_THREAD:
		kill_for(t, sd->nr, data, false);
		return false;
	default: /* KILL_PROCESS, and what nobody knows */
		kill_for(t, sd->nr, data, true);
		return false;
	}
}

/* is_traced: the tracer has seen the call. */
static bool run_filters(struct task *t, bool is_traced, long *ret)
{
	struct seccomp_filter *chain = atomic_load(&t->seccomp.filter), *whose;
	const struct guest_regs *r = &t->regs;
	const struct seccomp_data sd = {
		.nr = (int)t->sysno,
		.arch = AUDIT_ARCH_X86_64,
		.instruction_pointer = r->rip,
		.args = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 },
	};
	uint32_t answer;

	if ((unsigned)sd.nr < SECCOMP_CACHED && bitmap_test(chain->allowed, (unsigned)sd.nr))
		return true;
	answer = chain_run(chain, &sd, &whose);
	if (is_traced && (answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE)
		return true;
	return act(t, whose, answer, &sd, ret);
}

bool seccomp_admits(struct task *t, long *ret)
{
	*ret = (long)t->sysno;
	if (atomic_load(&t->seccomp.mode) == SECCOMP_MODE_STRICT)
		return strict_admits(t, (int)t->sysno);
	return run_filters(t, false, ret);
}
