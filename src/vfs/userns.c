/* User namespaces. See userns.h. */
#include "vfs/userns.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/kmem.h"
#include "base/lock.h"
#include "base/pool.h"
#include "vfs/cred.h"

#define EXTENTS_MAX 340 /* as Linux has it */

struct id_map {
	unsigned count;
	struct mapped {
		uint32_t inside; /* in the namespace */
		uint32_t kid;    /* in the first one */
		uint32_t count;
	} extent[];
};

static POOL_DEFINE(user_ns_pool, struct user_ns);

static struct ns *user_ns_above(struct ns *ns)
{
	return ns->owner ? &ns->owner->ns : NULL;
}

static void user_ns_destroy(struct ns *ns)
{
	struct user_ns *u = user_ns_of(ns);

	for (int i = 0; i < 2; i++)
		kmem_free_for(KMEM_TABLES, (void *)(uintptr_t)atomic_load(&u->maps[i]));
	pool_free(&user_ns_pool, u);
}

static const struct ns_ops user_ns_ops = { .kind = NS_USER,
					   .destroy = user_ns_destroy,
					   .parent = user_ns_above };

struct user_ns user_ns_first = {
	.ns = NS_FIRST(&user_ns_ops, NS_INO_USER),
	.allows_setgroups = true,
	.could_setfcap = true,
};

int user_ns_create(const struct cred *cred, struct cred **out)
{
	struct user_ns *parent = cred->user_ns, *u;
	struct cred *c;
	int r;

	*out = NULL;
	if (parent->level > NS_LEVEL_MAX)
		return -ENOSPC;
	if (!user_ns_has_id(parent, ID_UID, cred->euid) ||
	    !user_ns_has_id(parent, ID_GID, cred->egid))
		return -EPERM;
	c = cred_copy(cred);
	u = c ? pool_alloc(&user_ns_pool) : NULL;
	r = u ? ns_init(&u->ns, &user_ns_ops, parent) : -ENOMEM;
	if (r < 0) {
		pool_free(&user_ns_pool, u);
		cred_put(c);
		return r;
	}
	u->level = parent->level + 1;
	u->owner_uid = cred->euid;
	u->owner_gid = cred->egid;
	u->could_setfcap = cred->cap_effective >> CAP_SETFCAP & 1;
	atomic_init(&u->allows_setgroups, atomic_load(&parent->allows_setgroups));
	cred_enter_user_ns(c, u);
	user_ns_put(u);
	*out = c;
	return 0;
}

bool user_ns_is_in(const struct user_ns *inner, const struct user_ns *outer)
{
	while (inner && inner != outer)
		inner = user_ns_parent(inner);
	return inner != NULL;
}

/* ---- ids ---- */

/* -1 + 1 ids from `first` on, as inside (to_kid false: as kids), to the other side. */
static uint32_t translate(const struct user_ns *u, enum id_kind kind, uint32_t first,
			  uint32_t count, bool to_kid)
{
	const struct id_map *map;

	if (first == ID_INVALID)
		return ID_INVALID;
	if (u == &user_ns_first)
		return first;
	map = atomic_load_explicit(&u->maps[kind], memory_order_acquire);
	for (unsigned i = 0; map && i < map->count; i++) {
		const struct mapped *m = &map->extent[i];
		uint32_t from = to_kid ? m->inside : m->kid;

		if (first >= from && (uint64_t)first + count <= (uint64_t)from + m->count)
			return first - from + (to_kid ? m->kid : m->inside);
	}
	return ID_INVALID;
}

uint32_t user_ns_id_in(const struct user_ns *u, enum id_kind kind, uint32_t id)
{
	return translate(u, kind, id, 1, true);
}

uint32_t user_ns_id_find(const struct user_ns *u, enum id_kind kind, uint32_t kid)
{
	return translate(u, kind, kid, 1, false);
}

