/*
 * The reaper: one thread that waits for dead stubs. A stub dies by our kill,
 * by the host (out of memory, somebody's kill -9), or by the guest's own
 * malice; whoever waits for it must learn of it.
 *
 * It marks the address space dead, sets every context's state word to
 * CTX_DEAD, so that no wait on it sleeps, and wakes them.
 */
#include <stdlib.h>
#include <sys/wait.h>

#include "base/log.h"
#include "host/host.h"
#include "host/proc.h"
#include "host/thread.h"
#include "platform/systrap/systrap.h"

struct reaper {
	struct host_thread thread;
	struct systrap *st;
	atomic_bool stop;
};

static void mark_dead_locked(struct space *s)
{
	struct systrap *st = space_systrap(s);

	atomic_store(&s->dead, true);
	mutex_lock(&st->slots_lock);
	list_for_each(c, &s->contexts, struct context, link) {
		atomic_store(&c->hdr->state, CTX_DEAD);
		stub_futex_wake(&c->hdr->state);
	}
	mutex_unlock(&st->slots_lock);
	stub_futex_wake(&s->req->done);
	atomic_store(&s->dead_word, 1);
	park_wake(&s->dead_word, INT32_MAX);
}

/*
 *	zygote_died()                    systrap_create(), at its end
 *	  zygote->dead = true              up = true
 *	  up? broken()                     zygote->dead? fails
 */
static void zygote_died(struct systrap *st)
{
	mark_dead_locked(st->zygote);
	if (!atomic_load(&st->up) || atomic_load(&st->stopping))
		return;
	log_info("systrap: the zygote died; no new address spaces");
	if (st->opt.broken)
		st->opt.broken(st->opt.broken_arg);
}

static void stub_died(struct systrap *st, int32_t pid)
{
	if (st->zygote && st->zygote->pid == pid) {
		zygote_died(st);
		return;
	}
	mutex_lock(&st->lock);
	list_for_each(s, &st->spaces, struct space, link) {
		if (s->pid == pid) {
			mark_dead_locked(s);
			break;
		}
	}
	mutex_unlock(&st->lock);
}

static void reaper_main(void *arg)
{
	struct reaper *rp = arg;
	struct host_child child;

	while (!atomic_load(&rp->stop)) {
		int r;

		/* Look first and reap after: as long as it is a zombie, nobody
		 * can get its pid. */
		r = host_waitid(P_ALL, 0, &child, WEXITED | WNOWAIT);
		if (r < 0)
			break; /* -ECHILD: even the zygote is gone */
		stub_died(rp->st, child.pid);
		r = host_waitid(P_PID, (id_t)child.pid, &child, WEXITED | WNOHANG);
		if (r < 0)
			log_warn("systrap: cannot reap stub %d: %d", child.pid, -r);
	}
}

int reaper_start(struct systrap *st)
{
	struct reaper *rp = calloc(1, sizeof(*rp));
	int r;

	if (!rp)
		return -ENOMEM;
	rp->st = st;
	r = host_thread_create(&rp->thread, "reaper", 64 * 1024, reaper_main, rp);
	if (r < 0) {
		free(rp);
		return r;
	}
	st->reaper = rp;
	return 0;
}

/* The zygote is dead already: waitid() has nothing left to wait for. */
void reaper_stop(struct systrap *st)
{
	struct reaper *rp = st->reaper;

	if (!rp)
		return;
	atomic_store(&rp->stop, true);
	host_thread_join(&rp->thread);
	free(rp);
	st->reaper = NULL;
}
