/* Objects of any kind: see ipc.h. */
#include "ipc/internal.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/kmem.h"

/* An id is a sequence number over the place in the table, so that one of an
 * object that is gone is soon told from its successor's. */
#define INDEX_BITS 15
#define INDEX_MASK ((1 << INDEX_BITS) - 1)
#define SEQ_MAX (INT32_MAX >> INDEX_BITS)

int64_t ipc_now(void)
{
	uint64_t ns = 0;

	(void)task_clock_ns(NULL, CLOCK_REALTIME, &ns);
	return (int64_t)(ns / 1000000000);
}

/* ---- permissions ---- */

int ipc_permission(struct task *t, const struct ipc_object *o, unsigned want)
{
	const struct cred *c = t->cred;
	unsigned granted = o->mode;

	want = (want >> 6 | want >> 3 | want) & 7;
	if (c->euid == o->cuid || c->euid == o->uid)
		granted >>= 6;
	else if (cred_in_group(c, o->cgid) || cred_in_group(c, o->gid))
		granted >>= 3;
	return (want & ~granted) && !cred_has_cap_in(c, task_ns(t, NS_IPC)->owner, CAP_IPC_OWNER)
		       ? -EACCES
		       : 0;
}

int ipc_is_owner(struct task *t, const struct ipc_object *o)
{
	const struct cred *c = t->cred;

	return c->euid == o->cuid || c->euid == o->uid ||
			       cred_has_cap_in(c, task_ns(t, NS_IPC)->owner, CAP_SYS_ADMIN)
		       ? 0
		       : -EPERM;
}

/* As the caller's task knows the ids. */
void ipc_fill_perm(const struct ipc_object *o, struct abi_ipc_perm *out)
{
	const struct cred *c = task_current()->cred;

	*out = (struct abi_ipc_perm){ .key = o->key,
				      .uid = cred_uid_out(c, o->uid),
				      .gid = cred_gid_out(c, o->gid),
				      .cuid = cred_uid_out(c, o->cuid),
				      .cgid = cred_gid_out(c, o->cgid),
				      .mode = o->mode,
				      .seq = (uint16_t)o->seq };
}

int ipc_set_perm(struct task *t, struct ipc_object *o, const struct abi_ipc_perm *perm)
{
	int r = ipc_is_owner(t, o);
	uint32_t uid, gid;

	if (r < 0)
		return r;
	uid = cred_uid_in(t->cred, perm->uid);
	gid = cred_gid_in(t->cred, perm->gid);
	if (uid == ID_INVALID || gid == ID_INVALID)
		return -EINVAL;
	o->uid = uid;
	o->gid = gid;
	o->mode = (o->mode & ~0777u) | (perm->mode & 0777);
	o->ctime = ipc_now();
	return 0;
}

/* ---- the table ---- */

static void table_put(struct ipc_table *tab)
{
	if (refcount_put(&tab->refs)) {
		free(tab->slots);
		kmem_free_for(KMEM_TABLES, tab);
	}
}

void ipc_put(struct ipc_object *o)
{
	struct ipc_table *tab = o->table;

	if (refcount_put(&o->refs)) {
		tab->kind->destroy(o);
		table_put(tab);
	}
}

static int grow_locked(struct ipc_table *tab)
{
	unsigned n = MIN(MAX(tab->nslots * 2, 16u), tab->kind->max);
	struct ipc_object **slots;

	if (n == tab->nslots)
		return -ENOSPC;
	slots = realloc(tab->slots, n * sizeof(struct ipc_object *));
	if (!slots)
		return -ENOMEM;
	memset(slots + tab->nslots, 0, (n - tab->nslots) * sizeof(struct ipc_object *));
	tab->slots = slots;
	tab->nslots = n;
	return 0;
}

