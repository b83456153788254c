/* Address spaces: stub processes, made from the zygote or taken from the pool. */
#include <linux/sched.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/pool.h"
#include "host/host.h"
#include "host/proc.h"
#include "platform/systrap/systrap.h"

POOL_DEFINE(space_pool, struct space);

#define POOLED_THREADS_MAX 4

int space_alloc(struct systrap *st, struct space **out)
{
	struct space *s = pool_alloc(&space_pool);
	uint32_t answer_slot;
	int r;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->base.impl = &systrap_impl;
	s->base.platform = &st->base;
	list_init(&s->link);
	list_init(&s->pool_link);
	list_init(&s->contexts);
	list_init(&s->parked);
	s->mapper_cpu = PLACED_ANYWHERE;
	mutex_init(&s->lock, LOCK_PLATFORM_AS);
	mutex_lock(&st->slots_lock);
	r = slot_get(&st->requests, &s->slot);
	/* Both files are used alike, so both slots have one number. */
	if (r == 0)
		r = slot_get(&st->answers, &answer_slot);
	mutex_unlock(&st->slots_lock);
	if (r < 0) {
		pool_free(&space_pool, s);
		return r;
	}
	ASSERT(answer_slot == s->slot);
	s->req = slot_addr(&st->requests, s->slot);
	s->ans = slot_addr(&st->answers, s->slot);
	s->req->fd = st->requests.fd;
	s->req->answer_fd = st->answers.fd;
	s->req->ppid = (uint32_t)host_getpid();
	s->req->done_offset = (uint64_t)s->slot * STUB_REQUEST_SIZE + REQ_DONE;
	*out = s;
	return 0;
}

/* The stub is dead, or was never started. */
void space_free(struct space *s)
{
	struct systrap *st = space_systrap(s);

	while (!list_empty(&s->contexts)) {
		struct context *c = list_first(&s->contexts, struct context, link);

		list_del(&c->link);
		context_free(c);
	}
	mutex_lock(&st->lock);
	list_del(&s->link);
	mutex_unlock(&st->lock);
	mutex_lock(&st->slots_lock);
	slot_put(&st->requests, s->slot);
	slot_put(&st->answers, s->slot);
	mutex_unlock(&st->slots_lock);
	pool_free(&space_pool, s);
}

/* The zygote clones a stub: it is our child (CLONE_PARENT), and tells its pid
 * through a page that no guest has. The lock is held until the new process is
 * on the list, so that the reaper can find it. */
static int zygote_clone_locked(struct systrap *st, struct space *s)
{
	struct space *z = st->zygote;
	struct request_op op = {
		.nr = SYS_clone,
		.arg = { CLONE_FILES | CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, 0,
			 st->region + STUB_ANSWER + offsetof(struct answer_page, tid) },
		.kind = OP_CLONE_PROCESS,
	};
	int r;

	z->req->child_request = (uint64_t)s->slot * STUB_REQUEST_SIZE;
	z->req->child_answer = (uint64_t)s->slot * PAGE_SIZE;
	z->ans->tid = 0;
	r = mapper_post_locked(z, &op, 1, NULL);
	if (r < 0)
		return r;
	s->pid = READ_ONCE(z->ans->tid);
	s->mapper_cpu = z->mapper_cpu; /* inherited */
	return s->pid > 0 ? 0 : -EAGAIN;
}

int space_new(struct systrap *st, struct space **out)
{
	struct space *s;
	int r;

	*out = NULL;
	r = space_alloc(st, &s);
	if (r < 0)
		return r;
	mutex_lock(&st->lock);
	mutex_lock(&st->zygote->lock);
	r = zygote_clone_locked(st, s);
	mutex_unlock(&st->zygote->lock);
	if (r == 0)
		list_push_back(&st->spaces, &s->link);
	mutex_unlock(&st->lock);
	if (r < 0) {
		space_free(s);
		return r == -ESRCH ? -EAGAIN : r;
	}
	STAT_INC(st, as_created);
	*out = s;
	return 0;
}

