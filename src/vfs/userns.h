/* User namespaces: who has capabilities over what. */
#pragma once

#include "vfs/ns.h"

struct user_ns {
	struct ns ns;
	unsigned level;                /* [I] 0: the first */
	uint32_t owner_uid, owner_gid; /* [I] who made it */
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
