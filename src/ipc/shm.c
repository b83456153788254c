/*
 * Shared memory segments: shmop(2).
 *
 * A segment is a mappable around a shared memory object of mm's, which does the
 * translating; here is counted who maps it. Every vma of it holds a reference.
 * A segment that is to be removed (IPC_RMID) while it is attached loses its key,
 * is found by its id still, and goes with the last attachment:
 *
 *	attached   doomed
 *	  no         no     lives, until it is removed
 *	  yes        no     lives
 *	  yes        yes    lives, until the last one detaches
 *	  no         yes    reap() takes it out of the table
 *
 * shmat() holds a pin while it maps, which counts as an attachment. Pins come under
 * the object's lock and only while the segment is not removed, so reap(), which
 * looks again under that lock, takes nothing away from anybody.
 *
 * Attachments are counted as pieces of address space that were mapped together,
 * as mm reports them: the reverse mappings.
 *
 * Locks: table.lock -> o.lock; maps_lock (LOCK_INODE_MAPS) is taken inside mm's
 * map_lock and takes neither. A vma's reference is dropped without mm's locks, but
 * where another vma of the segment is left, which is_done() sees without locks.
 */
#include <linux/capability.h>
#include <stdio.h>

#include "abi/mman.h"
#include "ipc/internal.h"
#include "mm/mm.h"
#include "task/user.h"

/* [maps] maps_lock */
struct shm_seg {
	struct ipc_object o;
	struct mappable mappable;
	struct mappable *memory; /* [I] a reference */
	struct memfile *memfile; /* [I] */
	uint64_t size;           /* [I] as it was asked for */
	int32_t creator;         /* [I] pid */
	int32_t first_key;       /* [I] the name in /proc/[pid]/maps */
	uint32_t locker;         /* [o] uid that is charged while SHM_LOCKED */
	atomic_bool is_doomed;   /* [a] IPC_RMID */
	atomic_uint pins;        /* [a] shmat() under way; rises under o.lock */
	atomic_bool is_attached; /* [a] maps has entries; changes under maps_lock */
	struct mutex maps_lock;
	struct mapping_set maps; /* [maps] */
	int32_t last_pid;        /* [maps] */
	int64_t atime, dtime;    /* [maps] */
};

static struct shm_seg *seg_of(struct ipc_object *o)
{
	return container_of(o, struct shm_seg, o);
}

static struct shm_seg *seg_of_mappable(struct mappable *m)
{
	return container_of(m, struct shm_seg, mappable);
}

static void uncharge_lock(const struct shm_seg *s, uint32_t uid)
{
	user_uncharge(uid, USER_SHMLOCK, page_up(s->size));
}

static void seg_destroy(struct ipc_object *o)
{
	struct shm_seg *s = seg_of(o);

	if (o->mode & ABI_SHM_LOCKED)
		uncharge_lock(s, s->locker);
	mapping_set_fini(&s->maps);
	s->memory->ops->put(s->memory);
	kmem_free(s);
}

const struct ipc_kind shm_kind = { .max = SHM_SEGMENTS,
				   .cut_locked = NULL,
				   .destroy = seg_destroy };

static struct ipc_table *segs(void)
{
	return ipc_table_of(IPC_KIND_SHM);
}

/* ---- the end of a segment ---- */

static bool is_done(const struct shm_seg *s)
{
	return atomic_load(&s->is_doomed) && !atomic_load(&s->is_attached) &&
	       !atomic_load(&s->pins);
}

/* The caller has a reference. => no lock, if it is done */
static void reap(struct shm_seg *s)
{
	bool mine;

	if (likely(!is_done(s)))
		return;
	mutex_lock(&s->o.lock);
	mine = !s->o.removed && is_done(s);
	if (mine)
		atomic_store(&s->o.removed, true);
	mutex_unlock(&s->o.lock);
	if (mine && ipc_take_out(&s->o))
		ipc_put(&s->o);
}

/* ---- the mappable ---- */

static void seg_get(struct mappable *m)
{
	refcount_get(&seg_of_mappable(m)->o.refs);
}

static void seg_put(struct mappable *m)
{
	struct shm_seg *s = seg_of_mappable(m);

	reap(s);
	ipc_put(&s->o);
}

static int32_t current_pid(void)
{
	const struct task *t = task_current();

	return t ? t->group->pid : 0;
}

