/*
 * ipc/: System V semaphores, message queues and shared memory (sysvipc(7)).
 *
 *	ipc.c   objects of any kind: numbers, keys, permissions
 *	sem.c   semaphores, and what a process's end undoes
 *	msg.c   message queues
 *	shm.c   shared memory: what may be attached, and when it goes
 *
 * An object is found by its id in its kind's table and used under its own lock;
 * a removed one may still be held by callers that found it before, who then see
 * `removed`. There is one namespace.
 *
 * Locks: table.lock (LOCK_IPC) -> object.lock (LOCK_IPC_OBJECT). Guest memory is
 * copied with neither held.
 */
#pragma once

#include "abi/ipc.h"
#include "base/kmem.h"
#include "base/list.h"
#include "task/task.h"

#define SEM_PER_SET 32000         /* SEMMSL */
#define SEM_SETS 32000            /* SEMMNI */
#define SEM_ALL 1024000           /* SEMMNS */
#define SEM_OPS 500               /* SEMOPM */
#define SEM_MAX 32767             /* SEMVMX */
#define SEM_ADJ_BYTES (64u << 20) /* of all adjustments to undo; beyond: -ENOSPC */

#define MSG_QUEUES 32000          /* MSGMNI */
#define MSG_SIZE_MAX 8192         /* MSGMAX */
#define MSG_QUEUE_BYTES 16384     /* MSGMNB */
#define MSG_ALL_BYTES (64u << 20) /* of all queues together; beyond: -ENOMEM */

#define SHM_SEGMENTS 4096                      /* SHMMNI */
#define SHM_SIZE_MAX (UINT64_MAX - (1u << 24)) /* SHMMAX, and SHMALL: no limit */

int ipc_init(struct kernel *k) MUST_CHECK;

/* ---- semaphores: semget(2), semop(2), semctl(2) ---- */

int sem_get(struct task *t, int32_t key, int nsems, int flags);
/* deadline_ns: CLOCK_MONOTONIC, or PARK_FOREVER. -EAGAIN, -EINTR, -EIDRM ... */
int sem_op(struct task *t, int id, const struct abi_sembuf *ops, unsigned nops,
	   uint64_t deadline_ns);
int sem_remove(struct task *t, int id);
/* by_index: id is a place in the table (SEM_STAT), any: no permission is needed.
 * The result is the id. */
int sem_stat(struct task *t, int id, bool by_index, bool any, struct abi_semid *out);
int sem_set_perm(struct task *t, int id, const struct abi_ipc_perm *perm);
/* GETVAL, GETPID, GETNCNT, GETZCNT. */
int sem_get_one(struct task *t, int id, int num, int cmd);
int sem_set_one(struct task *t, int id, int num, int val);
/* The values, of *n semaphores: an array that is the caller's to free. */
int sem_get_all(struct task *t, int id, uint16_t **out, unsigned *n);
/* How many SETALL needs, with the permission for it. */
int sem_count(struct task *t, int id);
/* -ERANGE; -EINVAL when n is not the number. */
int sem_set_all(struct task *t, int id, const uint16_t *values, unsigned n);
/* IPC_INFO, or SEM_INFO (used): the highest place in use. */
int sem_info(bool used, struct abi_seminfo *out);

/* What a process would have undone. fork: a child shares it (CLONE_SYSVSEM) or has
 * none; exit, and unshare, undo it when nobody shares it any more. */
int sem_undo_share(struct task *t, struct task *child) MUST_CHECK;
void sem_undo_exit(struct task *t);

/* ---- message queues: msgget(2), msgop(2), msgctl(2) ---- */

int msg_get(struct task *t, int32_t key, int flags);
/* Takes text (kmem_alloc) on success. */
int msg_send(struct task *t, int id, int64_t type, void *text, size_t size, int flags);
/* size: what the caller has room for. *text is the caller's to free; returns how
 * much of it he gets. */
ssize_t msg_receive(struct task *t, int id, size_t size, int64_t type, int flags, int64_t *type_out,
		    void **text);
int msg_remove(struct task *t, int id);
int msg_stat(struct task *t, int id, bool by_index, bool any, struct abi_msqid *out);
int msg_set(struct task *t, int id, const struct abi_msqid *val);
int msg_info(bool used, struct abi_msginfo *out);

/* ---- shared memory: shmget(2), shmop(2), shmctl(2) ---- */

int shm_get(struct task *t, int32_t key, uint64_t size, int flags);
int shm_attach(struct task *t, int id, gva_t addr, int flags, gva_t *out) MUST_CHECK;
int shm_detach(struct task *t, gva_t addr);
/* While it is attached it stays, without its key. */
int shm_remove(struct task *t, int id);
int shm_stat(struct task *t, int id, bool by_index, bool any, struct abi_shmid *out);
int shm_set_perm(struct task *t, int id, const struct abi_ipc_perm *perm);
int shm_lock(struct task *t, int id, bool lock);
/* Both return the highest place in use. */
int shm_info(struct abi_shminfo *out);
int shm_usage(struct abi_shm_usage *out);

/* ---- /proc/sysvipc ---- */

/* Calls fn for each, in order of place. */
void sem_for_each(void (*fn)(int id, const struct abi_semid *s, void *arg), void *arg);
void msg_for_each(void (*fn)(int id, const struct abi_msqid *s, void *arg), void *arg);
/* resident: bytes that hold memory. */
void shm_for_each(void (*fn)(int id, const struct abi_shmid *s, uint64_t resident, void *arg),
		  void *arg);