uint32_t user_ns_id_out(const struct user_ns *u, enum id_kind kind, uint32_t kid)
{
	uint32_t id = user_ns_id_find(u, kind, kid);

	return id == ID_INVALID ? ID_OVERFLOW : id;
}

bool user_ns_has_id(const struct user_ns *u, enum id_kind kind, uint32_t kid)
{
	return user_ns_id_find(u, kind, kid) != ID_INVALID;
}

/* ---- uid_map, gid_map ---- */

bool user_ns_show_extent(const struct user_ns *u, enum id_kind kind, const struct user_ns *reader,
			 unsigned index, struct id_extent *out)
{
	const struct id_map *map = atomic_load_explicit(&u->maps[kind], memory_order_acquire);
	const struct user_ns *above = reader;

	if (u == &user_ns_first) {
		*out = (struct id_extent){ 0, 0, UINT32_MAX };
		return index == 0;
	}
	if (!map || index >= map->count)
		return false;
	if (above == u)
		above = user_ns_parent(u);
	out->inside = map->extent[index].inside;
	out->outside = user_ns_id_find(above, kind, map->extent[index].kid);
	out->count = map->extent[index].count;
	return true;
}

static bool parse_number(const char **at, uint32_t *out)
{
	uint64_t n = 0;

	while (**at == ' ' || **at == '\t')
		(*at)++;
	if (!isdigit((unsigned char)**at))
		return false;
	for (; isdigit((unsigned char)**at); (*at)++) {
		n = n * 10 + (uint64_t)(**at - '0');
		if (n > UINT32_MAX)
			return false;
	}
	*out = (uint32_t)n;
	return **at == ' ' || **at == '\t' || **at == '\n' || **at == '\0';
}

static bool overlaps(uint32_t a, uint32_t b, uint32_t na, uint32_t nb)
{
	return (uint64_t)a < (uint64_t)b + nb && (uint64_t)b < (uint64_t)a + na;
}

static bool fits(const struct id_extent *e, unsigned n, const struct id_extent *all)
{
	if (e->inside == ID_INVALID || e->outside == ID_INVALID || e->count == 0 ||
	    (uint64_t)e->inside + e->count > UINT32_MAX ||
	    (uint64_t)e->outside + e->count > UINT32_MAX)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (overlaps(e->inside, all[i].inside, e->count, all[i].count) ||
		    overlaps(e->outside, all[i].outside, e->count, all[i].count))
			return false;
	}
	return true;
}

/* Lines of three numbers: how many, or -EINVAL. */
static int parse_map(const char *text, struct id_extent *e)
{
	int n = 0;

	while (*text) {
		struct id_extent x;

		if (n == EXTENTS_MAX || !parse_number(&text, &x.inside) ||
		    !parse_number(&text, &x.outside) || !parse_number(&text, &x.count))
			return -EINVAL;
		while (*text == ' ' || *text == '\t')
			text++;
		if (*text == '\n')
			text++;
		else if (*text)
			return -EINVAL;
		if (!fits(&x, (unsigned)n, e))
			return -EINVAL;
		e[n++] = x;
	}
	return n ? n : -EINVAL;
}

/* Id 0 of the parent in a map would let file capabilities made inside count above. */
static bool may_map_root(const struct user_ns *u, const struct id_extent *e, int n,
			 const struct cred *opener)
{
	bool maps_root = false;

	for (int i = 0; i < n; i++)
		maps_root |= e[i].outside == 0;
	if (!maps_root)
		return true;
	if (opener->user_ns == u)
		return u->could_setfcap;
	return cred_has_cap_in(opener, user_ns_parent(u), CAP_SETFCAP);
}

