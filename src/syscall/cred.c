/* User and group ids, capabilities (credentials(7), capabilities(7)). */
#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/sched.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

#define CAP_SETGID_NR 6
#define CAP_SETUID_NR 7
#define SECBIT_NO_SETUID_FIXUP 4u
#define SECBIT_KEEP_CAPS 16u
#define KEEP ((uint32_t)-1)

/* Capabilities that go with the file system uid. */
#define CAP(c) ((uint64_t)1 << (c))
#define CAPS_FS                                                                               \
	(CAP(CAP_CHOWN) | CAP(CAP_MKNOD) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_DAC_READ_SEARCH) | \
	 CAP(CAP_FOWNER) | CAP(CAP_FSETID) | CAP(CAP_LINUX_IMMUTABLE) | CAP(CAP_MAC_OVERRIDE))

SYSCALL(getuid)
{
	return cred_uid_out(t->cred, t->cred->uid);
}

SYSCALL(geteuid)
{
	return cred_uid_out(t->cred, t->cred->euid);
}

SYSCALL(getgid)
{
	return cred_gid_out(t->cred, t->cred->gid);
}

SYSCALL(getegid)
{
	return cred_gid_out(t->cred, t->cred->egid);
}

static long put_three(struct task *t, const struct sysargs *args, uint32_t a, uint32_t b,
		      uint32_t c)
{
	int r = syscall_copy_out(t, args->a[0], &a, sizeof(a));

	if (r == 0)
		r = syscall_copy_out(t, args->a[1], &b, sizeof(b));
	return r < 0 ? r : syscall_copy_out(t, args->a[2], &c, sizeof(c));
}

SYSCALL(getresuid)
{
	const struct cred *c = t->cred;

	return put_three(t, args, cred_uid_out(c, c->uid), cred_uid_out(c, c->euid),
			 cred_uid_out(c, c->suid));
}

SYSCALL(getresgid)
{
	const struct cred *c = t->cred;

	return put_three(t, args, cred_gid_out(c, c->gid), cred_gid_out(c, c->egid),
			 cred_gid_out(c, c->sgid));
}