static struct space *pool_take(struct systrap *st)
{
	struct space *s = NULL;

	mutex_lock(&st->lock);
	while (!s && !list_empty(&st->pool)) {
		s = list_first(&st->pool, struct space, pool_link);
		list_del(&s->pool_link);
		st->npool--;
		if (atomic_load(&s->dead)) {
			mutex_unlock(&st->lock);
			space_free(s);
			mutex_lock(&st->lock);
			s = NULL;
		}
	}
	mutex_unlock(&st->lock);
	if (s)
		STAT_INC(st, as_reused);
	return s;
}

int space_create(struct platform *p, struct platform_as **out)
{
	struct systrap *st = systrap_of(p);
	struct space *s = pool_take(st);
	int r = 0;

	*out = NULL;
	if (!s)
		r = space_new(st, &s);
	if (r < 0)
		return r;
	*out = &s->base;
	return 0;
}

int space_clear(struct platform_as *as)
{
	struct space *s = space_of(as);
	struct systrap *st = space_systrap(s);
	struct request_op op = { .nr = SYS_munmap, .arg = { 0, st->region } };
	int r;

	mutex_lock(&s->lock);
	mapper_forget_locked(s);
	r = mapper_post_locked(s, &op, 1, NULL);
	mutex_unlock(&s->lock);
	if (r < 0 && r != -ESRCH) {
		space_kill(as);
		r = -ESRCH;
	}
	return r;
}

void space_kill(struct platform_as *as)
{
	struct space *s = space_of(as);

	/* The pid stays ours until the reaper has seen the death. */
	if (!atomic_exchange(&s->killed, true) && !atomic_load(&s->dead))
		(void)host_kill(s->pid, SIGKILL);
}

void space_wait_dead(struct space *s)
{
	struct systrap *st = space_systrap(s);

	while (!atomic_load(&s->dead_word))
		(void)park_wait(&s->dead_word, 0, PARK_FOREVER);
	/* The reaper marks a stub under this lock: it has done with it. */
	mutex_lock(&st->lock);
	mutex_unlock(&st->lock);
}

/* Healthy, small, and wanted: becomes an empty stub again. */
static bool pool_put(struct space *s)
{
	struct systrap *st = space_systrap(s);
	uint64_t user, sys;
	bool taken = false;

	if (atomic_load(&st->stopping) || atomic_load(&s->dead) || atomic_load(&s->killed) ||
	    s->ncontexts > POOLED_THREADS_MAX || st->npool >= st->opt.pool_max)
		return false;
	if (space_clear(&s->base) < 0)
		return false;
	if (space_usage(&s->base, &user, &sys) == 0)
		s->cpu_base_ns += user + sys;
	mutex_lock(&st->lock);
	if (st->npool < st->opt.pool_max && !atomic_load(&s->dead)) {
		list_push_front(&st->pool, &s->pool_link);
		st->npool++;
		taken = true;
	}
	mutex_unlock(&st->lock);
	return taken;
}

void space_destroy(struct platform_as *as)
{
	struct space *s = space_of(as);

	ASSERT(s->nbound == 0);
	if (pool_put(s))
		return;
	space_kill(as);
	space_wait_dead(s);
	space_free(s);
}

int space_usage(struct platform_as *as, uint64_t *user_ns, uint64_t *sys_ns)
{
	struct space *s = space_of(as);
	struct timespec ts;
	uint64_t ns;
	/* The CPU clock of a process, by its pid: clock_getcpuclockid(3). */
	int r = host_clock_gettime((int)((~(unsigned)s->pid << 3) | 2), &ts);

	*user_ns = *sys_ns = 0;
	if (r < 0)
		return r;
	ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	*user_ns = ns > s->cpu_base_ns ? ns - s->cpu_base_ns : 0;
	return 0;
}