/* Oneself, as whoever one likes; all else needs CAP_SETUID or CAP_SETGID above. */
static bool may_map(const struct user_ns *u, enum id_kind kind, const struct id_extent *e, int n,
		    const struct cred *opener, const struct cred *writer)
{
	const struct user_ns *parent = user_ns_parent(u);
	unsigned cap = kind == ID_UID ? CAP_SETUID : CAP_SETGID;

	if (kind == ID_UID && !may_map_root(u, e, n, opener))
		return false;
	if (n == 1 && e->count == 1 && u->owner_uid == opener->euid) {
		uint32_t kid = user_ns_id_in(parent, kind, e->outside);

		if (kid != ID_INVALID && kind == ID_UID && kid == opener->euid)
			return true;
		if (kid != ID_INVALID && kind == ID_GID && kid == opener->egid &&
		    !atomic_load(&u->allows_setgroups))
			return true;
	}
	return cred_has_cap_in(writer, parent, cap) && cred_has_cap_in(opener, parent, cap);
}

/* -EPERM: the parent has no one map for an extent. */
static int make_map(const struct user_ns *u, enum id_kind kind, const struct id_extent *e, int n,
		    struct id_map **out)
{
	struct id_map *map;

	map = kmem_alloc_for(KMEM_TABLES, sizeof(*map) + (size_t)n * sizeof(map->extent[0]));
	*out = map;
	if (!map)
		return -ENOMEM;
	map->count = (unsigned)n;
	for (int i = 0; i < n; i++) {
		uint32_t kid = translate(user_ns_parent(u), kind, e[i].outside, e[i].count, true);

		if (kid == ID_INVALID) {
			kmem_free_for(KMEM_TABLES, map);
			return -EPERM;
		}
		map->extent[i] = (struct mapped){ e[i].inside, kid, e[i].count };
	}
	return 0;
}

static struct mutex maps_lock = MUTEX_INIT(LOCK_USER); /* of writing maps and setgroups */

static int write_map_locked(struct user_ns *u, enum id_kind kind, const char *text,
			    const struct cred *opener, const struct cred *writer)
{
	struct id_extent e[EXTENTS_MAX];
	struct id_map *map;
	int n, r;

	if (atomic_load(&u->maps[kind]) || !cred_has_cap_in(opener, u, CAP_SYS_ADMIN))
		return -EPERM;
	n = parse_map(text, e);
	if (n < 0)
		return n;
	if (!may_map(u, kind, e, n, opener, writer))
		return -EPERM;
	r = make_map(u, kind, e, n, &map);
	if (r == 0)
		atomic_store_explicit(&u->maps[kind], map, memory_order_release);
	return r;
}

int user_ns_write_map(struct user_ns *u, enum id_kind kind, const char *text,
		      const struct cred *opener, const struct cred *writer)
{
	int r;

	if (u == &user_ns_first || (opener->user_ns != u && opener->user_ns != user_ns_parent(u)))
		return -EPERM;
	mutex_lock(&maps_lock);
	r = write_map_locked(u, kind, text, opener, writer);
	mutex_unlock(&maps_lock);
	return r;
}

/* ---- setgroups ---- */

int user_ns_write_setgroups(struct user_ns *u, const char *text)
{
	bool allow = strncmp(text, "allow", 5) == 0;
	int r = 0;

	if (!allow && strncmp(text, "deny", 4) != 0)
		return -EINVAL;
	for (text += allow ? 5 : 4; *text; text++) {
		if (!isspace((unsigned char)*text))
			return -EINVAL;
	}
	mutex_lock(&maps_lock);
	if (allow)
		r = atomic_load(&u->allows_setgroups) ? 0 : -EPERM;
	else if (atomic_load(&u->maps[ID_GID]) || u == &user_ns_first)
		r = -EPERM;
	else
		atomic_store(&u->allows_setgroups, false);
	mutex_unlock(&maps_lock);
	return r;
}

bool user_ns_may_setgroups(const struct user_ns *u)
{
	return u == &user_ns_first ||
	       (atomic_load(&u->maps[ID_GID]) && atomic_load(&u->allows_setgroups));
}
