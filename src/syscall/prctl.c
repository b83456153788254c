/*
 * prctl, arch_prctl, personality: what a thread says of itself.
 *
 * One small function an option, in a switch: most options are one field. What is
 * missing is refused as by a kernel built without it (-EINVAL).
 */
#include <linux/securebits.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/errno.h"
#include "abi/prctl.h"
#include "abi/seccomp.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "task/seccomp.h"

#define GUEST_TOP ((uint64_t)1 << 47)
#define TIMER_SLACK_DEFAULT 50000u

/* ---- names ---- */

static long set_name(struct task *t, gva_t user)
{
	char name[16] = { 0 };
	ssize_t n = mm_copy_in_str(t->mm, name, user, sizeof(name) - 1);

	if (n < 0 && n != -ENAMETOOLONG)
		return n;
	if (n == -ENAMETOOLONG && syscall_copy_in(t, name, user, sizeof(name) - 1) < 0)
		return -EFAULT;
	name[sizeof(name) - 1] = '\0';
	memcpy(t->comm, name, sizeof(name));
	return 0;
}

static long get_name(struct task *t, gva_t user)
{
	char name[16];

	memcpy(name, t->comm, sizeof(name));
	return syscall_copy_out(t, user, name, sizeof(name));
}

static long put_int(struct task *t, gva_t user, int value)
{
	return syscall_copy_out(t, user, &value, sizeof(value));
}

/* ---- processes ---- */

static long set_pdeathsig(struct task *t, uint64_t signo)
{
	if (signo > NSIGNALS)
		return -EINVAL;
	__atomic_store_n(&t->pdeath_signal, (int)signo, __ATOMIC_RELAXED);
	return 0;
}

static long get_dumpable(struct task *t)
{
	long r;

	mutex_lock(&t->group->lock);
	r = t->group->dumpable;
	mutex_unlock(&t->group->lock);
	return r;
}

static long set_dumpable(struct task *t, uint64_t value)
{
	if (value > 1)
		return -EINVAL;
	mutex_lock(&t->group->lock);
	t->group->dumpable = value;
	mutex_unlock(&t->group->lock);
	return 0;
}

static long set_no_new_privs(struct task *t, const struct sysargs *args)
{
	if (args->a[1] != 1 || args->a[2] || args->a[3] || args->a[4])
		return -EINVAL;
	atomic_store(&t->no_new_privs, true);
	return 0;
}

static long get_no_new_privs(struct task *t, const struct sysargs *args)
{
	if (args->a[1] || args->a[2] || args->a[3] || args->a[4])
		return -EINVAL;
	return t->no_new_privs;
}

static long set_timer_slack(struct task *t, int64_t ns)
{
	t->timer_slack_ns = ns > 0 ? (uint64_t)ns : TIMER_SLACK_DEFAULT;
	return 0;
}

/* ---- capabilities and securebits ---- */

/* Which capabilities may be named: those that exist. */
static bool cap_is_valid(uint64_t cap)
{
	return cap < CAP_COUNT;
}

/* Publishes a changed copy; edit returns an errno or what the call returns. */
static long edit_cred(struct task *t, long (*edit)(struct cred *c, uint64_t arg), uint64_t arg)
{
	struct cred *c = cred_copy(t->cred);
	long r;

	if (!c)
		return -ENOMEM;
	r = edit(c, arg);
	if (r < 0)
		cred_put(c);
	else
		task_cred_set(t, c);
	return r;
}

static long edit_drop_bounding(struct cred *c, uint64_t cap)
{
	c->cap_bounding &= ~((uint64_t)1 << cap);
	return 0;
}

static long capbset_drop(struct task *t, uint64_t cap)
{
	if (!cred_has_own_cap(t->cred, CAP_SETPCAP))
		return -EPERM;
	return cap_is_valid(cap) ? edit_cred(t, edit_drop_bounding, cap) : -EINVAL;
}

static long capbset_read(struct task *t, uint64_t cap)
{
	return cap_is_valid(cap) ? (long)(t->cred->cap_bounding >> cap & 1) : -EINVAL;
}

static long edit_clear_ambient(struct cred *c, uint64_t arg UNUSED)
{
	c->cap_ambient = 0;
	return 0;
}

static long edit_lower_ambient(struct cred *c, uint64_t cap)
{
	c->cap_ambient &= ~((uint64_t)1 << cap);
	return 0;
}

static long edit_raise_ambient(struct cred *c, uint64_t cap)
{
	uint64_t bit = (uint64_t)1 << cap;

	if (!(c->cap_permitted & bit) || !(c->cap_inheritable & bit) ||
	    (c->securebits & SECBIT_NO_CAP_AMBIENT_RAISE))
		return -EPERM;
	c->cap_ambient |= bit;
	return 0;
}

