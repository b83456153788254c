/* See testlib_task.h. */
#include "task/testlib_task.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/list.h"
#include "platform/internal.h"

#define FAKE_XSTATE 832u /* with AVX */
#define CALL_NR 1000

struct kernel fake_kernel;
_Thread_local int fake_wait_status;

/* ---- the platform ---- */

struct fake_ctx {
	struct platform_ctx base;
	atomic_uint interrupted;
	uint8_t xstate[FAKE_XSTATE];
};

static const struct platform_impl fake_impl;
static struct platform fake_platform = { .impl = &fake_impl };
static _Thread_local struct fake_ctx *entered; /* the guest that runs here */

static void impl_stats(const struct platform *p UNUSED, struct platform_stats *out)
{
	memset(out, 0, sizeof(*out));
}

static void impl_range(const struct platform *p UNUSED, gva_t *lo, gva_t *hi)
{
	*lo = 0x10000;
	*hi = (uint64_t)1 << 46;
}

static size_t impl_xstate_size(const struct platform *p UNUSED)
{
	return FAKE_XSTATE;
}

static int impl_as_create(struct platform *p, struct platform_as **out)
{
	struct platform_as *as = calloc(1, sizeof(*as));

	if (!as)
		return -ENOMEM;
	as->impl = &fake_impl;
	as->platform = p;
	*out = as;
	return 0;
}

static void impl_as_destroy(struct platform_as *as)
{
	free(as);
}

static int impl_as_apply(struct platform_as *as UNUSED, const struct platform_op *ops UNUSED,
			 size_t count UNUSED, bool lazy UNUSED)
{
	return 0;
}

static int impl_as_clear(struct platform_as *as UNUSED)
{
	return 0;
}

static void impl_as_kill(struct platform_as *as UNUSED)
{
}

static int impl_as_usage(struct platform_as *as UNUSED, uint64_t *user_ns, uint64_t *sys_ns)
{
	*user_ns = *sys_ns = 0;
	return 0;
}

static void impl_xstate_reset(struct platform_ctx *ctx)
{
	struct fake_ctx *c = container_of(ctx, struct fake_ctx, base);
	uint64_t features = 7;

	memset(c->xstate, 0, sizeof(c->xstate));
	memcpy(c->xstate + 464 + 8, &features, sizeof(features));
}

static int impl_ctx_create(struct platform_as *as, struct platform_ctx **out)
{
	struct fake_ctx *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->base.impl = &fake_impl;
	c->base.as = as;
	impl_xstate_reset(&c->base);
	*out = &c->base;
	return 0;
}

static void impl_ctx_destroy(struct platform_ctx *ctx)
{
	free(container_of(ctx, struct fake_ctx, base));
}

/* Calls are two bytes long, and r14 says where one began: so they can restart. */
static void call_event(struct guest_regs *r, struct platform_event *ev)
{
	r->rip = r->r14 + 2;
	ev->kind = PLATFORM_EV_SYSCALL;
	ev->sysno = CALL_NR;
}

static void impl_ctx_switch(struct platform_ctx *ctx, struct guest_regs *regs,
			    struct platform_event *ev)
{
	struct fake_ctx *c = container_of(ctx, struct fake_ctx, base);

	*ev = (struct platform_event){ .kind = PLATFORM_EV_INTERRUPTED };
	if (atomic_exchange(&c->interrupted, 0))
		return;
	if (regs->r14 && regs->rip == regs->r14) { /* the call again */
		call_event(regs, ev);
		return;
	}
	if (regs->r14) {
		regs->rip = regs->r14;
		regs->r14 = 0;
	}
	entered = c;
	((fake_guest_fn)(uintptr_t)regs->rip)(regs, ev);
	regs->r15++;
	entered = NULL;
}

static void impl_ctx_interrupt(struct platform_ctx *ctx)
{
	struct fake_ctx *c = container_of(ctx, struct fake_ctx, base);

	atomic_store(&c->interrupted, 1);
	park_wake(&c->interrupted, 1);
}

static void impl_ctx_rest(struct platform_ctx *ctx UNUSED)
{
}

static void impl_ctx_owner(struct platform_ctx *ctx UNUSED, uint32_t tid UNUSED)
{
}

static uint64_t impl_cpu_ns(struct platform_ctx *ctx UNUSED)
{
	return 1000000;
}

static void impl_xstate_get(struct platform_ctx *ctx, void *buf)
{
	memcpy(buf, container_of(ctx, struct fake_ctx, base)->xstate, FAKE_XSTATE);
}

static int impl_xstate_set(struct platform_ctx *ctx, const void *buf, size_t size)
{
	struct fake_ctx *c = container_of(ctx, struct fake_ctx, base);

	if (size < 512)
		return -EINVAL;
	memset(c->xstate, 0, sizeof(c->xstate));
	memcpy(c->xstate, buf, MIN(size, (size_t)FAKE_XSTATE));
	return 0;
}