/* Takes the reference. */
static int insert_locked(struct ipc_table *tab, struct ipc_object *o)
{
	unsigned i = 0;
	int r;

	while (i < tab->nslots && tab->slots[i])
		i++;
	if (i == tab->nslots) {
		r = grow_locked(tab);
		if (r < 0)
			return r;
	}
	/* A place is taken again only after the number has changed. */
	if (i <= tab->last_index && tab->made_any)
		tab->seq = tab->seq == SEQ_MAX ? 0 : tab->seq + 1;
	tab->made_any = true;
	tab->last_index = i;
	o->seq = tab->seq;
	o->id = (int)(o->seq << INDEX_BITS | i);
	tab->slots[i] = o;
	tab->used++;
	return o->id;
}

static int make_locked(struct ipc_table *tab, struct task *t, int32_t key, int flags,
		       const struct ipc_maker *maker)
{
	struct ipc_object *o;
	int r = maker->make(maker->arg, &o);

	if (r < 0)
		return r;
	refcount_init(&o->refs, 1);
	refcount_get(&tab->refs);
	o->table = tab;
	mutex_init(&o->lock, LOCK_IPC_OBJECT);
	o->key = key;
	o->uid = o->cuid = t->cred->euid;
	o->gid = o->cgid = t->cred->egid;
	o->mode = (unsigned)flags & 0777;
	o->ctime = ipc_now();
	r = insert_locked(tab, o);
	if (r < 0)
		ipc_put(o);
	return r;
}

static int get_old_locked(struct task *t, struct ipc_object *o, int flags,
			  const struct ipc_maker *maker)
{
	int r = 0;

	if ((flags & ABI_IPC_CREAT) && (flags & ABI_IPC_EXCL))
		return -EEXIST;
	if (maker->fits)
		r = maker->fits(o, maker->arg);
	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = ipc_permission(t, o, (unsigned)flags);
	mutex_unlock(&o->lock);
	return r < 0 ? r : o->id;
}

static struct ipc_object *find_key_locked(struct ipc_table *tab, int32_t key)
{
	for (unsigned i = 0; i < tab->nslots; i++) {
		if (tab->slots[i] && tab->slots[i]->key == key)
			return tab->slots[i];
	}
	return NULL;
}

int ipc_get(struct ipc_table *tab, struct task *t, int32_t key, int flags,
	    const struct ipc_maker *maker)
{
	struct ipc_object *o;
	int r;

	mutex_lock(&tab->lock);
	o = key == ABI_IPC_PRIVATE ? NULL : find_key_locked(tab, key);
	if (o)
		r = get_old_locked(t, o, flags, maker);
	else if (key != ABI_IPC_PRIVATE && !(flags & ABI_IPC_CREAT))
		r = -ENOENT;
	else
		r = make_locked(tab, t, key, flags, maker);
	mutex_unlock(&tab->lock);
	return r;
}

int ipc_find(struct ipc_table *tab, int id, bool by_index, struct ipc_object **out)
{
	struct ipc_object *o = NULL;
	unsigned i;
	int r = 0;

	*out = NULL;
	if (id < 0)
		return -EINVAL;
	i = (unsigned)id & INDEX_MASK;
	mutex_lock(&tab->lock);
	if (i < tab->nslots)
		o = tab->slots[i];
	if (!o)
		r = -EINVAL;
	else if (!by_index && o->id != id)
		r = -EIDRM;
	else
		refcount_get(&o->refs);
	mutex_unlock(&tab->lock);
	if (r == 0)
		*out = o;
	return r;
}

LOCKS_UNCHECKED int ipc_use(struct ipc_table *tab, struct task *t, int id, unsigned want,
			    struct ipc_object **out)
{
	struct ipc_object *o;
	int r = ipc_find(tab, id, false, &o);

	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = o->removed ? -EIDRM : ipc_permission(t, o, want);
	if (r < 0) {
		ipc_unlock_put(o);
		return r;
	}
	*out = o;
	return 0;
}

LOCKS_UNCHECKED void ipc_unlock_put(struct ipc_object *o)
{
	mutex_unlock(&o->lock);
	ipc_put(o);
}

