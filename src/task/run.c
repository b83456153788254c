/*
 * Runners: the host threads that run tasks, and the loop they run.
 *
 * A runner whose task has ended waits for the next one, so that creating a
 * guest thread or process does not have to create a host thread: that is half
 * of the cost of a fork. At most RUNNERS_IDLE_MAX wait; they use no CPU.
 *
 *	        runner_reserve()          runner_run()
 *	IDLE ──────────────────> RESERVED ────────────> BUSY
 *	  ^                         │ runner_release()    │ the task has ended
 *	  └─────────────────────────┴─────────────────────┘
 *
 * The runner sleeps on its word: RUNNER_WAIT until it is given a task
 * (RUNNER_TASK) or told to end (RUNNER_QUIT). Host threads are detached; the
 * shutdown waits for the count of runners to fall to zero.
 */
#include "abi/errno.h"
#include "base/log.h"
#include "base/pool.h"
#include "host/host.h"
#include "host/thread.h"
#include "task/internal.h"
#include "task/ptrace.h"
#include "task/trampoline.h"

#define RUNNERS_IDLE_MAX 16
/* A fault that fails for want of memory is tried so often. */
#define FAULT_TRIES 3
#define TRAP_PAGE_FAULT 14
#define FAULT_BY_KEY 32u /* of the error code */

enum { RUNNER_WAIT, RUNNER_TASK, RUNNER_QUIT };

struct runner {
	struct list link;      /* [runners] on runners_idle */
	atomic_uint word;      /* RUNNER_*; pairs with the park in runner_await() */
	struct task *task;     /* set before RUNNER_TASK; reference */
	atomic_uint tid;       /* of the host thread */
	atomic_ulong cpu_base; /* CPU time of the thread's earlier tasks, ns */
};

static POOL_DEFINE(runner_pool, struct runner);
static struct mutex runners_lock = MUTEX_INIT(LOCK_TIMER);
static struct list runners_idle = LIST_INIT(runners_idle); /* [runners] */
static unsigned nidle, nrunners;                           /* [runners] */
static bool runners_stopping;                              /* [runners] */
static atomic_uint runners_gone; /* bumped as one ends: what shutdown sleeps on */

static _Thread_local struct task *current;

struct task *task_current(void)
{
	return current;
}

/* ---- one turn of the loop ---- */

/* The access that a page fault's error code tells of. */
static int fault_access(uint32_t error_code)
{
	if (error_code & 16)
		return MAP_X;
	return error_code & 2 ? MAP_W : MAP_R;
}

/* Without memory: what can be made again is dropped, and it is tried again. */
static int fault_with_relief(struct task *t, const struct platform_event *ev, int *code)
{
	int tries = FAULT_TRIES, r;

	do
		r = mm_fault(t->mm, ev->addr, fault_access(ev->error_code), code);
	while (r == -ENOMEM && --tries && memfile_relieve(t->kernel->memfile));
	return r;
}

static void task_page_fault(struct task *t, const struct platform_event *ev)
{
	int code = ev->code;
	int r = fault_with_relief(t, ev, &code);

	atomic_fetch_add_explicit(&t->minflt, 1, memory_order_relaxed);
	if (r == 0)
		return;
	if (r == -ENXIO) {
		signal_force_fault(t, SIGBUS, BUS_ADRERR, ev->addr, ev->trapno, ev->error_code);
	} else if (r == -ENOMEM) {
		oom_fault(t);
	} else {
		signal_force_fault(t, SIGSEGV, code, ev->addr, ev->trapno, ev->error_code);
	}
}

static void task_fault(struct task *t, const struct platform_event *ev)
{
	/* Against a protection key nothing can be filled. */
	if (ev->trapno == TRAP_PAGE_FAULT && !(ev->error_code & FAULT_BY_KEY)) {
		task_page_fault(t, ev);
	} else {
		trampoline_leave(t); /* a step into it */
		signal_force_fault(t, ev->signo, ev->code, ev->addr, ev->trapno, ev->error_code);
	}
}

/* One instruction: the trap after it is its own fault. */
static COLD void enter_for_step(struct task *t, struct platform_event *ev)
{
	bool forced = ptrace_step_begin(t);

	platform_ctx_switch(t->ctx, &t->regs, ev);
	ptrace_step_end(t, forced, ev);
}

static void task_turn(struct task *t)
{
	struct platform_event ev;

	lock_assert_none_held("entering the guest");
	t->sysno = -1;
	if (unlikely(t->trace_work & (TRACE_STEP | TRACE_WATCH)))
		enter_for_step(t, &ev);
	else
		platform_ctx_switch(t->ctx, &t->regs, &ev);
	switch (ev.kind) {
	case PLATFORM_EV_SYSCALL:
		t->sysno = ev.sysno;
		t->orig_rax = (uint64_t)ev.sysno;
		if (unlikely(t->trace_work)) {
			ptrace_call(t);
			break;
		}
		if (!ev.by_gate)
			trampoline_seen(t);
		t->kernel->ops->syscall(t, ev.sysno);
		break;
	case PLATFORM_EV_SYSCALL32:
		/* As on a kernel without 32-bit emulation: int 0x80 faults. */
		signal_force_fault(t, SIGSEGV, SI_KERNEL, 0, 13, (0x80u << 3) | 2u);
		break;
	case PLATFORM_EV_FAULT:
		task_fault(t, &ev);
		break;
	case PLATFORM_EV_INTERRUPTED:
		trampoline_leave(t);
		break;
	case PLATFORM_EV_DEAD:
		group_kill(t->group, SIGKILL);
		break;
	}
}

