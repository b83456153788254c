/* See user.h: an account for each uid that has anything, in a small hash. */
#include "task/user.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/pool.h"

#define BUCKETS 64

struct account {
	struct account *next; /* [l] */
	uint32_t uid;
	uint64_t has[USER_RESOURCES]; /* [l] not all 0 */
};

static struct mutex user_lock = MUTEX_INIT(LOCK_USER);
static struct account *buckets[BUCKETS]; /* [l] */
static POOL_DEFINE(account_pool, struct account);

/* Where the account is hung up, or NULL is. */
static struct account **find_locked(uint32_t uid)
{
	struct account **at = &buckets[hash_u64_keyed(uid) % BUCKETS];

	while (*at && (*at)->uid != uid)
		at = &(*at)->next;
	return at;
}

bool user_charge(uint32_t uid, enum user_resource what, uint64_t n, uint64_t limit)
{
	struct account **at;
	bool ok = false;

	mutex_lock(&user_lock);
	at = find_locked(uid);
	if (n > limit || (*at && (*at)->has[what] > limit - n))
		goto out;
	if (!*at) {
		*at = pool_alloc(&account_pool);
		if (!*at)
			goto out;
		(*at)->uid = uid;
	}
	(*at)->has[what] += n;
	ok = true;
out:
	mutex_unlock(&user_lock);
	return ok;
}

static bool is_empty(const struct account *a)
{
	for (int i = 0; i < USER_RESOURCES; i++) {
		if (a->has[i])
			return false;
	}
	return true;
}

void user_uncharge(uint32_t uid, enum user_resource what, uint64_t n)
{
	struct account **at, *a;

	mutex_lock(&user_lock);
	at = find_locked(uid);
	a = *at;
	ASSERT(a && a->has[what] >= n);
	a->has[what] -= n;
	if (is_empty(a)) {
		*at = a->next;
		pool_free(&account_pool, a);
	}
	mutex_unlock(&user_lock);
}

uint64_t user_charged(uint32_t uid, enum user_resource what)
{
	struct account *a;
	uint64_t n;

	mutex_lock(&user_lock);
	a = *find_locked(uid);
	n = a ? a->has[what] : 0;
	mutex_unlock(&user_lock);
	return n;
}
