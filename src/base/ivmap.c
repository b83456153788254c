/*
 * The interval map: an AVL tree by segment start. Each node carries what its
 * subtree covers (first, last) and the largest hole inside it (gap):
 *
 *	           n
 *	   L ----/   \---- R
 *	[f  l]  gap1  [s e)  gap2  [f  l]
 *
 *	gap(n) = max(gap(L), s - last(L), first(R) - e, gap(R))
 *
 * Holes before the first and after the last segment belong to no subtree; the
 * searches for room look at them separately.
 *
 * After a change only the path from the changed node to the root can be
 * wrong: repair_upward() walks it, rotates where needed, and stops at the
 * first node that comes out as it was.
 */
#include "base/ivmap.h"

/* Above this many segments debug builds check the neighbours only. */
#define CHECK_ALL_MAX 64

static unsigned height_of(const struct ivnode *n)
{
	return n ? n->height : 0;
}

/* What height, first, last and gap of n must be, given its children. */
static void node_summary(const struct ivnode *n, struct ivnode *sum)
{
	const struct ivnode *l = n->left, *r = n->right;

	sum->height = MAX(height_of(l), height_of(r)) + 1;
	sum->first = l ? l->first : n->start;
	sum->last = r ? r->last : n->end;
	sum->gap = 0;
	if (l)
		sum->gap = MAX(l->gap, n->start - l->last);
	if (r) {
		uint64_t right = MAX(r->gap, r->first - n->end);

		sum->gap = MAX(sum->gap, right);
	}
}

/* Brings n's summary up to date; true when it changed. */
static bool node_update(struct ivnode *n)
{
	struct ivnode sum;

	node_summary(n, &sum);
	if (n->height == sum.height && n->first == sum.first && n->last == sum.last &&
	    n->gap == sum.gap)
		return false;
	n->height = sum.height;
	n->first = sum.first;
	n->last = sum.last;
	n->gap = sum.gap;
	return true;
}

/* Puts `by` (may be NULL) where n hangs from its parent. */
static void replace_child(struct ivmap *m, struct ivnode *n, struct ivnode *by)
{
	struct ivnode *p = n->parent;

	if (!p)
		m->root = by;
	else if (p->left == n)
		p->left = by;
	else
		p->right = by;
	if (by)
		by->parent = p;
}

static struct ivnode *rotate_left(struct ivmap *m, struct ivnode *n)
{
	struct ivnode *r = n->right;

	replace_child(m, n, r);
	n->right = r->left;
	if (n->right)
		n->right->parent = n;
	r->left = n;
	n->parent = r;
	node_update(n);
	node_update(r);
	return r;
}

static struct ivnode *rotate_right(struct ivmap *m, struct ivnode *n)
{
	struct ivnode *l = n->left;

	replace_child(m, n, l);
	n->left = l->right;
	if (n->left)
		n->left->parent = n;
	l->right = n;
	n->parent = l;
	node_update(n);
	node_update(l);
	return l;
}

/* Rotates n's subtree into balance when it leans by two; returns its top. */
static struct ivnode *node_balance(struct ivmap *m, struct ivnode *n)
{
	unsigned lh = height_of(n->left), rh = height_of(n->right);

	if (lh > rh + 1) {
		if (height_of(n->left->left) < height_of(n->left->right))
			rotate_left(m, n->left);
		return rotate_right(m, n);
	}
	if (rh > lh + 1) {
		if (height_of(n->right->right) < height_of(n->right->left))
			rotate_right(m, n->right);
		return rotate_left(m, n);
	}
	return n;
}

static void repair_upward(struct ivmap *m, struct ivnode *n)
{
	while (n) {
		bool changed = node_update(n);
		struct ivnode *top = node_balance(m, n);

		if (!changed && top == n)
			return;
		n = top->parent;
	}
}

static void check_around(const struct ivmap *m, const struct ivnode *n);

void ivmap_init(struct ivmap *m)
{
	*m = (struct ivmap)IVMAP_INIT;
}

int ivmap_insert(struct ivmap *m, struct ivnode *n)
{
	struct ivnode **link = &m->root, *parent = NULL;

	ASSERT(n->start < n->end);
	while (*link) {
		parent = *link;
		if (n->end <= parent->start)
			link = &parent->left;
		else if (n->start >= parent->end)
			link = &parent->right;
		else
			return -EEXIST;
	}
	n->left = NULL;
	n->right = NULL;
	n->parent = parent;
	n->height = 0; /* so that the first update counts as a change */
	*link = n;
	m->count++;
	m->span += n->end - n->start;
	repair_upward(m, n);
	check_around(m, n);
	return 0;
}

/* Takes n, which has two children, out by moving its successor into its place.
 * Returns the lowest node whose subtree changed: repair from there reaches the
 * successor's new place, because `first` changes all along the way. */
static struct ivnode *remove_inner(struct ivmap *m, struct ivnode *n)
{
	struct ivnode *s = n->right, *lowest;

