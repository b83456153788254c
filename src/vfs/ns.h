/*
 * What all kinds of namespaces share: the contract between those who have them
 * (task/: a task's set; vfs/nsfs.h: files that stand for them) and the folders that
 * know what is in them (mounts here, the others above).
 *
 * A kind embeds struct ns first in its own object. The first of each kind is made at
 * start and lives for ever; any other lives as long as there are references: tasks'
 * sets, open files of nsfs, namespaces below it.
 */
#pragma once

#include "base/base.h"
#include "base/refcount.h"

struct ns;
struct user_ns;

enum ns_kind { NS_CGROUP, NS_IPC, NS_MNT, NS_NET, NS_PID, NS_TIME, NS_USER, NS_UTS, NS_KINDS };

struct ns_ops {
	enum ns_kind kind;
	/* The last reference went: frees it. May sleep. NULL: it is never destroyed. */
	void (*destroy)(struct ns *ns);
	/* The one above, borrowed, or NULL; of kinds that nest (pid, user), else NULL. */
	struct ns *(*parent)(struct ns *ns);
};

struct ns {
	const struct ns_ops *ops; /* first field */
	struct refcount refs;
	uint64_t ino;          /* [I] what programs compare */
	struct user_ns *owner; /* [I] reference: in it capabilities over this one count.
				  Of a user namespace: the one above; NULL: the first */
};

/* The first of its kind, with the number that Linux gives it: static, refs 1. */
#define NS_FIRST(operations, number)                                     \
	{                                                                \
		.ops = (operations), .refs = { .n = 1 }, .ino = (number) \
	}
#define NS_INO_TIME 4026531834u
#define NS_INO_CGROUP 4026531835u
#define NS_INO_PID 4026531836u
#define NS_INO_USER 4026531837u
#define NS_INO_UTS 4026531838u
#define NS_INO_IPC 4026531839u
#define NS_INO_NET 4026531840u
#define NS_INO_MNT 4026531841u

/* One reference, a fresh number. Takes its own reference on owner. -ENOSPC: there are
 * too many of the kind. */
int ns_init(struct ns *ns, const struct ns_ops *ops, struct user_ns *owner) MUST_CHECK;
struct ns *ns_get(struct ns *ns);
/* NULL is allowed. => may sleep when it was the last */
void ns_put(struct ns *ns);
/* "mnt", "user": as /proc/[pid]/ns has them. */
const char *ns_kind_name(enum ns_kind kind);
/* CLONE_NEW*. */
unsigned ns_kind_flag(enum ns_kind kind);
/* How many there may be of each kind in all (/proc/sys/user/max_*_namespaces). */
#define NS_COUNT_MAX 4096
/* How deep those that nest may: -ENOSPC beyond (user_namespaces(7)). */
#define NS_LEVEL_MAX 32
