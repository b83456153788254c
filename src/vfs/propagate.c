/*
 * Propagation of mounts (mount_namespaces(7), "Shared subtrees").
 *
 * A shared mount belongs to a peer group: a ring (->peers) with a number. What is mounted
 * on one of its mounts is mounted on all. A slave has a master, some mount of the group
 * that it hears of; it may be shared itself, and then its group passes on what comes.
 * Every mount of a group has the same master.
 *
 *	  A ⟷ B          a group: A's and B's mounts are each other's
 *	  ▲
 *	  C ⟷ D          slaves of it, and a group of their own
 *	  ▲
 *	  E              a slave of those, private below
 *
 * What propagates visits group after group, masters first. The copies that it leaves are
 * related as the places are: those in a group are peers, and the slaves of those that
 * the group above got. A group none of whose mounts shows the place gets nothing, and its
 * slaves' copies hear of what the group above it got.
 *
 * mount.copy is, during one propagation, what a mount passes on to its slaves.
 */
#include <errno.h>
#include <sys/mount.h>

#include "vfs/internal.h"

static unsigned last_group; /* [m] */
static uint64_t last_mark;  /* [m] */

static struct mount *next_peer(const struct mount *m)
{
	return list_entry(m->peers.next, struct mount, peers);
}

/* ---- groups ---- */

void propagate_share_locked(struct mount *m)
{
	if (!m->group)
		m->group = ++last_group;
}

static void enslave(struct mount *m, struct mount *master)
{
	list_del(&m->slave_link);
	m->master = master;
	if (master)
		list_push_back(&master->slaves, &m->slave_link);
}

void propagate_copied_locked(struct mount *copy, struct mount *of, bool as_slave)
{
	if (as_slave && of->group) {
		enslave(copy, of);
		return;
	}
	if (of->group) {
		copy->group = of->group;
		list_push_front(&of->peers, &copy->peers);
	}
	enslave(copy, of->master);
}

/* A peer that shows the same part, if there is one: it sees the same. */
static struct mount *heir_of(const struct mount *m)
{
	for (struct mount *p = next_peer(m); p != m; p = next_peer(p)) {
		if (p->root == m->root)
			return p;
	}
	return list_empty(&m->peers) ? m->master : next_peer(m);
}

/* Those who heard of m hear of its heir from now on. */
void propagate_leave_locked(struct mount *m, bool as_slave)
{
	struct mount *heir = heir_of(m);
	bool had_master = m->master != NULL, was_alone = list_empty(&m->peers);

	list_for_each_safe(s, tmp, &m->slaves, struct mount, slave_link)
		enslave(s, heir);
	list_del(&m->peers);
	m->group = 0;
	if (!as_slave)
		enslave(m, NULL);
	else if (!was_alone || had_master)
		enslave(m, heir);
}

/* ---- who hears of it ---- */

static void mark_group(struct mount *m, uint64_t mark)
{
	struct mount *p = m;

	do {
		p->seen = mark;
		p = next_peer(p);
	} while (p != m);
}

/* One mount of each group that hears of dest, dest first, each after its master's. */
static void find_groups(struct mount *dest, struct list *heads)
{
	uint64_t mark = ++last_mark;

	mark_group(dest, mark);
	list_push_back(heads, &dest->work);
	list_for_each(head, heads, struct mount, work) {
		struct mount *p = head;

		do {
			list_for_each(s, &p->slaves, struct mount, slave_link) {
				if (s->seen == mark)
					continue;
				mark_group(s, mark);
				list_push_back(heads, &s->work);
			}
			p = next_peer(p);
		} while (p != head);
	}
}

/* ---- mounting ---- */

struct event {
	struct mount *tree, *parent;
	struct dentry *mountpoint;
	unsigned count;
	struct list *copies;
};

static int copy_to(const struct event *e, struct mount *m, struct mount *from, bool as_slave)
{
	struct path source = { .mount = from, .dentry = from->root };
	struct mount *c;
	int r;

	if (m->ns->nmounts + e->count > MOUNTS_MAX)
		return -ENOSPC;
	r = mount_tree_copy_locked(&source, as_slave ? TREE_SLAVE : 0, &c);
	if (r < 0)
		return r;
	if (as_slave && m->group) {
		for (struct mount *each = c; each; each = mount_next_locked(each, c, false))
			propagate_share_locked(each);
	}
	c->parent = m; /* where it goes to: settled by the caller */
	list_push_back(e->copies, &c->work);
	m->copy = c;
	return 0;
}