static int attach_at(struct shm_seg *s, struct mapping_space *ms, gva_t addr, uint64_t size,
		     fileoff_t off, bool writable)
{
	int r;

	mutex_lock(&s->maps_lock);
	r = mapping_set_add(&s->maps, ms, addr, size, off, writable);
	if (r == 0) {
		atomic_store(&s->is_attached, true);
		s->atime = ipc_now();
		s->last_pid = current_pid();
	}
	mutex_unlock(&s->maps_lock);
	return r;
}

static int seg_add_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
			   fileoff_t off, bool writable)
{
	return attach_at(seg_of_mappable(m), ms, addr, size, off, writable);
}

static int seg_copy_mapping(struct mappable *m, struct mapping_space *ms, gva_t src UNUSED,
			    gva_t dst, uint64_t size, fileoff_t off, bool writable)
{
	return attach_at(seg_of_mappable(m), ms, dst, size, off, writable);
}

static void seg_remove_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr,
			       uint64_t size, fileoff_t off, bool writable)
{
	struct shm_seg *s = seg_of_mappable(m);

	mutex_lock(&s->maps_lock);
	mapping_set_remove(&s->maps, ms, addr, size, off, writable);
	atomic_store(&s->is_attached, !mapping_set_is_empty(&s->maps));
	s->dtime = ipc_now();
	s->last_pid = current_pid();
	mutex_unlock(&s->maps_lock);
}

static int seg_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			 fileoff_t opt_end, int access, struct translation *out, unsigned max,
			 unsigned *count)
{
	struct mappable *mem = seg_of_mappable(m)->memory;

	return mem->ops->translate(mem, start, end, opt_start, opt_end, access, out, max, count);
}

static int seg_punch(struct mappable *m, fileoff_t off, uint64_t size)
{
	struct mappable *mem = seg_of_mappable(m)->memory;

	return mem->ops->punch(mem, off, size);
}

static int seg_sync(struct mappable *m UNUSED, fileoff_t off UNUSED, uint64_t size UNUSED)
{
	return 0;
}

/* The inode is the id, on the device of Linux's own mount for such memory. */
static size_t seg_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	const struct shm_seg *s = seg_of_mappable(m);

	*dev = 1;
	*ino = (uint64_t)s->o.id;
	return (size_t)snprintf(buf, size, "/SYSV%08x (deleted)", (unsigned)s->first_key);
}

static const struct mappable_ops seg_ops = {
	.get = seg_get,
	.put = seg_put,
	.add_mapping = seg_add_mapping,
	.remove_mapping = seg_remove_mapping,
	.copy_mapping = seg_copy_mapping,
	.translate = seg_translate,
	.punch = seg_punch,
	.sync = seg_sync,
	.describe = seg_describe,
};

/* ---- shmget ---- */

struct shm_wish {
	struct task *t;
	uint64_t size;
	int32_t key;
	unsigned flags;
};

/* As of a kernel that has set no huge pages aside. */
static int refuse_huge(const struct shm_wish *w)
{
	unsigned log = w->flags >> ABI_SHM_HUGE_SHIFT & ABI_SHM_HUGE_MASK;
	const struct cred *c = w->t->cred;

	if (log != 0 && log != 21 && log != 30)
		return -EINVAL;
	return cred_has_cap(c, CAP_IPC_LOCK) || cred_in_group(c, 0) ? -ENOMEM : -EPERM;
}

static int check_size(const struct shm_wish *w)
{
	uint64_t limit = memfile_limit(w->t->kernel->memfile);

	if (w->size < 1 || w->size > INT64_MAX - PAGE_SIZE + 1)
		return -EINVAL;
	if (w->flags & ABI_SHM_HUGETLB)
		return refuse_huge(w);
	return !(w->flags & ABI_SHM_NORESERVE) && w->size > limit ? -ENOMEM : 0;
}

static int seg_make(const void *arg, struct ipc_object **out)
{
	const struct shm_wish *w = arg;
	struct shm_seg *s;
	int r = check_size(w);

	if (r < 0)
		return r;
	s = kmem_zalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->memfile = w->t->kernel->memfile;
	r = mm_shmem_create(s->memfile, page_up(w->size), "", &s->memory);
	if (r < 0) {
		kmem_free(s);
		return r;
	}
	s->mappable.ops = &seg_ops;
	s->size = w->size;
	s->creator = w->t->group->pid;
	s->first_key = w->key;
	mutex_init(&s->maps_lock, LOCK_INODE_MAPS);
	mapping_set_init(&s->maps);
	*out = &s->o;
	return 0;
}

static int seg_fits(const struct ipc_object *o, const void *arg)
{
	const struct shm_seg *s = container_of(o, struct shm_seg, o);
	const struct shm_wish *w = arg;

	return w->size > s->size ? -EINVAL : 0;
}

