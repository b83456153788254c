/*
 * A task's namespaces.
 *
 * struct nsproxy is the set that a task is in, one of each kind, as Linux's; tasks that
 * are in the same ones may share it. It is immutable: a change makes another one. The
 * user namespace is not in it but in the credentials (vfs/cred.h). NS_PID is the one
 * that children will be in; the task itself stays in that of its number.
 *
 * task/ knows what is in the UTS namespace; of the others it knows how to copy them,
 * which the folder that they belong to registers. A kind that nobody registered is
 * refused, with EINVAL, as by a kernel that was built without it.
 */
#pragma once

#include "base/lock.h"
#include "vfs/ns.h"
#include "vfs/vfs.h"

struct task;
struct kernel;

struct nsproxy {
	struct refcount refs;
	struct ns *of[NS_KINDS]; /* [I] references; NS_USER: NULL */
};

struct ns_kind_ops {
	struct ns *first; /* everybody's, until they unshare */
	/* A fresh one, in place of `old`: one reference. -ENOSPC, -ENOMEM. NULL: there is
	 * but the first. */
	int (*copy)(struct ns *old, struct user_ns *owner, struct ns **out);
	/* More reasons not to let t join ns (setns(2)); NULL: none. */
	int (*may_join)(struct task *t, struct ns *ns);
};
/* Before tasks run; ops are borrowed for ever. */
void ns_register(enum ns_kind kind, const struct ns_kind_ops *ops);

/* The first task's set: the first of each kind. */
int nsproxy_create_first(struct kernel *k, struct nsproxy **out) MUST_CHECK;
struct nsproxy *nsproxy_get(struct nsproxy *p);
void nsproxy_put(struct nsproxy *p);

/* What t is in (the caller's own task: borrowed until it changes it). */
struct ns *task_ns(struct task *t, enum ns_kind kind);
struct mount_ns *task_mount_ns(struct task *t);
/* What any task is in, with a reference; NULL: it has left. NS_USER too. NS_PID: where its
 * children will be; task_active_ns_get() gives that of its own number. */
struct ns *task_ns_get(struct task *t, enum ns_kind kind);
struct ns *task_active_ns_get(struct task *t, enum ns_kind kind);

/* CLONE_NEW* of all kinds. */
#define NS_FLAGS_ALL                                                                 \
	(CLONE_NEWNS | 0x02000000ull | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET | 0x80ull)

/* What unshare(2) and clone(2) change at once. */
struct ns_change {
	struct nsproxy *proxy; /* NULL: as it was */
	struct fs_context *fs; /* the same */
	struct cred *cred;     /* the same */
};
/* Prepares the namespaces of `flags` (others are ignored) for t itself, or for a child of it;
 * fs is copied when CLONE_FS or CLONE_NEWNS ask for it. -EPERM: no CAP_SYS_ADMIN;
 * -EINVAL: a kind that there is one of only; -ENOSPC, -ENOMEM. */
int ns_change_prepare(struct task *t, uint64_t flags, struct ns_change *c) MUST_CHECK;
/* The caller's task is in them from now on. */
void ns_change_commit(struct task *t, struct ns_change *c);
void ns_change_abort(struct ns_change *c);
/* setns(2): joins one, or (pidfd) those of flags that the task is in. */
struct thread_group;
int task_setns(struct task *t, struct ns *ns) MUST_CHECK;
int task_setns_group(struct task *t, struct thread_group *g, uint64_t flags) MUST_CHECK;
/* Everybody whose root or working directory is `old` has `to` (pivot_root(2)). */
void task_change_roots(struct kernel *k, const struct path *old, const struct path *to);

/* ---- UTS namespaces: uts.c ---- */

#define UTS_NAME_MAX 64
struct uts_ns {
	struct ns ns;
	struct mutex lock;
	char hostname[UTS_NAME_MAX + 1], domainname[UTS_NAME_MAX + 1]; /* [lock] */
};
extern struct uts_ns uts_ns_first;
struct uts_ns *task_uts(struct task *t);

/* ---- IPC namespaces: ipcns.c ---- */

enum ipc_part { IPC_SYSV, IPC_MQUEUE, IPC_PARTS };
struct ipc_part_ops {
	int (*create)(void **out); /* of a fresh namespace. -ENOMEM */
	void (*destroy)(void *part);
};
/* Before tasks run; makes the first namespace's. ops are borrowed for ever. */
int ipc_ns_register(enum ipc_part part, const struct ipc_part_ops *ops) MUST_CHECK;
/* That of the namespace that t is in; NULL: of the first. Borrowed. */
void *task_ipc_part(struct task *t, enum ipc_part part);