static void task_run(struct task *t)
{
	current = t;
	if (t->helper.fn) {
		helper_run(t);
		current = NULL;
		return;
	}
	atomic_store(&t->state, TASK_RUNNING);
	for (;;) {
		signal_deliver(t);
		if (t->exiting)
			break;
		task_turn(t);
		if (t->exiting)
			break;
	}
	task_finish(t);
	current = NULL;
}

/* ---- runners ---- */

/* True: there is a task to run. */
static bool runner_await(struct runner *r)
{
	unsigned word;

	while ((word = atomic_load(&r->word)) == RUNNER_WAIT)
		(void)park_wait(&r->word, RUNNER_WAIT, PARK_FOREVER);
	return word == RUNNER_TASK;
}

/* Puts it on the idle list; false: it is one too many, and is to end. */
static bool runner_idle(struct runner *r)
{
	bool keep;

	mutex_lock(&runners_lock);
	keep = !runners_stopping && nidle < RUNNERS_IDLE_MAX;
	if (keep) {
		nidle++;
		list_push_front(&runners_idle, &r->link);
	}
	mutex_unlock(&runners_lock);
	return keep;
}

static void runner_end(struct runner *r)
{
	mutex_lock(&runners_lock);
	nrunners--;
	pool_free(&runner_pool, r);
	atomic_fetch_add(&runners_gone, 1);
	mutex_unlock(&runners_lock);
	park_wake(&runners_gone, 1);
}

static void runner_main(void *arg)
{
	struct runner *r = arg;

	atomic_store(&r->tid, park_tid());
	while (runner_await(r)) {
		struct task *t = r->task;

		atomic_store(&r->cpu_base, host_thread_cpu_ns(0));
		task_run(t);
		r->task = NULL;
		atomic_store(&r->word, RUNNER_WAIT);
		task_put(t);
		if (!runner_idle(r))
			break;
	}
	runner_end(r);
}

static int runner_create(struct runner **out)
{
	struct runner *r = pool_alloc(&runner_pool);
	struct host_thread thread;
	int err;

	if (!r)
		return -ENOMEM;
	list_init(&r->link);
	mutex_lock(&runners_lock);
	nrunners++;
	mutex_unlock(&runners_lock);
	err = host_thread_create(&thread, "task", 0, runner_main, r);
	if (err < 0) {
		runner_end(r);
		return -EAGAIN;
	}
	host_thread_detach(&thread);
	*out = r;
	return 0;
}

int runner_reserve(struct runner **out)
{
	struct runner *r = NULL;

	mutex_lock(&runners_lock);
	if (!list_empty(&runners_idle)) {
		r = list_first(&runners_idle, struct runner, link);
		list_del(&r->link);
		nidle--;
	}
	mutex_unlock(&runners_lock);
	*out = r;
	return r ? 0 : runner_create(out);
}

static void runner_tell(struct runner *r, unsigned word)
{
	atomic_store(&r->word, word);
	park_wake(&r->word, 1);
}

void runner_run(struct runner *r, struct task *t)
{
	task_get(t);
	r->task = t;
	if (t->helper.fn) {
		runner_tell(r, RUNNER_TASK);
		return;
	}
	t->runner = r;
	/* The first pass of signal_deliver() looks for stops and signals that
	 * came while it was being made. */
	waiter_interrupt(&t->waiter, false);
	platform_ctx_owner(t->ctx, atomic_load(&r->tid));
	runner_tell(r, RUNNER_TASK);
}

void runner_release(struct runner *r)
{
	if (!runner_idle(r))
		runner_tell(r, RUNNER_QUIT);
}

int task_start(struct task *t)
{
	struct runner *r;
	int err = runner_reserve(&r);

	if (err == 0)
		runner_run(r, t);
	return err;
}

uint64_t runner_cpu_ns(struct task *t)
{
	struct runner *r = t->runner;
	uint64_t base, now;
	uint32_t tid;

	if (!r)
		return 0;
	tid = atomic_load(&r->tid);
	if (!tid)
		return 0;
	base = atomic_load(&r->cpu_base);
	now = host_thread_cpu_ns(tid == park_tid() ? 0 : tid);
	return now > base ? now - base : 0;
}

void runner_shutdown(void)
{
	unsigned left, gone;

	mutex_lock(&runners_lock);
	runners_stopping = true;
	while (!list_empty(&runners_idle)) {
		struct runner *r = list_first(&runners_idle, struct runner, link);

		list_del(&r->link);
		nidle--;
		runner_tell(r, RUNNER_QUIT);
	}
	mutex_unlock(&runners_lock);
	for (;;) {
		gone = atomic_load(&runners_gone);
		mutex_lock(&runners_lock);
		left = nrunners;
		mutex_unlock(&runners_lock);
		if (!left)
			break;
		(void)park_wait(&runners_gone, gone, PARK_FOREVER);
	}
	mutex_lock(&runners_lock);
	runners_stopping = false;
	mutex_unlock(&runners_lock);
}