int shm_get(struct task *t, int32_t key, uint64_t size, int flags)
{
	const struct shm_wish w = { t, size, key, (unsigned)flags };
	const struct ipc_maker maker = { seg_make, seg_fits, &w };

	return ipc_get(segs(), t, key, flags, &maker);
}

/* ---- shmat, shmdt ---- */

static int check_address(gva_t *addr, unsigned flags)
{
	if (!*addr)
		return flags & ABI_SHM_REMAP ? -EINVAL : 0;
	if (!(*addr & ~PAGE_MASK))
		return 0;
	if (!(flags & ABI_SHM_RND))
		return -EINVAL;
	*addr &= PAGE_MASK;
	return !*addr && (flags & ABI_SHM_REMAP) ? -EINVAL : 0;
}

static unsigned map_flags(gva_t addr, unsigned flags)
{
	if (!addr)
		return MAP_SHARED;
	return MAP_SHARED | (flags & ABI_SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE);
}

/* With a reference and a pin. */
static int seg_pin(struct task *t, int id, unsigned want, struct shm_seg **out)
{
	struct ipc_object *o;
	int r = ipc_find(segs(), id, false, &o);

	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = o->removed ? -EIDRM : ipc_permission(t, o, want);
	if (r == 0)
		atomic_fetch_add(&seg_of(o)->pins, 1);
	mutex_unlock(&o->lock);
	if (r < 0) {
		ipc_put(o);
		return r;
	}
	*out = seg_of(o);
	return 0;
}

static void seg_unpin(struct shm_seg *s)
{
	atomic_fetch_sub(&s->pins, 1);
	reap(s);
	ipc_put(&s->o);
}

int shm_attach(struct task *t, int id, gva_t addr, int shmflg, gva_t *out)
{
	unsigned flags = (unsigned)shmflg;
	bool writable = !(flags & ABI_SHM_RDONLY);
	struct mm_map_args args = { .max_prot = MAP_R | MAP_X | (writable ? MAP_W : 0) };
	unsigned want = 0444 | (writable ? 0222 : 0) | (flags & ABI_SHM_EXEC ? 0111 : 0);
	struct shm_seg *s;
	int r = check_address(&addr, flags);

	if (r == 0)
		r = seg_pin(t, id, want, &s);
	if (r < 0)
		return r;
	args.addr = addr;
	args.size = s->size;
	args.prot = MAP_R | (writable ? MAP_W : 0) | (flags & ABI_SHM_EXEC ? MAP_X : 0);
	args.flags = map_flags(addr, flags);
	args.mappable = &s->mappable;
	if ((args.flags & MAP_FIXED_NOREPLACE) && addr + s->size < addr)
		r = -EINVAL;
	else
		r = mm_map(t->mm, &args, out);
	seg_unpin(s);
	return r == -EEXIST ? -EINVAL : r;
}

static uint64_t attached_size(const struct mappable *m)
{
	return m->ops == &seg_ops ? page_up(container_of(m, struct shm_seg, mappable)->size) : 0;
}

int shm_detach(struct task *t, gva_t addr)
{
	return mm_detach(t->mm, addr, attached_size);
}

/* ---- shmctl ---- */

int shm_remove(struct task *t, int id)
{
	struct ipc_object *o;
	int r = ipc_find(segs(), id, false, &o);

	if (r < 0)
		return r;
	mutex_lock(&segs()->lock);
	mutex_lock(&o->lock);
	r = o->removed ? -EIDRM : ipc_is_owner(t, o);
	if (r == 0) {
		o->key = ABI_IPC_PRIVATE;
		o->mode |= ABI_SHM_DEST;
		atomic_store(&seg_of(o)->is_doomed, true);
	}
	mutex_unlock(&o->lock);
	mutex_unlock(&segs()->lock);
	reap(seg_of(o));
	ipc_put(o);
	return r;
}

static void fill_locked(struct shm_seg *s, struct abi_shmid *out)
{
	*out = (struct abi_shmid){ .segsz = s->size,
				   .ctime = s->o.ctime,
				   .cpid = pid_out(task_current(), s->creator) };
	ipc_fill_perm(&s->o, &out->perm);
	mutex_lock(&s->maps_lock);
	out->atime = s->atime;
	out->dtime = s->dtime;
	out->lpid = pid_out(task_current(), s->last_pid);
	out->nattch = mapping_set_count(&s->maps);
	mutex_unlock(&s->maps_lock);
}