	while (s->left)
		s = s->left;
	lowest = s;
	if (s->parent != n) {
		lowest = s->parent;
		replace_child(m, s, s->right);
		s->right = n->right;
		s->right->parent = s;
	}
	s->left = n->left;
	s->left->parent = s;
	replace_child(m, n, s);
	/* s now heads n's old subtree: with n's summary there, repair sees what
	 * really changed for those above. */
	s->height = n->height;
	s->first = n->first;
	s->last = n->last;
	s->gap = n->gap;
	return lowest;
}

void ivmap_remove(struct ivmap *m, struct ivnode *n)
{
	struct ivnode *lowest = n->parent;

	if (n->left && n->right)
		lowest = remove_inner(m, n);
	else
		replace_child(m, n, n->left ? n->left : n->right);
	m->count--;
	m->span -= n->end - n->start;
	n->left = NULL;
	n->right = NULL;
	n->parent = NULL;
	repair_upward(m, lowest);
	check_around(m, lowest);
}

struct ivnode *ivmap_find(const struct ivmap *m, uint64_t key)
{
	struct ivnode *n = m->root;

	while (n) {
		if (key < n->start)
			n = n->left;
		else if (key >= n->end)
			n = n->right;
		else
			return n;
	}
	return NULL;
}

struct ivnode *ivmap_lower_bound(const struct ivmap *m, uint64_t key)
{
	struct ivnode *n = m->root, *best = NULL;

