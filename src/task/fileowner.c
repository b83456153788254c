/* Owners of files: fcntl(2), F_SETOWN. Where a signal goes is looked up by number when
 * it is sent; a process that has got the number since must be one that who set the
 * owner could have signalled. */
#include "abi/errno.h"
#include "task/task.h"

static struct mutex owner_lock = MUTEX_INIT(LOCK_FILE_OWNER);

static bool exists(struct task *t, int32_t pid, int type)
{
	const struct ksiginfo nothing = { .signo = 0 };
	struct thread_group *g;
	struct task *found;

	switch (type) {
	case FILE_OWNER_TID:
		found = pid_find_task(t->kernel, pid);
		task_put(found);
		return found;
	case FILE_OWNER_PID:
		g = pid_find_group(t->kernel, pid);
		group_put(g);
		return g;
	default:
		return signal_send_pgrp(t->kernel, pid, &nothing) != -ESRCH;
	}
}

int file_owner_set(struct task *t, struct file *f, int32_t pid, int type)
{
	struct file_owner o = { .pid = pid_in(t, pid), .type = type };

	pid = o.pid;
	if (pid && !exists(t, pid, type))
		return -ESRCH;
	if (pid) {
		o.uid = t->cred->uid;
		o.euid = t->cred->euid;
	}
	mutex_lock(&owner_lock);
	o.signo = f->owner.signo;
	f->owner = o;
	mutex_unlock(&owner_lock);
	return 0;
}

void file_owner_set_signal(struct file *f, int signo)
{
	mutex_lock(&owner_lock);
	f->owner.signo = signo;
	mutex_unlock(&owner_lock);
}

struct file_owner file_owner_get(const struct file *f)
{
	struct file_owner o;

	mutex_lock(&owner_lock);
	o = f->owner;
	mutex_unlock(&owner_lock);
	return o;
}

static bool may_signal(const struct file_owner *o, struct task *to)
{
	const struct cred *c = task_cred_get(to);
	bool ok = o->euid == 0 || o->euid == c->suid || o->euid == c->uid || o->uid == c->suid ||
		  o->uid == c->uid;

	cred_put(c);
	return ok;
}

static void signal_group(const struct file_owner *o, struct thread_group *g,
			 const struct ksiginfo *info)
{
	struct task *any = group_any_task(g);

	if (any && may_signal(o, any))
		(void)signal_send_group(g, info);
	task_put(any);
}

static void signal_pgrp(struct task *from, const struct file_owner *o, const struct ksiginfo *info)
{
	struct thread_group *g;

	for (int32_t pid = 0; (g = pid_next_group(from->kernel, pid)); group_put(g)) {
		pid = g->pid;
		if (task_getpgid(from, pid) == o->pid)
			signal_group(o, g, info);
	}
}

void file_owner_signal(struct task *from, const struct file_owner *o, int signo)
{
	struct ksiginfo info = { .signo = signo, .code = SI_KERNEL };
	struct kernel *k = from->kernel;
	struct thread_group *g;
	struct task *t;

	switch (o->pid ? (int)o->type : -1) {
	case FILE_OWNER_TID:
		t = pid_find_task(k, o->pid);
		if (t && may_signal(o, t))
			(void)signal_send(t, &info, 0);
		task_put(t);
		break;
	case FILE_OWNER_PID:
		g = pid_find_group(k, o->pid);
		if (g)
			signal_group(o, g, &info);
		group_put(g);
		break;
	case FILE_OWNER_PGRP:
		signal_pgrp(from, o, &info);
		break;
	}
}