int shm_stat(struct task *t, int id, bool by_index, bool any, struct abi_shmid *out)
{
	struct ipc_object *o;
	int r = ipc_find(segs(), id, by_index, &o);

	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = o->removed ? -EIDRM : any ? 0 : ipc_permission(t, o, 0444);
	if (r == 0) {
		fill_locked(seg_of(o), out);
		r = by_index ? o->id : 0;
	}
	mutex_unlock(&o->lock);
	ipc_put(o);
	return r;
}

int shm_set_perm(struct task *t, int id, const struct abi_ipc_perm *perm)
{
	struct ipc_object *o;
	int r = ipc_find(segs(), id, false, &o);

	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = o->removed ? -EIDRM : ipc_set_perm(t, o, perm);
	mutex_unlock(&o->lock);
	ipc_put(o);
	return r;
}

/* SHM_LOCK, SHM_UNLOCK: the owner's, within his limit. */
static int may_lock(struct task *t, const struct ipc_object *o, bool lock)
{
	const struct cred *c = t->cred;

	if (cred_has_cap(c, CAP_IPC_LOCK))
		return 0;
	if (c->euid != o->uid && c->euid != o->cuid)
		return -EPERM;
	return lock && !task_limit(t, RLIMIT_MEMLOCK_NR) ? -EPERM : 0;
}

static bool charge_lock(struct task *t, const struct shm_seg *s)
{
	uint64_t limit = task_limit(t, RLIMIT_MEMLOCK_NR);

	if (cred_has_cap(t->cred, CAP_IPC_LOCK))
		limit = UINT64_MAX;
	return user_charge(t->cred->uid, USER_SHMLOCK, page_up(s->size), limit);
}

/* lock: the caller has been charged. *locker loses a charge: -1 for nobody. */
static int set_lock(struct task *t, struct shm_seg *s, bool lock, int64_t *locker)
{
	bool changes;
	int r;

	mutex_lock(&s->o.lock);
	r = s->o.removed ? -EIDRM : may_lock(t, &s->o, lock);
	changes = r == 0 && lock != !!(s->o.mode & ABI_SHM_LOCKED);
	if (lock)
		*locker = changes ? -1 : (int64_t)t->cred->uid;
	else
		*locker = changes ? (int64_t)s->locker : -1;
	if (changes) {
		s->o.mode ^= ABI_SHM_LOCKED;
		s->locker = t->cred->uid;
	}
	mutex_unlock(&s->o.lock);
	return r;
}

int shm_lock(struct task *t, int id, bool lock)
{
	struct ipc_object *o;
	int64_t locker;
	int r = ipc_find(segs(), id, false, &o);

	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = may_lock(t, o, lock);
	mutex_unlock(&o->lock);
	if (r == 0 && lock && !charge_lock(t, seg_of(o)))
		r = -ENOMEM;
	if (r < 0)
		goto out_put;
	r = set_lock(t, seg_of(o), lock, &locker);
	if (locker >= 0)
		uncharge_lock(seg_of(o), (uint32_t)locker);
out_put:
	ipc_put(o);
	return r;
}

int shm_info(struct abi_shminfo *out)
{
	*out = (struct abi_shminfo){
		.shmmax = SHM_SIZE_MAX,
		.shmmin = 1,
		.shmmni = SHM_SEGMENTS,
		.shmseg = SHM_SEGMENTS,
		.shmall = SHM_SIZE_MAX,
	};
	return ipc_last_index(segs());
}

static void add_up(int id UNUSED, const struct abi_shmid *s, uint64_t resident, void *arg)
{
	struct abi_shm_usage *u = arg;

	u->used_ids++;
	u->shm_tot += page_up(s->segsz) >> PAGE_SHIFT;
	u->shm_rss += resident >> PAGE_SHIFT;
}

int shm_usage(struct abi_shm_usage *out)
{
	*out = (struct abi_shm_usage){ 0 };
	shm_for_each(add_up, out);
	return ipc_last_index(segs());
}

void shm_for_each(void (*fn)(int id, const struct abi_shmid *s, uint64_t resident, void *arg),
		  void *arg)
{
	int last = ipc_last_index(segs());

	for (int i = 0; i <= last; i++) {
		struct ipc_object *o;
		struct abi_shmid s;

		if (ipc_find(segs(), i, true, &o) < 0)
			continue;
		mutex_lock(&o->lock);
		fill_locked(seg_of(o), &s);
		mutex_unlock(&o->lock);
		fn(o->id, &s, mm_shmem_resident(seg_of(o)->memory), arg);
		ipc_put(o);
	}
}
