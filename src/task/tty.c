/* Controlling terminals and job control's rules: see tty.h. */
#include "task/tty.h"

#include "abi/signal.h"
#include "task/internal.h"

void tty_init(struct tty *tty, const struct tty_ops *ops, uint64_t rdev)
{
	tty->ops = ops;
	refcount_init(&tty->refs, 1);
	tty->rdev = rdev;
	tty->sid = tty->pgrp = 0;
}

void tty_get(struct tty *tty)
{
	refcount_get(&tty->refs);
}

void tty_put(struct tty *tty)
{
	if (tty && refcount_put(&tty->refs))
		tty->ops->destroy(tty);
}

struct tty *tty_of_task(struct task *t)
{
	struct tty *tty;

	mutex_lock(&pids_lock);
	tty = t->group->tty;
	if (tty)
		tty_get(tty);
	mutex_unlock(&pids_lock);
	return tty;
}

void tty_of_group(struct thread_group *g, uint64_t *rdev, int32_t *pgrp)
{
	mutex_lock(&pids_lock);
	*rdev = g->tty ? g->tty->rdev : 0;
	*pgrp = g->tty ? (g->tty->pgrp ? g->tty->pgrp : -1) : -1;
	mutex_unlock(&pids_lock);
}

/* ---- whose it is ---- */

static bool is_session_leader(const struct thread_group *g)
{
	return g->sid == g->pid;
}

void group_set_tty_locked(struct thread_group *g, struct tty *tty)
{
	struct tty *old = g->tty;

	mutex_assert_held(&pids_lock);
	if (tty)
		tty_get(tty);
	atomic_store(&g->tty, tty);
	tty_put(old);
}

/* No process of the session has a terminal any more. */
static void session_clear_locked(int32_t sid)
{
	struct pid *p = pid_lookup_locked(sid);

	if (!p)
		return;
	list_for_each(g, &p->session, struct thread_group, session_link)
		group_set_tty_locked(g, NULL);
}

static void take_locked(struct thread_group *g, struct tty *tty)
{
	tty->sid = g->sid;
	WRITE_ONCE(tty->pgrp, g->pgid);
	g->tty_old_pgrp = 0;
	group_set_tty_locked(g, tty);
}

void tty_opened(struct task *t, struct tty *tty)
{
	struct thread_group *g = t->group;

	if (atomic_load(&g->tty) || g->sid != g->pid)
		return;
	mutex_lock(&pids_lock);
	if (is_session_leader(g) && !g->tty && !tty->sid)
		take_locked(g, tty);
	mutex_unlock(&pids_lock);
}

int tty_acquire(struct task *t, struct tty *tty, bool steal, bool may_read)
{
	bool is_admin = cred_has_cap(t->cred, CAP_SYS_ADMIN);
	struct thread_group *g = t->group;
	int r = 0;

	mutex_lock(&pids_lock);
	if (is_session_leader(g) && tty->sid == g->sid)
		goto out;
	if (!is_session_leader(g) || g->tty || (tty->sid && !(steal && is_admin)) ||
	    (!may_read && !is_admin)) {
		r = -EPERM;
		goto out;
	}
	if (tty->sid)
		session_clear_locked(tty->sid);
	take_locked(g, tty);
out:
	mutex_unlock(&pids_lock);
	return r;
}

void tty_give_first(struct kernel *k, struct tty *tty)
{
	mutex_lock(&pids_lock);
	list_for_each(g, &k->init->children, struct thread_group, sibling)
		take_locked(g, tty);
	mutex_unlock(&pids_lock);
}

/* ---- losing it ---- */

static void signal_pgrp_locked(int32_t pgrp, int signo)
{
	struct ksiginfo info = { .signo = signo, .code = SI_KERNEL };
	struct pid *p = pid_lookup_locked(pgrp);

	if (!p)
		return;
	list_for_each(g, &p->pgrp, struct thread_group, pgrp_link)
		(void)signal_send_group(g, &info);
}

/* The session's leader gives its terminal up, or ends with it. */
static void leader_leaves_locked(struct thread_group *g, bool is_exit)
{
	struct tty *tty = g->tty;

	if (tty->pgrp) {
		signal_pgrp_locked(tty->pgrp, SIGHUP);
		if (!is_exit)
			signal_pgrp_locked(tty->pgrp, SIGCONT);
	}
	tty->sid = 0;
	WRITE_ONCE(tty->pgrp, 0);
	session_clear_locked(g->sid);
}

int tty_release(struct task *t, struct tty *tty)
{
	struct thread_group *g = t->group;
	int r = 0;

	mutex_lock(&pids_lock);
	if (g->tty != tty)
		r = -ENOTTY;
	else if (is_session_leader(g))
		leader_leaves_locked(g, false);
	else
		group_set_tty_locked(g, NULL);
	mutex_unlock(&pids_lock);
	return r;
}

/* After a hang-up the group that had the terminal hears of it only when the
 * leader has ended. It is of this session as long as a member is. */