/* Copies to the mounts of one group. */
static int propagate_to_group(const struct event *e, struct mount *head)
{
	struct mount *above = head == e->parent ? e->tree : head->master->copy;
	struct mount *own = head == e->parent ? e->tree : NULL, *m = head;
	int r = 0;

	do {
		m->copy = NULL;
		/* A mount without a namespace is a copy under way itself. */
		if (m == e->parent)
			m->copy = e->tree;
		else if (m->ns && dentry_is_ancestor(m->root, e->mountpoint))
			r = copy_to(e, m, own ? own : above, !own);
		if (!own)
			own = m->copy;
		m = next_peer(m);
	} while (r == 0 && m != head);
	do {
		if (!m->copy)
			m->copy = own ? own : above;
		m = next_peer(m);
	} while (m != head);
	return r;
}

static void drop_copies(struct list *copies)
{
	struct list gone = LIST_INIT(gone);

	list_for_each_safe(c, tmp, copies, struct mount, work) {
		list_del(&c->work);
		c->parent = NULL;
		mount_tree_detach_locked(c, &gone);
	}
	mount_put_gone(&gone); /* seen by nobody: nothing sleeps */
}

int propagate_mount_locked(struct mount *tree, struct mount *parent, struct dentry *mountpoint,
			   struct list *copies)
{
	struct event e = { tree, parent, mountpoint, mount_tree_size_locked(tree), copies };
	struct list heads = LIST_INIT(heads);
	int r = 0;

	find_groups(parent, &heads);
	list_for_each_safe(head, tmp, &heads, struct mount, work) {
		list_del(&head->work);
		if (r == 0)
			r = propagate_to_group(&e, head);
	}
	if (r < 0)
		drop_copies(copies);
	return r;
}

/* ---- unmounting ---- */

/* Calls fn for what lies at (parent, mountpoint) in all others that hear of parent, until
 * it says true. */
static bool for_each_twin(struct mount *parent, struct dentry *mountpoint,
			  bool (*fn)(struct mount *twin, void *arg), void *arg)
{
	struct list heads = LIST_INIT(heads);
	bool stop = false;

	find_groups(parent, &heads);
	list_for_each_safe(head, tmp, &heads, struct mount, work) {
		struct mount *m = head;

		list_del(&head->work);
		do {
			struct mount *twin = NULL;

			if (m != parent)
				twin = mount_child_at_locked(m, mountpoint);
			if (twin && !stop)
				stop = fn(twin, arg);
			m = next_peer(m);
		} while (m != head);
	}
	return stop;
}

/* Is all that lies on m going too, but for one mount that covers all of it? */
static bool is_free_to_go(struct mount *m)
{
	list_for_each(c, &m->children, struct mount, sibling) {
		if (!c->is_going && c->mountpoint != m->root)
			return false;
	}
	return true;
}

static bool take_along(struct mount *twin, void *arg)
{
	struct list *going = arg;

	if (!twin->is_going && is_free_to_go(twin)) {
		twin->is_going = true;
		list_push_back(going, &twin->going);
	}
	return false;
}

void propagate_umount_locked(struct list *going)
{
	struct mount *last = list_last(going, struct mount, going);

	list_for_each(m, going, struct mount, going) {
		if (m->parent && mount_is_shared(m->parent))
			(void)for_each_twin(m->parent, m->mountpoint, take_along, going);
		if (m == last) /* what was taken along has no others */
			break;
	}
}

static bool is_twin_busy(struct mount *twin, void *arg UNUSED)
{
	return list_empty(&twin->children) && refcount_read(&twin->refs) > 1;
}

bool propagate_is_busy_locked(struct mount *m)
{
	return mount_is_shared(m->parent) &&
	       for_each_twin(m->parent, m->mountpoint, is_twin_busy, NULL);
}

/* ---- for mountinfo ---- */

static bool is_reachable(const struct mount *m, const struct mount *top)
{
	while (m && m != top)
		m = m->parent;
	return m != NULL;
}

unsigned propagate_dominating_locked(struct mount *m, const struct mount *top)
{
	for (const struct mount *up = m->master; up; up = up->master) {
		const struct mount *p = up;

		do {
			if (p->ns == m->ns && is_reachable(p, top))
				return p->group;
			p = next_peer(p);
		} while (p != up);
	}
	return 0;
}