	while (n) {
		if (n->end > key) {
			best = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct ivnode *ivmap_upper_bound(const struct ivmap *m, uint64_t key)
{
	struct ivnode *n = m->root, *best = NULL;

	while (n) {
		if (n->start <= key) {
			best = n;
			n = n->right;
		} else {
			n = n->left;
		}
	}
	return best;
}

struct ivnode *ivmap_first(const struct ivmap *m)
{
	struct ivnode *n = m->root;

	while (n && n->left)
		n = n->left;
	return n;
}

struct ivnode *ivmap_last(const struct ivmap *m)
{
	struct ivnode *n = m->root;

	while (n && n->right)
		n = n->right;
	return n;
}

struct ivnode *ivmap_next(const struct ivnode *n)
{
	struct ivnode *up;

	if (n->right) {
		up = n->right;
		while (up->left)
			up = up->left;
		return up;
	}
	for (up = n->parent; up && up->right == n; up = up->parent)
		n = up;
	return up;
}

struct ivnode *ivmap_prev(const struct ivnode *n)
{
	struct ivnode *up;

	if (n->left) {
		up = n->left;
		while (up->right)
			up = up->right;
		return up;
	}
	for (up = n->parent; up && up->left == n; up = up->parent)
		n = up;
	return up;
}

bool ivmap_is_gap(const struct ivmap *m, uint64_t start, uint64_t end)
{
	const struct ivnode *n = ivmap_lower_bound(m, start);

	return !n || n->start >= end;
}

static void set_bounds(struct ivmap *m, struct ivnode *n, uint64_t start, uint64_t end)
{
	m->span -= n->end - n->start;
	m->span += end - start;
	n->start = start;
	n->end = end;
	repair_upward(m, n);
}

void ivmap_split(struct ivmap *m, struct ivnode *n, uint64_t at, struct ivnode *back)
{
	int err;

	ASSERT(n->start < at && at < n->end);
	back->start = at;
	back->end = n->end;
	set_bounds(m, n, n->start, at);
	err = ivmap_insert(m, back);
	ASSERT(err == 0);
}

void ivmap_merge(struct ivmap *m, struct ivnode *n, struct ivnode *next)
{
	ASSERT(n->end == next->start);
	ivmap_remove(m, next);
	set_bounds(m, n, n->start, next->end);
	check_around(m, n);
}

void ivmap_resize(struct ivmap *m, struct ivnode *n, uint64_t start, uint64_t end)
{
	const struct ivnode *prev = ivmap_prev(n), *next = ivmap_next(n);

	ASSERT(start < end);
	ASSERT(!prev || prev->end <= start);
	ASSERT(!next || end <= next->start);
	set_bounds(m, n, start, end);
	check_around(m, n);
}

/* ---- by what a segment means ---- */

static int split_at(struct ivmap *m, const struct ivmap_ops *ops, uint64_t at)
{
	struct ivnode *n = ivmap_find(m, at), *back;

	if (!n || n->start == at)
		return 0;
	back = ops->split(m, n, at);
	if (!back)
		return -ENOMEM;
	ivmap_split(m, n, at, back);
	return 0;
}

int ivmap_isolate(struct ivmap *m, const struct ivmap_ops *ops, uint64_t start, uint64_t end)
{
	int err = split_at(m, ops, start);

	return err ? err : split_at(m, ops, end);
}

void ivmap_join(struct ivmap *m, const struct ivmap_ops *ops, uint64_t start, uint64_t end)
{
	struct ivnode *n = ivmap_lower_bound(m, start ? start - 1 : 0);
	struct ivnode *next = n ? ivmap_next(n) : NULL;

	while (next && next->start <= end) {
		if (next->start == n->end && ops->are_alike(n, next)) {
			ivmap_merge(m, n, next);
			ops->free(m, next);
		} else {
			n = next;
		}
		next = ivmap_next(n);
	}
}

struct ivnode *ivmap_walk(const struct ivmap *m, uint64_t *pos, uint64_t end)
{
	struct ivnode *n = *pos < end ? ivmap_lower_bound(m, *pos) : NULL;

	if (!n || n->start >= end)
		return NULL;
	*pos = n->end;
	return n;
}

/* ---- room ---- */

/*
 * A search for room: `size` bytes at a multiple of align inside [lo, hi). Only
 * subtrees with a large enough hole are entered, so that it is O(log n) unless
 * many holes are large enough but none holds an aligned fit.
 */
struct room {
	uint64_t lo, hi, size, align;
	uint64_t found;
};

static bool fits_low(struct room *r, uint64_t from, uint64_t to)
{
	uint64_t start = MAX(from, r->lo), end = MIN(to, r->hi);

	if (add_overflow(start, r->align - 1, &start))
		return false;
	start &= ~(r->align - 1);
	if (start > end || end - start < r->size)
		return false;
	r->found = start;
	return true;
}

static bool fits_high(struct room *r, uint64_t from, uint64_t to)
{
	uint64_t start = MAX(from, r->lo), end = MIN(to, r->hi), at;

	if (end < r->size)
		return false;
	at = (end - r->size) & ~(r->align - 1);
	if (at < start)
		return false;
	r->found = at;
	return true;
}

/* No hole inside n's subtree can hold the request. */
static bool is_hopeless(const struct ivnode *n, const struct room *r)
{
	return !n || n->gap < r->size || n->last <= r->lo || n->first >= r->hi;
}

static bool search_up(const struct ivnode *n, struct room *r)
{
	if (is_hopeless(n, r))
		return false;
	return search_up(n->left, r) || (n->left && fits_low(r, n->left->last, n->start)) ||
	       (n->right && fits_low(r, n->end, n->right->first)) || search_up(n->right, r);
}

static bool search_down(const struct ivnode *n, struct room *r)
{
	if (is_hopeless(n, r))
		return false;
	return search_down(n->right, r) || (n->right && fits_high(r, n->end, n->right->first)) ||
	       (n->left && fits_high(r, n->left->last, n->start)) || search_down(n->left, r);
}

int ivmap_gap_up(const struct ivmap *m, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
		 uint64_t *out)
{
	struct room r = { .lo = lo, .hi = hi, .size = size, .align = align };
	const struct ivnode *root = m->root;
	bool found;

	ASSERT(size && align && !(align & (align - 1)));
	if (!root)
		found = fits_low(&r, 0, UINT64_MAX);
	else
		found = fits_low(&r, 0, root->first) || search_up(root, &r) ||
			fits_low(&r, root->last, UINT64_MAX);
	if (!found)
		return -ENOMEM;
	*out = r.found;
	return 0;
}

int ivmap_gap_down(const struct ivmap *m, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
		   uint64_t *out)
{
	struct room r = { .lo = lo, .hi = hi, .size = size, .align = align };
	const struct ivnode *root = m->root;
	bool found;

	ASSERT(size && align && !(align & (align - 1)));
	if (!root)
		found = fits_high(&r, 0, UINT64_MAX);
	else
		found = fits_high(&r, root->last, UINT64_MAX) || search_down(root, &r) ||
			fits_high(&r, 0, root->first);
	if (!found)
		return -ENOMEM;
	*out = r.found;
	return 0;
}

static void check_node(const struct ivnode *n, const struct ivnode *parent)
{
	struct ivnode sum;
	unsigned lh = height_of(n->left), rh = height_of(n->right);

	ASSERT(n->start < n->end);
	ASSERT(n->parent == parent);
	ASSERT(lh <= rh + 1 && rh <= lh + 1);
	ASSERT(!n->left || n->left->last <= n->start);
	ASSERT(!n->right || n->end <= n->right->first);
	node_summary(n, &sum);
	ASSERT(n->height == sum.height);
	ASSERT(n->first == sum.first && n->last == sum.last);
	ASSERT(n->gap == sum.gap);
}

/* Checks a subtree, its children first; adds up what it holds. */
static void check_subtree(const struct ivnode *n, const struct ivnode *parent, size_t *count,
			  uint64_t *span)
{
	if (!n)
		return;
	check_subtree(n->left, n, count, span);
	check_subtree(n->right, n, count, span);
	check_node(n, parent);
	*count += 1;
	*span += n->end - n->start;
}

void ivmap_check(const struct ivmap *m)
{
	size_t count = 0;
	uint64_t span = 0;

	check_subtree(m->root, NULL, &count, &span);
	ASSERT(count == m->count);
	ASSERT(span == m->span);
}

/* What debug builds check after a change at n: everything in a small map, else
 * the path to the root. */
static void check_around(const struct ivmap *m, const struct ivnode *n)
{
#ifdef NACRE_DEBUG
	if (m->count <= CHECK_ALL_MAX) {
		ivmap_check(m);
		return;
	}
	for (; n; n = n->parent)
		check_node(n, n->parent);
#else
	(void)m;
	(void)n;
#endif
}
