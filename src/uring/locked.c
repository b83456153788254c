/* See locked.h. Users that have something locked are few: a table of them, by uid,
 * that other users share when it is full. */
#include "uring/locked.h"

#include "base/hash.h"

#define USERS 64

static struct mutex users_lock = MUTEX_INIT(LOCK_URING_POOL);
static uint64_t locked[USERS]; /* [users] pages, by the uid's hash */

static uint64_t *slot(uint32_t uid)
{
	return &locked[hash_u64(uid) % USERS];
}

struct locked_user locked_user_of(const struct task *t)
{
	return (struct locked_user){ !cred_has_cap(t->cred, CAP_IPC_LOCK), t->cred->uid };
}

int locked_charge(const struct locked_user *u, struct task *t, uint64_t pages,
		  struct locked_charge *out)
{
	uint64_t limit = task_limit(t, RLIMIT_MEMLOCK_NR) / PAGE_SIZE, *s;
	int err = 0;

	*out = (struct locked_charge){ 0 };
	if (!u->counts)
		return 0;
	mutex_lock(&users_lock);
	s = slot(u->uid);
	if (pages > limit || *s > limit - pages) {
		err = -ENOMEM;
	} else {
		*s += pages;
		*out = (struct locked_charge){ pages, u->uid };
	}
	mutex_unlock(&users_lock);
	return err;
}

void locked_uncharge(struct locked_charge *c)
{
	if (!c->pages)
		return;
	mutex_lock(&users_lock);
	*slot(c->uid) -= c->pages;
	mutex_unlock(&users_lock);
	c->pages = 0;
}