/* Capabilities follow the user ids to and from 0. */
static void fix_caps(struct cred *c, const struct cred *old)
{
	uint32_t root = cred_root_uid(c);
	bool was_root = old->uid == root || old->euid == root || old->suid == root;
	bool is_root = c->uid == root || c->euid == root || c->suid == root;

	if (c->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (was_root && !is_root) {
		if (!(c->securebits & SECBIT_KEEP_CAPS)) {
			c->cap_permitted = 0;
			c->cap_effective = 0;
		}
		c->cap_ambient = 0;
	}
	if (old->euid == root && c->euid != root)
		c->cap_effective = 0;
	if (old->euid != root && c->euid == root)
		c->cap_effective = c->cap_permitted;
}

static void fix_fs_caps(struct cred *c, uint32_t was)
{
	if (c->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (was == cred_root_uid(c) && c->fsuid != cred_root_uid(c))
		c->cap_effective &= ~CAPS_FS;
	else if (was != cred_root_uid(c) && c->fsuid == cred_root_uid(c))
		c->cap_effective |= c->cap_permitted & CAPS_FS;
}

static bool gains_or_changes(const struct cred *c, const struct cred *old)
{
	return c->euid != old->euid || c->egid != old->egid || c->fsuid != old->fsuid ||
	       c->fsgid != old->fsgid || (c->cap_permitted & ~old->cap_permitted);
}

/* Takes c. Who changed what he may do can no longer be looked into by his former
 * self, and no death of a parent is signalled to him. */
static long publish(struct task *t, struct cred *c)
{
	if (gains_or_changes(c, t->cred)) {
		mutex_lock(&t->group->lock);
		t->group->dumpable = false;
		mutex_unlock(&t->group->lock);
		__atomic_store_n(&t->pdeath_signal, 0, __ATOMIC_RELAXED);
	}
	task_cred_set(t, c);
	return 0;
}

static long publish_uids(struct task *t, struct cred *c)
{
	fix_caps(c, t->cred);
	return publish(t, c);
}

static bool known_uid(const struct cred *c, uint32_t id)
{
	return id == KEEP || id == c->uid || id == c->euid || id == c->suid;
}

static bool known_gid(const struct cred *c, uint32_t id)
{
	return id == KEEP || id == c->gid || id == c->egid || id == c->sgid;
}

/* The ids that a program gives, but for KEEP. -EINVAL: one that means nothing here. */
static int ids_in(const struct cred *c, enum id_kind kind, uint32_t *ids, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (ids[i] == KEEP)
			continue;
		ids[i] = user_ns_id_in(c->user_ns, kind, ids[i]);
		if (ids[i] == ID_INVALID)
			return -EINVAL;
	}
	return 0;
}

SYSCALL(setuid)
{
	const struct cred *old = t->cred;
	uint32_t id = cred_uid_in(old, (uint32_t)args->a[0]);
	bool may = cred_has_own_cap(old, CAP_SETUID_NR);
	struct cred *c;

	if (id == KEEP)
		return -EINVAL;
	if (!may && id != old->uid && id != old->suid)
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (may)
		c->uid = c->suid = id;
	c->euid = c->fsuid = id;
	return publish_uids(t, c);
}

SYSCALL(setgid)
{
	const struct cred *old = t->cred;
	uint32_t id = cred_gid_in(old, (uint32_t)args->a[0]);
	bool may = cred_has_own_cap(old, CAP_SETGID_NR);
	struct cred *c;

	if (id == KEEP)
		return -EINVAL;
	if (!may && id != old->gid && id != old->sgid)
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (may)
		c->gid = c->sgid = id;
	c->egid = c->fsgid = id;
	return publish(t, c);
}

SYSCALL(setresuid)
{
	uint32_t id[] = { (uint32_t)args->a[0], (uint32_t)args->a[1], (uint32_t)args->a[2] };
	const struct cred *old = t->cred;
	int bad = ids_in(old, ID_UID, id, ARRAY_SIZE(id));
	uint32_t r = id[0], e = id[1], s = id[2];
	struct cred *c;

	if (bad < 0)
		return bad;
	if (!cred_has_own_cap(old, CAP_SETUID_NR) &&
	    !(known_uid(old, r) && known_uid(old, e) && known_uid(old, s)))
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (r != KEEP)
		c->uid = r;
	if (e != KEEP)
		c->euid = e;
	if (s != KEEP)
		c->suid = s;
	c->fsuid = c->euid;
	return publish_uids(t, c);
}

SYSCALL(setresgid)
{
	uint32_t id[] = { (uint32_t)args->a[0], (uint32_t)args->a[1], (uint32_t)args->a[2] };
	const struct cred *old = t->cred;
	int bad = ids_in(old, ID_GID, id, ARRAY_SIZE(id));
	uint32_t r = id[0], e = id[1], s = id[2];
	struct cred *c;

	if (bad < 0)
		return bad;
	if (!cred_has_own_cap(old, CAP_SETGID_NR) &&
	    !(known_gid(old, r) && known_gid(old, e) && known_gid(old, s)))
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (r != KEEP)
		c->gid = r;
	if (e != KEEP)
		c->egid = e;
	if (s != KEEP)
		c->sgid = s;
	c->fsgid = c->egid;
	return publish(t, c);
}

SYSCALL(setreuid)
{
	uint32_t id[] = { (uint32_t)args->a[0], (uint32_t)args->a[1] };
	const struct cred *old = t->cred;
	int bad = ids_in(old, ID_UID, id, ARRAY_SIZE(id));
	uint32_t r = id[0], e = id[1];
	struct cred *c;

	if (bad < 0)
		return bad;
	if (!cred_has_own_cap(old, CAP_SETUID_NR) &&
	    (!(r == KEEP || r == old->uid || r == old->euid) || !known_uid(old, e)))
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (r != KEEP)
		c->uid = r;
	if (e != KEEP)
		c->euid = e;
	if (r != KEEP || (e != KEEP && e != old->uid))
		c->suid = c->euid;
	c->fsuid = c->euid;
	return publish_uids(t, c);
}

SYSCALL(setregid)
{
	uint32_t id[] = { (uint32_t)args->a[0], (uint32_t)args->a[1] };
	const struct cred *old = t->cred;
	int bad = ids_in(old, ID_GID, id, ARRAY_SIZE(id));
	uint32_t r = id[0], e = id[1];
	struct cred *c;

	if (bad < 0)
		return bad;
	if (!cred_has_own_cap(old, CAP_SETGID_NR) &&
	    (!(r == KEEP || r == old->gid || r == old->egid) || !known_gid(old, e)))
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	if (r != KEEP)
		c->gid = r;
	if (e != KEEP)
		c->egid = e;
	if (r != KEEP || (e != KEEP && e != old->gid))
		c->sgid = c->egid;
	c->fsgid = c->egid;
	return publish(t, c);
}

SYSCALL(setfsuid)
{
	uint32_t id = cred_uid_in(t->cred, (uint32_t)args->a[0]), was = t->cred->fsuid;
	uint32_t shown = cred_uid_out(t->cred, was);
	struct cred *c;

	if (id == KEEP ||
	    !(known_uid(t->cred, id) || id == was || cred_has_own_cap(t->cred, CAP_SETUID_NR)))
		return shown;
	c = cred_copy(t->cred);
	if (c) {
		c->fsuid = id;
		fix_fs_caps(c, was);
		(void)publish(t, c);
	}
	return shown;
}

SYSCALL(setfsgid)
{
	uint32_t id = cred_gid_in(t->cred, (uint32_t)args->a[0]), was = t->cred->fsgid;
	uint32_t shown = cred_gid_out(t->cred, was);
	struct cred *c;

	if (id == KEEP ||
	    !(known_gid(t->cred, id) || id == was || cred_has_own_cap(t->cred, CAP_SETGID_NR)))
		return shown;
	c = cred_copy(t->cred);
	if (c) {
		c->fsgid = id;
		(void)publish(t, c);
	}
	return shown;
}

SYSCALL(getgroups)
{
	const struct cred *c = t->cred;
	int size = (int)args->a[0];

	if (size < 0 || (size && (uint32_t)size < c->ngroups))
		return -EINVAL;
	for (uint32_t i = 0; size && i < c->ngroups; i++) {
		uint32_t gid = cred_gid_out(c, c->groups[i]);

		if (syscall_copy_out(t, args->a[1] + i * sizeof(gid), &gid, sizeof(gid)) < 0)
			return -EFAULT;
	}
	return (long)c->ngroups;
}

/* Of a list none is KEEP. */
static int ids_in_all(const struct cred *c, uint32_t *gids, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		gids[i] = cred_gid_in(c, gids[i]);
		if (gids[i] == ID_INVALID)
			return -EINVAL;
	}
	return 0;
}

