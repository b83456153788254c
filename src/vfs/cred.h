/* Credentials: immutable once published; a change swaps in a new object. */
#pragma once

#include <linux/capability.h>

#include "base/refcount.h"
#include "vfs/userns.h"

#define CAP_COUNT 41
#define CAPS_ALL (((uint64_t)1 << CAP_COUNT) - 1)

struct cred {
	struct refcount refs;
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	uint64_t cap_permitted, cap_effective, cap_inheritable, cap_bounding, cap_ambient;
	uint32_t securebits;
	uint32_t ngroups;
	uint32_t *groups;        /* [I] sorted, owned */
	struct user_ns *user_ns; /* reference: where the capabilities count */
};

/* A fresh credential, owned by the caller, to be changed and then published.
 * root: all capabilities. */
struct cred *cred_create(uint32_t uid, uint32_t gid) MUST_CHECK;
struct cred *cred_copy(const struct cred *c) MUST_CHECK;
/* Replaces the supplementary groups (copied, sorted). */
int cred_set_groups(struct cred *c, const uint32_t *groups, uint32_t count) MUST_CHECK;
const struct cred *cred_get(const struct cred *c);
void cred_put(const struct cred *c);
/* In the first user namespace: over what belongs to no other. */
bool cred_has_cap(const struct cred *c, unsigned cap);
/* Over what belongs to that namespace (user_namespaces(7), "Capabilities"). */
bool cred_has_cap_in(const struct cred *c, const struct user_ns *ns, unsigned cap);
/* In its own user namespace. */
static inline bool cred_has_own_cap(const struct cred *c, unsigned cap)
{
	return c->cap_effective >> cap & 1;
}
/* c, not yet published, has all capabilities in ns, and none elsewhere. */
void cred_enter_user_ns(struct cred *c, struct user_ns *ns);
bool cred_in_group(const struct cred *c, uint32_t gid); /* fsgid or supplementary */

/* Ids as programs with these credentials know them: see userns.h. */
static inline uint32_t cred_uid_in(const struct cred *c, uint32_t uid)
{
	return user_ns_id_in(c->user_ns, ID_UID, uid);
}

static inline uint32_t cred_gid_in(const struct cred *c, uint32_t gid)
{
	return user_ns_id_in(c->user_ns, ID_GID, gid);
}

static inline uint32_t cred_uid_out(const struct cred *c, uint32_t kuid)
{
	return user_ns_id_out(c->user_ns, ID_UID, kuid);
}

static inline uint32_t cred_gid_out(const struct cred *c, uint32_t kgid)
{
	return user_ns_id_out(c->user_ns, ID_GID, kgid);
}

/* What uid 0 of its namespace is, ID_INVALID when that has none. */
static inline uint32_t cred_root_uid(const struct cred *c)
{
	return cred_uid_in(c, 0);
}
