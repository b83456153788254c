/*
 * User namespaces (user_namespaces(7)): who has capabilities over what, and what ids mean.
 *
 * Inside the kernel an id is always what it is in the first user namespace, as Linux's
 * kuid_t. It is translated where it comes from a program or goes to one, by the maps of
 * that program's namespace: user_ns_id_in() and user_ns_id_out(). Id maps are written
 * once and immutable from then on; what a namespace has no map for is nobody's in it
 * (ID_OVERFLOW).
 */
#pragma once

#include "vfs/ns.h"

struct cred;
struct id_map;

enum id_kind { ID_UID, ID_GID };
#define ID_INVALID UINT32_MAX
#define ID_OVERFLOW 65534u

struct user_ns {
	struct ns ns;
	unsigned level;                       /* [I] 0: the first */
	uint32_t owner_uid, owner_gid;        /* [I] who made it */
	bool could_setfcap;                   /* [I] that one had CAP_SETFCAP above */
	atomic_bool allows_setgroups;         /* [a] */
	const struct id_map *_Atomic maps[2]; /* [a] by id_kind; NULL: not yet written */
};

extern struct user_ns user_ns_first;

static inline struct user_ns *user_ns_get(struct user_ns *u)
{
	(void)ns_get(&u->ns);
	return u;
}

static inline struct user_ns *user_ns_parent(const struct user_ns *u)
{
	return u->ns.owner;
}

static inline void user_ns_put(struct user_ns *u)
{
	ns_put(u ? &u->ns : NULL);
}

static inline struct user_ns *user_ns_of(struct ns *ns)
{
	return container_of(ns, struct user_ns, ns);
}

/* A new one for whoever has cred, which gets into it: *out is a copy of cred with all
 * capabilities there. -ENOSPC: too deep, too many; -EPERM: cred's ids mean nothing in its
 * own namespace; -ENOMEM. */
int user_ns_create(const struct cred *cred, struct cred **out) MUST_CHECK;
/* Is `inner` outer, or below it? */
bool user_ns_is_in(const struct user_ns *inner, const struct user_ns *outer);

/* ---- ids ---- */

/* From a program in u: ID_INVALID where it means nothing (and for ID_INVALID). */
uint32_t user_ns_id_in(const struct user_ns *u, enum id_kind kind, uint32_t id);
/* To a program in u: user_ns_id_find() says ID_INVALID when there is none. */
uint32_t user_ns_id_out(const struct user_ns *u, enum id_kind kind, uint32_t kid);
uint32_t user_ns_id_find(const struct user_ns *u, enum id_kind kind, uint32_t kid);
bool user_ns_has_id(const struct user_ns *u, enum id_kind kind, uint32_t kid);

/* ---- the files of /proc/[pid] ---- */

struct id_extent {
	uint32_t inside, outside, count;
};
/* One line of uid_map or gid_map as a reader in `reader` sees it, or false: no more. */
bool user_ns_show_extent(const struct user_ns *u, enum id_kind kind, const struct user_ns *reader,
			 unsigned index, struct id_extent *out);
/* The text of one write by `writer`, with the file that `opener` opened. -EPERM, -EINVAL,
 * -ENOMEM. */
int user_ns_write_map(struct user_ns *u, enum id_kind kind, const char *text,
		      const struct cred *opener, const struct cred *writer) MUST_CHECK;
/* "allow" or "deny". */
int user_ns_write_setgroups(struct user_ns *u, const char *text) MUST_CHECK;
/* May who has all capabilities in u call setgroups(2)? */
bool user_ns_may_setgroups(const struct user_ns *u);