static long cap_ambient(struct task *t, const struct sysargs *args)
{
	uint64_t cap = args->a[2];

	if (args->a[1] == PR_CAP_AMBIENT_CLEAR_ALL) {
		if (args->a[2] || args->a[3] || args->a[4])
			return -EINVAL;
		return edit_cred(t, edit_clear_ambient, 0);
	}
	if (args->a[3] || args->a[4] || !cap_is_valid(cap))
		return -EINVAL;
	switch (args->a[1]) {
	case PR_CAP_AMBIENT_IS_SET:
		return (long)(t->cred->cap_ambient >> cap & 1);
	case PR_CAP_AMBIENT_RAISE:
		return edit_cred(t, edit_raise_ambient, cap);
	case PR_CAP_AMBIENT_LOWER:
		return edit_cred(t, edit_lower_ambient, cap);
	default:
		return -EINVAL;
	}
}

static long edit_securebits(struct cred *c, uint64_t bits)
{
	uint32_t old = c->securebits;
	uint32_t locks = old & SECURE_ALL_LOCKS;

	/* A locked bit stays, and its lock stays locked. */
	if (((locks >> 1) & (old ^ bits)) || (locks & ~bits) ||
	    (bits & ~(uint64_t)(SECURE_ALL_BITS | SECURE_ALL_LOCKS)))
		return -EPERM;
	if (!cred_has_own_cap(c, CAP_SETPCAP))
		return -EPERM;
	c->securebits = (uint32_t)bits;
	return 0;
}

static long edit_keepcaps(struct cred *c, uint64_t on)
{
	if (c->securebits & SECBIT_KEEP_CAPS_LOCKED)
		return -EPERM;
	if (on)
		c->securebits |= SECBIT_KEEP_CAPS;
	else
		c->securebits &= ~(uint32_t)SECBIT_KEEP_CAPS;
	return 0;
}

static long set_keepcaps(struct task *t, uint64_t on)
{
	return on > 1 ? -EINVAL : edit_cred(t, edit_keepcaps, on);
}

/* ---- seccomp ---- */

/* The older door to seccomp(2), without flags. */
static long set_seccomp(struct task *t, const struct sysargs *args)
{
	switch (args->a[1]) {
	case SECCOMP_MODE_STRICT:
		return seccomp_set_strict(t);
	case SECCOMP_MODE_FILTER:
		return seccomp_set_filter(t, 0, args->a[2]);
	default:
		return -EINVAL;
	}
}

/* ---- memory ---- */

/* Names of anonymous mappings are checked and not kept. */
static long set_vma(struct task *t, const struct sysargs *args)
{
	char name[80];
	ssize_t n;

	if (args->a[1] != PR_SET_VMA_ANON_NAME || (args->a[2] & ~PAGE_MASK))
		return -EINVAL;
	if (!args->a[4])
		return 0;
	n = mm_copy_in_str(t->mm, name, args->a[4], sizeof(name));
	if (n < 0)
		return n == -EFAULT ? -EFAULT : -EINVAL;
	for (ssize_t i = 0; i < n; i++) {
		if (name[i] < 0x20 || name[i] > 0x7e || strchr("\\`$[]", name[i]))
			return -EINVAL;
	}
	return 0;
}

static long get_auxv(struct task *t, gva_t user, uint64_t size)
{
	struct mm_layout layout;

	mm_get_layout(t->mm, &layout);
	if (syscall_copy_out(t, user, layout.auxv, MIN(size, sizeof(layout.auxv))) < 0)
		return -EFAULT;
	return sizeof(layout.auxv);
}

/* ---- the switch ---- */

static bool no_more_args(const struct sysargs *args, int from)
{
	for (int i = from; i < 5; i++) {
		if (args->a[i])
			return false;
	}
	return true;
}

/* Options of capabilities and credentials. -ENOSYS: not one of them. */
static long prctl_cred(struct task *t, const struct sysargs *args)
{
	switch ((int)args->a[0]) {
	case PR_CAPBSET_READ:
		return capbset_read(t, args->a[1]);
	case PR_CAPBSET_DROP:
		return capbset_drop(t, args->a[1]);
	case PR_CAP_AMBIENT:
		return cap_ambient(t, args);
	case PR_GET_SECUREBITS:
		return t->cred->securebits;
	case PR_SET_SECUREBITS:
		return edit_cred(t, edit_securebits, args->a[1]);
	case PR_GET_KEEPCAPS:
		return !!(t->cred->securebits & SECBIT_KEEP_CAPS);
	case PR_SET_KEEPCAPS:
		return set_keepcaps(t, args->a[1]);
	default:
		return -ENOSYS;
	}
}

/* Only whether it would be allowed is judged as on Linux. */
static long set_mm(const struct sysargs *args)
{
	bool has_size = args->a[1] == PR_SET_MM_AUXV || args->a[1] == PR_SET_MM_MAP ||
			args->a[1] == PR_SET_MM_MAP_SIZE;

	return args->a[4] || (args->a[3] && !has_size) ? -EINVAL : -EPERM;
}

/* As a kernel that mitigates nothing (/proc/[pid]/status says so), and has no switch for
 * one thread. */
static long get_speculation(uint64_t which)
{
	switch (which) {
	case PR_SPEC_STORE_BYPASS:
	case PR_SPEC_INDIRECT_BRANCH:
		return PR_SPEC_ENABLE;
	case PR_SPEC_L1D_FLUSH:
		return PR_SPEC_FORCE_DISABLE;
	default:
		return -ENODEV;
	}
}

