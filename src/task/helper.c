/*
 * Helpers: threads of the kernel that act for a task: they see its memory, its
 * descriptors, its place and its credentials, and belong to its process, but no
 * guest can see them: no number, no signals, no guest code. io_uring's workers are
 * such threads.
 *
 * A helper keeps what it shares alive, so whoever starts one ends it before the
 * task gives these things back (task_ops.uring_leave). One that acts for nobody
 * belongs to pid 1 and has nothing.
 */
#include "abi/errno.h"
#include "task/internal.h"

static void helper_share(struct task *h, struct task *of)
{
	h->mm = of->mm;
	mm_get(h->mm);
	mm_user_add(h->mm);
	h->files = fdtable_get(of->files);
	h->fs = fs_context_get(of->fs);
	h->cred = task_cred_get(of);
	h->nsproxy = task_nsproxy_get(of);
	h->tid = of->tid;
	h->own_tid = of->own_tid;
	h->personality = of->personality;
	atomic_store(&h->no_new_privs, atomic_load(&of->no_new_privs));
	h->nice = of->nice;
}

static void helper_release(struct task *h)
{
	struct mm *mm = h->mm;

	if (!mm)
		return;
	h->mm = NULL;
	mm_user_del(mm);
	mm_put(mm);
	fdtable_put(h->files, h);
	h->files = NULL;
	fs_context_put(h->fs);
	h->fs = NULL;
	nsproxy_put(task_swap_nsproxy(h, NULL));
}

void helper_run(struct task *h)
{
	h->helper.fn(h, h->helper.arg);
	lock_assert_none_held("the end of a helper");
	helper_release(h);
	h->helper.done(h->helper.arg);
}

int task_helper_start(struct kernel *k, struct task *of, const struct task_helper *what,
		      struct task **out)
{
	struct runner *runner;
	struct task *h;
	int r;

	*out = NULL;
	r = task_create(k, of ? of->group : k->init, &h);
	if (r < 0)
		return r;
	r = runner_reserve(&runner);
	if (r < 0)
		goto out_put;
	if (of)
		helper_share(h, of);
	h->helper = *what;
	*out = h; /* before it runs: it may look */
	runner_run(runner, h);
	return 0;

out_put:
	task_put(h);
	return r;
}