static const struct platform_impl fake_impl = {
	.name = "fake",
	.get_stats = impl_stats,
	.guest_range = impl_range,
	.xstate_size = impl_xstate_size,
	.as_create = impl_as_create,
	.as_destroy = impl_as_destroy,
	.as_apply = impl_as_apply,
	.as_clear = impl_as_clear,
	.as_kill = impl_as_kill,
	.as_usage = impl_as_usage,
	.ctx_create = impl_ctx_create,
	.ctx_destroy = impl_ctx_destroy,
	.ctx_switch = impl_ctx_switch,
	.ctx_interrupt = impl_ctx_interrupt,
	.ctx_rest = impl_ctx_rest,
	.ctx_owner = impl_ctx_owner,
	.ctx_cpu_ns = impl_cpu_ns,
	.xstate_get = impl_xstate_get,
	.xstate_set = impl_xstate_set,
	.xstate_reset = impl_xstate_reset,
};

/* ---- guests ---- */

void fake_call(struct guest_regs *r, struct platform_event *ev, fake_call_fn fn, uint64_t arg)
{
	r->rax = CALL_NR;
	r->rdi = (uint64_t)(uintptr_t)fn;
	r->rsi = arg;
	r->r14 = r->rip;
	call_event(r, ev);
}

void fake_fault(struct platform_event *ev, int signo, int code, uint64_t addr)
{
	ev->kind = PLATFORM_EV_FAULT;
	ev->signo = signo;
	ev->code = code;
	ev->addr = addr;
}

void fake_spin(struct platform_event *ev)
{
	while (!atomic_exchange(&entered->interrupted, 0))
		(void)park_wait(&entered->interrupted, 0, PARK_FOREVER);
	ev->kind = PLATFORM_EV_INTERRUPTED;
}

static void fake_syscall(struct task *t, int64_t nr)
{
	fake_call_fn fn = (fake_call_fn)(uintptr_t)t->regs.rdi;

	if (nr == CALL_NR)
		t->regs.rax = (uint64_t)fn(t, t->regs.rsi);
}

static const struct task_ops fake_ops = { .syscall = fake_syscall };

/* ---- the kernel ---- */

void fake_up(void)
{
	struct kernel *k = &fake_kernel;
	struct memfile *mf;

	memset(k, 0, sizeof(*k));
	ASSERT(memfile_create((uint64_t)64 << 20, &mf) == 0);
	k->platform = &fake_platform;
	k->memfile = mf;
	k->mm_env = (struct mm_env){ .platform = &fake_platform, .memfile = mf };
	k->ncpus = 2;
	k->tasks_max = 200;
	k->ops = &fake_ops;
	ASSERT(task_init(k) == 0);
}

void fake_down(void)
{
	task_kill_all(&fake_kernel);
	task_fini(&fake_kernel);
	ktimer_shutdown();
	memfile_destroy(fake_kernel.memfile);
}

struct task *fake_first(fake_guest_fn guest)
{
	struct path none = { NULL, NULL };
	struct task *t;

	ASSERT(task_create_first(&fake_kernel, cred_create(1000, 1000), fdtable_create(),
				 fs_context_create(none, none, 022), &t) == 0);
	t->regs.rip = (uint64_t)(uintptr_t)guest;
	return t;
}

int fake_run(fake_guest_fn guest)
{
	struct kernel *k = &fake_kernel;
	struct waitq_entry e;
	struct waiter w;

	waiter_init(&w);
	waitq_entry_init(&e, &w, EV_IN);
	waitq_add(&k->ended_waitq, &e);
	ASSERT(task_start(fake_first(guest)) == 0);
	for (;;) {
		waiter_prepare(&w);
		if (atomic_load(&k->ended))
			break;
		ASSERT(waiter_wait_killable(&w, PARK_FOREVER) == 0);
	}
	waitq_remove(&k->ended_waitq, &e);
	return k->exit_status;
}

/* ---- calls ---- */

long fake_exit(struct task *t, uint64_t status)
{
	task_exit_group(t, (int)status << 8);
	return 0;
}

long fake_exit_thread(struct task *t, uint64_t status)
{
	task_exit(t, (int)status << 8);
	return 0;
}

/* The child starts at its own function, at entry 0. */
static long clone_to(struct task *t, uint64_t guest, struct clone_request *req)
{
	struct guest_regs saved = t->regs;
	long r;

	t->regs.rip = guest;
	t->regs.r14 = 0;
	t->regs.r15 = 0;
	r = task_clone(t, req);
	t->regs = saved;
	return r;
}

long fake_fork(struct task *t, uint64_t guest)
{
	struct clone_request req = { .flags = CLONE_FS, .exit_signal = SIGCHLD };

	return clone_to(t, guest, &req);
}

long fake_thread(struct task *t, uint64_t guest)
{
	struct clone_request req = { .flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
					      CLONE_THREAD };

	return clone_to(t, guest, &req);
}

long fake_wait(struct task *t, uint64_t options)
{
	struct wait_result res = { 0 };
	int r = task_wait(t, P_ALL, 0, (int)options | WEXITED, &res);

	fake_wait_status = res.status;
	return r == 1 ? res.pid : r;
}

long fake_map_page(struct task *t, uint64_t unused UNUSED)
{
	struct mm_map_args args = { .size = 4096,
				    .prot = PROT_READ | PROT_WRITE,
				    .max_prot = PROT_READ | PROT_WRITE | PROT_EXEC,
				    .flags = MAP_PRIVATE | MAP_ANONYMOUS };
	gva_t at;
	int r = mm_map(t->mm, &args, &at);

	return r < 0 ? r : (long)at;
}
