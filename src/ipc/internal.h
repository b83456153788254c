/* What the files of ipc/ share. */
#pragma once

#include "ipc/ipc.h"

struct ipc_object;

enum ipc_kind_nr { IPC_KIND_SEM, IPC_KIND_MSG, IPC_KIND_SHM, IPC_KINDS };

/* One kind of objects. */
struct ipc_kind {
	unsigned max; /* objects in a namespace */
	/* It is removed: wakes its waiters. Its lock is held. NULL: nothing to do. */
	void (*cut_locked)(struct ipc_object *o);
	void (*destroy)(struct ipc_object *o); /* the last reference went */
};
extern const struct ipc_kind sem_kind, msg_kind, shm_kind;

/* Those of one kind in one namespace; lives as long as it and its objects. */
struct ipc_table {
	struct refcount refs;
	struct mutex lock;
	const struct ipc_kind *kind; /* [I] */
	struct ipc_object **slots;   /* [l] */
	unsigned nslots, used;       /* [l] */
	bool made_any;               /* [l] */
	unsigned last_index, seq;    /* [l] of the last one made */
};
/* The caller's, borrowed. */
struct ipc_table *ipc_table_of(enum ipc_kind_nr kind);

/* Embedded first in each kind's own object. */
struct ipc_object {
	struct refcount refs; /* the table's, and callers' */
	struct mutex lock;
	struct ipc_table *table;  /* [I] reference */
	atomic_bool removed;      /* changes under lock */
	int id;                   /* [I] */
	int32_t key;              /* [o] changes under the table's lock too */
	uint32_t uid, gid, mode;  /* [o] */
	uint32_t cuid, cgid, seq; /* [I] */
	int64_t ctime;            /* [o] seconds */
};

/* What is to be made when there is none. */
struct ipc_maker {
	/* A fresh object, zeroed but for its own fields. -ENOSPC, -ENOMEM. */
	int (*make)(const void *arg, struct ipc_object **out);
	/* May this one be had instead? -EINVAL. NULL: any. */
	int (*fits)(const struct ipc_object *o, const void *arg);
	const void *arg;
};

/* The id of the object with this key, made as flags say: shmget and its like. */
int ipc_get(struct ipc_table *tab, struct task *t, int32_t key, int flags,
	    const struct ipc_maker *maker);
/* With a reference; by_index: whatever is at that id's place. -EINVAL, or -EIDRM for an id that is
 * out of date. */
int ipc_find(struct ipc_table *tab, int id, bool by_index, struct ipc_object **out) MUST_CHECK;
void ipc_put(struct ipc_object *o);
/* Is t allowed what the bits of want (0444, 0222) say? 0 or -EACCES. => o->lock */
int ipc_permission(struct task *t, const struct ipc_object *o, unsigned want);
/* May it change or remove it? 0 or -EPERM. => o->lock */
int ipc_is_owner(struct task *t, const struct ipc_object *o);
/* Found, locked, allowed and not removed; -EIDRM. Undo with ipc_unlock_put(). */
int ipc_use(struct ipc_table *tab, struct task *t, int id, unsigned want, struct ipc_object **out)
	MUST_CHECK;
void ipc_unlock_put(struct ipc_object *o);
/* With no lock held. False: somebody else did. */
bool ipc_take_out(struct ipc_object *o) MUST_CHECK;
/* IPC_RMID: takes it out of the table and cuts it. -EPERM, -EIDRM. */
int ipc_remove(struct ipc_table *tab, struct task *t, int id) MUST_CHECK;
/* The highest place in use. */
int ipc_last_index(struct ipc_table *tab);
void ipc_fill_perm(const struct ipc_object *o, struct abi_ipc_perm *out); /* => o->lock */
/* Owner and mode, by IPC_SET. -EPERM, -EINVAL. => o->lock */
int ipc_set_perm(struct task *t, struct ipc_object *o, const struct abi_ipc_perm *perm) MUST_CHECK;
int64_t ipc_now(void);
