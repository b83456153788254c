/*
 * Runners: the host threads that run tasks, and the loop they run.
 *
 * A runner whose task has ended waits for the next one, so that creating a
 * guest thread or process does not have to create a host thread: that is half
 * of the cost of a fork. At most RUNNERS_IDLE_MAX wait; they use no CPU.
 */
#include "base/log.h"
#include "base/pool.h"
#include "host/host.h"
#include "task/internal.h"

#define RUNNERS_IDLE_MAX 8
#define RUNNER_STACK (256u * 1024)

struct runner {
	struct list link;           /* [runners] idle ones */
	atomic_uint word;           /* bumped when task changes or on shutdown */
	struct task *_Atomic task;
	struct host_thread *thread;
	uint64_t cpu_base_ns;       /* CPU time of earlier tasks */
	int cpu_clock;
};

static struct mutex runners_lock = MUTEX_INIT(LOCK_TIMER);
static struct list runners_idle = LIST_INIT(runners_idle); /* [runners] */
static unsigned nidle, nrunners;                          /* [runners] */
static atomic_uint runners_gone;                          /* bumped as one ends */
static bool runners_stopping;                             /* [runners] */

static _Thread_local struct task *current;

struct task *task_current(void)
{
	return current;
}

/* ---- one turn of the loop ---- */

static void task_fault(struct task *t, const struct platform_event *ev)
{
	int code = ev->code, r;

	if (ev->trapno == 14) {
		int access = ev->error_code & 16 ? MAP_X : ev->error_code & 2 ? MAP_W : MAP_R;

		r = mm_fault(t->mm, ev->addr, access, &code);
		atomic_fetch_add_explicit(&t->minflt, 1, memory_order_relaxed);
		if (r == 0)
			return;
		if (r == -ENXIO) {
			signal_force_fault(t, SIGBUS, BUS_ADRERR, ev->addr, 14, ev->error_code);
			return;
		}
		if (r == -ENOMEM) {
			log_warn("pid %d: out of memory, killed", t->group->pid);
			group_kill(t->group, SIGKILL);
			return;
		}
		signal_force_fault(t, SIGSEGV, code, ev->addr, 14, ev->error_code);
		return;
	}
	signal_force_fault(t, ev->signo, code, ev->addr, ev->trapno, ev->error_code);
}

static void task_turn(struct task *t)
{
	struct platform_event ev;

	lock_assert_none_held("entering the guest");
	platform_ctx_switch(t->ctx, &t->regs, &ev);
	switch (ev.kind) {
	case PLATFORM_EV_SYSCALL:
		t->sysno = ev.sysno;
		t->orig_rax = (uint64_t)ev.sysno;
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
		break;
	case PLATFORM_EV_DEAD:
		group_kill(t->group, SIGKILL);
		break;
	}
}

static void task_run(struct task *t)
{
	current = t;
	t->state = TASK_RUNNING;
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

/* True: there is a task to run. False: the runner should end. */
static bool runner_next(struct runner *r)
{
	unsigned word;

	mutex_lock(&runners_lock);
	if (runners_stopping || nidle >= RUNNERS_IDLE_MAX) {
		mutex_unlock(&runners_lock);
		return false;
	}
	word = atomic_load(&r->word);
	nidle++;
	list_push_front(&runners_idle, &r->link);
	mutex_unlock(&runners_lock);
	while (atomic_load(&r->word) == word)
		(void)park_wait(&r->word, word, PARK_FOREVER);
	return atomic_load(&r->task) != NULL;
}

static void runner_main(void *arg)
{
	struct runner *r = arg;

	do {
		struct task *t = atomic_load(&r->task);

		task_run(t);
		atomic_store(&r->task, NULL);
		task_put(t);
		r->cpu_base_ns = host_thread_cpu_ns();
	} while (runner_next(r));
	mutex_lock(&runners_lock);
	nrunners--;
	atomic_fetch_add(&runners_gone, 1);
	park_wake(&runners_gone, 64);
	host_thread_detach_self(r->thread);
	pool_free(NULL, NULL);
	mutex_unlock(&runners_lock);
}