static void tell_old_group_locked(struct thread_group *g)
{
	struct pid *p = g->tty_old_pgrp ? pid_lookup_locked(g->tty_old_pgrp) : NULL;

	if (!p || list_empty(&p->pgrp) ||
	    list_first(&p->pgrp, struct thread_group, pgrp_link)->sid != g->sid)
		return;
	signal_pgrp_locked(g->tty_old_pgrp, SIGHUP);
	signal_pgrp_locked(g->tty_old_pgrp, SIGCONT);
}

void group_tty_end_locked(struct thread_group *g)
{
	mutex_assert_held(&pids_lock);
	if (is_session_leader(g)) {
		if (g->tty)
			leader_leaves_locked(g, true);
		else
			tell_old_group_locked(g);
	}
	group_set_tty_locked(g, NULL);
}

void tty_hang_up(struct tty *tty)
{
	struct ksiginfo hup = { .signo = SIGHUP, .code = SI_KERNEL };
	struct ksiginfo cont = { .signo = SIGCONT, .code = SI_KERNEL };
	struct thread_group *leader;
	struct pid *p;

	mutex_lock(&pids_lock);
	p = tty->sid ? pid_lookup_locked(tty->sid) : NULL;
	leader = p ? p->group : NULL;
	if (leader && leader->sid == tty->sid && !leader->is_zombie) {
		leader->tty_old_pgrp = tty->pgrp;
		(void)signal_send_group(leader, &hup);
		(void)signal_send_group(leader, &cont);
	}
	if (tty->sid)
		session_clear_locked(tty->sid);
	tty->sid = 0;
	WRITE_ONCE(tty->pgrp, 0);
	mutex_unlock(&pids_lock);
}

/* ---- who has it in the foreground ---- */

int tty_signal(struct tty *tty, int signo)
{
	struct ksiginfo info = { .signo = signo, .code = SI_KERNEL };
	int32_t pgrp = READ_ONCE(tty->pgrp);

	return pgrp ? signal_send_pgrp(NULL, pgrp, &info) : -ESRCH;
}

static bool is_mine_locked(struct task *t, struct tty *tty, bool any)
{
	return any || t->group->tty == tty;
}

int32_t tty_get_pgrp(struct task *t, struct tty *tty, bool any)
{
	int32_t r;

	mutex_lock(&pids_lock);
	r = is_mine_locked(t, tty, any) ? tty->pgrp : -ENOTTY;
	mutex_unlock(&pids_lock);
	return r;
}

int32_t tty_get_sid(struct task *t, struct tty *tty, bool any)
{
	int32_t r;

	mutex_lock(&pids_lock);
	r = is_mine_locked(t, tty, any) && tty->sid ? tty->sid : -ENOTTY;
	mutex_unlock(&pids_lock);
	return r;
}

static int set_pgrp_locked(struct thread_group *g, struct tty *tty, int32_t pgrp)
{
	struct pid *p;

	if (g->tty != tty || tty->sid != g->sid)
		return -ENOTTY;
	p = pid_lookup_locked(pgrp);
	if (!p)
		return -ESRCH;
	if (list_empty(&p->pgrp) ||
	    list_first(&p->pgrp, struct thread_group, pgrp_link)->sid != g->sid)
		return -EPERM;
	WRITE_ONCE(tty->pgrp, pgrp);
	return 0;
}

int tty_set_pgrp(struct task *t, struct tty *tty, int32_t pgrp)
{
	int r;

	if (pgrp < 0)
		return -EINVAL;
	mutex_lock(&pids_lock);
	r = set_pgrp_locked(t->group, tty, pgrp);
	mutex_unlock(&pids_lock);
	return r;
}

/* ---- background groups ---- */

static bool does_nothing(struct task *t, int signo)
{
	bool r;

	group_sighand_lock(t->group);
	r = (t->blocked & sigbit(signo)) ||
	    t->group->sighand->action[signo - 1].handler == ABI_SIG_IGN;
	group_sighand_unlock(t->group);
	return r;
}

static int check_locked(struct task *t, struct tty *tty, int signo)
{
	struct thread_group *g = t->group;
	struct pid *p;

	if (g->tty != tty || !tty->pgrp || tty->pgrp == g->pgid)
		return 0;
	if (does_nothing(t, signo))
		return signo == SIGTTIN ? -EIO : 0;
	p = pid_lookup_locked(g->pgid);
	if (!p || pgrp_is_orphaned_locked(p))
		return -EIO;
	signal_pgrp_locked(g->pgid, signo);
	return -ERESTARTSYS;
}

int tty_check(struct task *t, struct tty *tty, int signo)
{
	int32_t pgrp;
	int r;

	if (!t || atomic_load(&t->group->tty) != tty)
		return 0;
	pgrp = READ_ONCE(tty->pgrp);
	if (!pgrp || pgrp == READ_ONCE(t->group->pgid))
		return 0;
	mutex_lock(&pids_lock);
	r = check_locked(t, tty, signo);
	mutex_unlock(&pids_lock);
	return r;
}