bool ipc_take_out(struct ipc_object *o)
{
	struct ipc_table *tab = o->table;
	unsigned i = (unsigned)o->id & INDEX_MASK;
	bool mine;

	mutex_lock(&tab->lock);
	mine = tab->slots[i] == o;
	if (mine) {
		tab->slots[i] = NULL;
		tab->used--;
	}
	mutex_unlock(&tab->lock);
	return mine;
}

static void cut_locked(struct ipc_object *o)
{
	atomic_store(&o->removed, true);
	if (o->table->kind->cut_locked)
		o->table->kind->cut_locked(o);
}

int ipc_remove(struct ipc_table *tab, struct task *t, int id)
{
	struct ipc_object *o;
	int r = ipc_find(tab, id, false, &o);

	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = o->removed ? -EIDRM : ipc_is_owner(t, o);
	mutex_unlock(&o->lock);
	if (r == 0 && !ipc_take_out(o))
		r = -EIDRM;
	if (r < 0)
		goto out_put;
	mutex_lock(&o->lock);
	cut_locked(o);
	mutex_unlock(&o->lock);
	ipc_put(o); /* the table's */
out_put:
	ipc_put(o);
	return r;
}

int ipc_last_index(struct ipc_table *tab)
{
	int last = 0;

	mutex_lock(&tab->lock);
	for (unsigned i = 0; i < tab->nslots; i++) {
		if (tab->slots[i])
			last = (int)i;
	}
	mutex_unlock(&tab->lock);
	return last;
}

/* ---- namespaces ---- */

struct sysv {
	struct ipc_table *table[IPC_KINDS];
};

static const struct ipc_kind *const kinds[IPC_KINDS] = {
	[IPC_KIND_SEM] = &sem_kind,
	[IPC_KIND_MSG] = &msg_kind,
	[IPC_KIND_SHM] = &shm_kind,
};

/* What is in it is removed; attached segments and callers keep theirs. */
static void table_end(struct ipc_table *tab)
{
	for (unsigned i = 0;; i++) {
		struct ipc_object *o = NULL;

		mutex_lock(&tab->lock);
		if (i >= tab->nslots) {
			mutex_unlock(&tab->lock);
			break;
		}
		if (tab->slots[i]) {
			o = tab->slots[i];
			tab->slots[i] = NULL;
			tab->used--;
		}
		mutex_unlock(&tab->lock);
		if (!o)
			continue;
		mutex_lock(&o->lock);
		cut_locked(o);
		mutex_unlock(&o->lock);
		ipc_put(o);
	}
	table_put(tab);
}

static void sysv_destroy(void *part)
{
	struct sysv *s = part;

	for (int i = 0; i < IPC_KINDS; i++) {
		if (s->table[i])
			table_end(s->table[i]);
	}
	kmem_free_for(KMEM_TABLES, s);
}

static int sysv_create(void **out)
{
	struct sysv *s = kmem_zalloc_for(KMEM_TABLES, sizeof(*s));

	*out = s;
	for (int i = 0; s && i < IPC_KINDS; i++) {
		struct ipc_table *tab = kmem_zalloc_for(KMEM_TABLES, sizeof(*tab));

		if (!tab) {
			sysv_destroy(s);
			*out = NULL;
			return -ENOMEM;
		}
		refcount_init(&tab->refs, 1);
		mutex_init(&tab->lock, LOCK_IPC);
		tab->kind = kinds[i];
		s->table[i] = tab;
	}
	return s ? 0 : -ENOMEM;
}

static const struct ipc_part_ops part_ops = { .create = sysv_create, .destroy = sysv_destroy };

struct ipc_table *ipc_table_of(enum ipc_kind_nr kind)
{
	const struct sysv *s = task_ipc_part(task_current(), IPC_SYSV);

	return s->table[kind];
}

static const struct task_ipc_ops ops = {
	.share = sem_undo_share,
	.exit = sem_undo_exit,
};

int ipc_init(struct kernel *k)
{
	k->ipc_ops = &ops;
	return ipc_ns_register(IPC_SYSV, &part_ops);
}