static long set_speculation(uint64_t which, uint64_t ctrl)
{
	switch (which) {
	case PR_SPEC_STORE_BYPASS:
		return -ENXIO;
	case PR_SPEC_INDIRECT_BRANCH:
		if (ctrl == PR_SPEC_ENABLE)
			return 0;
		return ctrl == PR_SPEC_DISABLE || ctrl == PR_SPEC_FORCE_DISABLE ? -EPERM : -ERANGE;
	case PR_SPEC_L1D_FLUSH:
		return -EPERM;
	default:
		return -ENODEV;
	}
}

/* Options that are what a machine without the feature answers. */
static long prctl_absent(struct task *t, const struct sysargs *args)
{
	switch ((int)args->a[0]) {
	case PR_SET_THP_DISABLE:
		return no_more_args(args, 2) ? 0 : -EINVAL;
	case PR_GET_THP_DISABLE:
		return no_more_args(args, 1) ? 0 : -EINVAL;
	case PR_GET_TIMING:
		return PR_TIMING_STATISTICAL;
	case PR_SET_TIMING:
		return args->a[1] == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_GET_TSC:
		return put_int(t, args->a[1], PR_TSC_ENABLE);
	case PR_SET_TSC:
		return args->a[1] == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_GET_MDWE:
		return no_more_args(args, 1) ? 0 : -EINVAL;
	case PR_MCE_KILL_GET:
		return no_more_args(args, 1) ? PR_MCE_KILL_DEFAULT : -EINVAL;
	case PR_SET_VMA:
		return set_vma(t, args);
	case PR_SET_MM:
		return set_mm(args);
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE:
		return 0; /* all that there are */
	case PR_GET_SPECULATION_CTRL:
		return no_more_args(args, 2) ? get_speculation(args->a[1]) : -EINVAL;
	case PR_SET_SPECULATION_CTRL:
		return no_more_args(args, 3) ? set_speculation(args->a[1], args->a[2]) : -EINVAL;
	case PR_GET_IO_FLUSHER:
	case PR_SET_IO_FLUSHER:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

SYSCALL(prctl)
{
	long r = prctl_cred(t, args);

	if (r != -ENOSYS)
		return r;
	switch ((int)args->a[0]) {
	case PR_SET_NAME:
		return set_name(t, args->a[1]);
	case PR_GET_NAME:
		return get_name(t, args->a[1]);
	case PR_SET_PDEATHSIG:
		return set_pdeathsig(t, args->a[1]);
	case PR_GET_PDEATHSIG:
		return put_int(t, args->a[1], t->pdeath_signal);
	case PR_GET_DUMPABLE:
		return get_dumpable(t);
	case PR_SET_DUMPABLE:
		return set_dumpable(t, args->a[1]);
	case PR_SET_NO_NEW_PRIVS:
		return set_no_new_privs(t, args);
	case PR_GET_NO_NEW_PRIVS:
		return get_no_new_privs(t, args);
	case PR_GET_SECCOMP:
		return seccomp_mode(t);
	case PR_SET_SECCOMP:
		return set_seccomp(t, args);
	case PR_SET_CHILD_SUBREAPER:
		__atomic_store_n(&t->group->is_subreaper, args->a[1] != 0, __ATOMIC_RELAXED);
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return put_int(t, args->a[1], t->group->is_subreaper);
	case PR_SET_TIMERSLACK:
		return set_timer_slack(t, (int64_t)args->a[1]);
	case PR_GET_TIMERSLACK:
		return (long)t->timer_slack_ns;
	case PR_GET_TID_ADDRESS:
		return syscall_copy_out(t, args->a[1], &t->clear_child_tid,
					sizeof(t->clear_child_tid));
	case PR_GET_AUXV:
		return no_more_args(args, 3) ? get_auxv(t, args->a[1], args->a[2]) : -EINVAL;
	default:
		return prctl_absent(t, args);
	}
}

/* ---- arch_prctl ---- */

static long set_base(uint64_t *base, uint64_t addr)
{
	if (addr >= GUEST_TOP)
		return -EPERM;
	*base = addr;
	return 0;
}

SYSCALL(arch_prctl)
{
	uint64_t addr = args->a[1];

	switch ((int)args->a[0]) {
	case ABI_ARCH_SET_FS:
		return set_base(&t->regs.fs_base, addr);
	case ABI_ARCH_SET_GS:
		return set_base(&t->regs.gs_base, addr);
	case ABI_ARCH_GET_FS:
		return syscall_copy_out(t, addr, &t->regs.fs_base, sizeof(t->regs.fs_base));
	case ABI_ARCH_GET_GS:
		return syscall_copy_out(t, addr, &t->regs.gs_base, sizeof(t->regs.gs_base));
	case ABI_ARCH_GET_CPUID:
		return 1;
	default:
		return -EINVAL;
	}
}

/* ---- personality ---- */

SYSCALL(personality)
{
	uint32_t old = t->personality, now = (uint32_t)args->a[0];

	if (now != UINT32_MAX)
		t->personality = now;
	return old;
}
