/* Credentials: immutable once published; a change swaps in a new object. */
#pragma once

#include <linux/capability.h>

#include "base/refcount.h"

struct user_ns;

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
/* c, not yet published, has all capabilities in ns, and none elsewhere. */
void cred_enter_user_ns(struct cred *c, struct user_ns *ns);
bool cred_in_group(const struct cred *c, uint32_t gid); /* fsgid or supplementary */
