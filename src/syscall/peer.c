/* See peer.h. Credentials of another task are read through a reference: it may
 * change them at any time. */
#include "syscall/peer.h"

struct task *peer_find(struct task *t, int32_t tid)
{
	if (tid < 0)
		return NULL;
	if (tid != 0)
		return task_find(t, tid);
	task_get(t);
	return t;
}

static bool same_ids(const struct cred *mine, const struct cred *theirs)
{
	return mine->uid == theirs->euid && mine->uid == theirs->suid && mine->uid == theirs->uid &&
	       mine->gid == theirs->egid && mine->gid == theirs->sgid && mine->gid == theirs->gid;
}

static bool is_dumpable(struct thread_group *g)
{
	bool r;

	mutex_lock(&g->lock);
	r = g->dumpable;
	mutex_unlock(&g->lock);
	return r;
}

int peer_may_access(struct task *t, struct task *other)
{
	const struct cred *theirs;
	bool ok, is_privileged;

	if (t->group == other->group)
		return 0;
	theirs = task_cred_get(other);
	is_privileged = cred_has_cap_in(t->cred, theirs->user_ns, CAP_SYS_PTRACE);
	ok = same_ids(t->cred, theirs) && t->cred->user_ns == theirs->user_ns &&
	     !(theirs->cap_permitted & ~t->cred->cap_permitted);
	cred_put(theirs);
	return is_privileged || (ok && is_dumpable(other->group)) ? 0 : -EPERM;
}

bool peer_may_schedule(struct task *t, struct task *other)
{
	const struct cred *theirs = task_cred_get(other);
	bool ok = t->cred->euid == theirs->uid || t->cred->euid == theirs->euid ||
		  cred_has_cap_in(t->cred, theirs->user_ns, CAP_SYS_NICE);

	cred_put(theirs);
	return ok;
}