SYSCALL(setgroups)
{
	unsigned count = (unsigned)args->a[0];
	uint32_t *groups;
	struct cred *c;
	int r;

	if (!cred_has_own_cap(t->cred, CAP_SETGID_NR) || !user_ns_may_setgroups(t->cred->user_ns))
		return -EPERM;
	if (count > 65536)
		return -EINVAL;
	groups = calloc(count + 1, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	r = count ? syscall_copy_in(t, groups, args->a[1], count * sizeof(*groups)) : 0;
	if (r == 0)
		r = ids_in_all(t->cred, groups, count);
	c = r == 0 ? cred_copy(t->cred) : NULL;
	if (r == 0 && !c)
		r = -ENOMEM;
	if (r == 0)
		r = cred_set_groups(c, groups, count);
	free(groups);
	if (r == 0)
		return publish(t, c);
	if (c)
		cred_put(c);
	return r;
}

/* ---- capabilities ---- */

static int cap_words(struct task *t, gva_t user, struct abi_cap_header *h, unsigned *words)
{
	uint32_t best = ABI_CAP_VERSION_3;
	int r = syscall_copy_in(t, h, user, sizeof(*h));

	if (r < 0)
		return r;
	if (h->version == ABI_CAP_VERSION_1) {
		*words = 1;
	} else if (h->version == ABI_CAP_VERSION_2 || h->version == ABI_CAP_VERSION_3) {
		*words = 2;
	} else {
		(void)!syscall_copy_out(t, user, &best, sizeof(best));
		return -EINVAL;
	}
	return 0;
}

SYSCALL(capget)
{
	struct abi_cap_data d[2];
	struct abi_cap_header h;
	const struct cred *c;
	struct task *o;
	unsigned words;
	int r = cap_words(t, args->a[0], &h, &words);

	if (r < 0)
		return !args->a[1] && r == -EINVAL ? 0 : r;
	if (h.pid < 0)
		return -EINVAL;
	o = h.pid ? task_find(t, h.pid) : NULL;
	if (h.pid && !o)
		return -ESRCH;
	c = task_cred_get(o ? o : t);
	task_put(o);
	for (int i = 0; i < 2; i++)
		d[i] = (struct abi_cap_data){ (uint32_t)(c->cap_effective >> (32 * i)),
					      (uint32_t)(c->cap_permitted >> (32 * i)),
					      (uint32_t)(c->cap_inheritable >> (32 * i)) };
	cred_put(c);
	return args->a[1] ? syscall_copy_out(t, args->a[1], d, words * sizeof(d[0])) : 0;
}

SYSCALL(capset)
{
	struct abi_cap_data d[2] = { { 0 }, { 0 } };
	struct abi_cap_header h;
	const struct cred *old = t->cred;
	uint64_t eff, perm, inh;
	struct cred *c;
	unsigned words;
	int r = cap_words(t, args->a[0], &h, &words);

	if (r < 0)
		return r;
	if (h.pid && h.pid != t->own_tid)
		return -EPERM;
	r = syscall_copy_in(t, d, args->a[1], words * sizeof(d[0]));
	if (r < 0)
		return r;
	eff = (d[0].effective | (uint64_t)d[1].effective << 32) & CAPS_ALL;
	perm = (d[0].permitted | (uint64_t)d[1].permitted << 32) & CAPS_ALL;
	inh = (d[0].inheritable | (uint64_t)d[1].inheritable << 32) & CAPS_ALL;
	if ((perm & ~old->cap_permitted) || (eff & ~perm))
		return -EPERM;
	if (!cred_has_own_cap(old, CAP_SETPCAP) &&
	    (inh & ~(old->cap_inheritable | old->cap_permitted)))
		return -EPERM;
	if (inh & ~(old->cap_inheritable | old->cap_bounding))
		return -EPERM;
	c = cred_copy(old);
	if (!c)
		return -ENOMEM;
	c->cap_effective = eff;
	c->cap_permitted = perm;
	c->cap_inheritable = inh;
	c->cap_ambient &= perm & inh;
	return publish(t, c);
}
