/*
 * The interval map against the simplest thing that could be right: an array
 * that says for each address which segment holds it. Segments have a colour:
 * those of the same colour may be joined.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/ivmap.h"
#include "base/testlib_random.h"

#define SPACE 512u
#define NODES 256u
#define NOBODY (-1)

#define COLOURS 3u

struct world {
	struct ivmap map;
	struct ivnode nodes[NODES];
	bool is_used[NODES];
	unsigned colour[NODES];
	int owner[SPACE]; /* the model */
	struct test_random random;
	unsigned max_len;
	unsigned refuse; /* the nth split from now gets no object; 0: none */
};

static unsigned pick(struct world *w, unsigned below)
{
	return test_pick(&w->random, below);
}

static int index_of(const struct world *w, const struct ivnode *n)
{
	return n ? (int)(n - w->nodes) : NOBODY;
}

static void model_set(struct world *w, uint64_t start, uint64_t end, int who)
{
	for (uint64_t at = start; at < end; at++)
		w->owner[at] = who;
}

static bool model_is_gap(const struct world *w, uint64_t start, uint64_t end)
{
	for (uint64_t at = start; at < end; at++) {
		if (w->owner[at] != NOBODY)
			return false;
	}
	return true;
}

static struct ivnode *spare_node(struct world *w)
{
	for (unsigned i = 0; i < NODES; i++) {
		if (!w->is_used[i])
			return &w->nodes[i];
	}
	return NULL;
}

static struct ivnode *random_node(struct world *w)
{
	return ivmap_lower_bound(&w->map, pick(w, SPACE));
}

static void do_insert(struct world *w)
{
	struct ivnode *n = spare_node(w);
	bool is_free;

	if (!n)
		return;
	n->start = pick(w, SPACE - 1);
	n->end = MIN(n->start + 1 + pick(w, w->max_len), (uint64_t)SPACE);
	is_free = model_is_gap(w, n->start, n->end);
	assert_int_equal(ivmap_insert(&w->map, n), is_free ? 0 : -EEXIST);
	if (is_free) {
		w->is_used[index_of(w, n)] = true;
		w->colour[index_of(w, n)] = pick(w, COLOURS);
		model_set(w, n->start, n->end, index_of(w, n));
	}
}

static void do_remove(struct world *w)
{
	struct ivnode *n = random_node(w);

	if (!n)
		return;
	model_set(w, n->start, n->end, NOBODY);
	w->is_used[index_of(w, n)] = false;
	ivmap_remove(&w->map, n);
}

static void do_split(struct world *w)
{
	struct ivnode *n = random_node(w), *back = spare_node(w);

	if (!n || !back || n->end - n->start < 2)
		return;
	ivmap_split(&w->map, n, n->start + 1 + pick(w, (unsigned)(n->end - n->start - 1)), back);
	w->is_used[index_of(w, back)] = true;
	w->colour[index_of(w, back)] = w->colour[index_of(w, n)];
	model_set(w, back->start, back->end, index_of(w, back));
}

static void do_merge(struct world *w)
{
	struct ivnode *n = random_node(w), *next = n ? ivmap_next(n) : NULL;

	if (!next || next->start != n->end)
		return;
	model_set(w, next->start, next->end, index_of(w, n));
	w->is_used[index_of(w, next)] = false;
	ivmap_merge(&w->map, n, next);
}

static void do_resize(struct world *w)
{
	struct ivnode *n = random_node(w), *prev, *next;
	uint64_t lo, hi, start, end;

	if (!n)
		return;
	prev = ivmap_prev(n);
	next = ivmap_next(n);
	lo = prev ? prev->end : 0;
	hi = next ? next->start : SPACE;
	start = lo + pick(w, (unsigned)(hi - lo));
	end = start + 1 + pick(w, (unsigned)(hi - start));
	model_set(w, n->start, n->end, NOBODY);
	ivmap_resize(&w->map, n, start, end);
	model_set(w, start, end, index_of(w, n));
}

/* ---- by colour ---- */

static struct ivnode *colour_split(struct ivmap *m, const struct ivnode *n, uint64_t at)
{
	struct world *w = container_of(m, struct world, map);
	struct ivnode *back = spare_node(w);

	if (!back || (w->refuse && --w->refuse == 0))
		return NULL;
	w->is_used[index_of(w, back)] = true;
	w->colour[index_of(w, back)] = w->colour[index_of(w, n)];
	model_set(w, at, n->end, index_of(w, back));
	return back;
}

static bool colour_alike(const struct ivnode *n, const struct ivnode *next);

static void colour_free(struct ivmap *m, struct ivnode *next)
{
	struct world *w = container_of(m, struct world, map);

	ASSERT(w->is_used[index_of(w, next)]);
	w->is_used[index_of(w, next)] = false;
}

static const struct ivmap_ops colour_ops = { colour_split, colour_alike, colour_free };
static struct world *the_world;

static bool colour_alike(const struct ivnode *n, const struct ivnode *next)
{
	ASSERT(n->end == next->start);
	return the_world->colour[index_of(the_world, n)] ==
	       the_world->colour[index_of(the_world, next)];
}

static void do_isolate(struct world *w)
{
	uint64_t start = pick(w, SPACE), end = start + pick(w, SPACE - (unsigned)start);
	int err;

	w->refuse = pick(w, 8) ? 0 : 1 + pick(w, 2);
	err = ivmap_isolate(&w->map, &colour_ops, start, end);
	w->refuse = 0;
	if (err) {
		assert_int_equal(err, -ENOMEM);
		return;
	}
	assert_true(start == 0 || w->owner[start] == NOBODY ||
		    w->owner[start] != w->owner[start - 1]);
	assert_true(end == 0 || w->owner[end] == NOBODY || w->owner[end] != w->owner[end - 1]);
}

/* In the model: an address belongs to the same segment as the one before it, if
 * both are owned by the same colour and the border between them lies in reach. */
static void do_join(struct world *w)
{
	uint64_t start = pick(w, SPACE), end = start + pick(w, SPACE - (unsigned)start);

	ivmap_join(&w->map, &colour_ops, start, end);
	for (uint64_t at = 1; at < SPACE; at++) {
		int a = w->owner[at - 1], b = w->owner[at];

		if (at < start || at > end || a == NOBODY || b == NOBODY || a == b ||
		    w->colour[a] != w->colour[b])
			continue;
		for (uint64_t i = at; i < SPACE && w->owner[i] == b; i++)
			w->owner[i] = a;
	}
}

/* A walk that removes, cuts and inserts where it stands still sees every
 * address of the range that is owned when it comes by, once. */
static void do_walk(struct world *w)
{
	uint64_t pos = pick(w, SPACE), end = pos + pick(w, SPACE - (unsigned)pos), seen = pos;
	struct ivnode *n, *back;

	while ((n = ivmap_walk(&w->map, &pos, end))) {
		assert_true(n->start < end && n->end > seen && pos == n->end);
		assert_true(n->start <= seen || model_is_gap(w, seen, n->start));
		seen = n->end;
		back = spare_node(w);
		switch (pick(w, 6)) {
		case 0:
			model_set(w, n->start, n->end, NOBODY);
			w->is_used[index_of(w, n)] = false;
			ivmap_remove(&w->map, n);
			break;
		case 1:
			if (!back || n->end - n->start < 2)
				break;
			w->is_used[index_of(w, back)] = true;
			w->colour[index_of(w, back)] = w->colour[index_of(w, n)];
			ivmap_split(&w->map, n, n->start + 1, back);
			model_set(w, back->start, back->end, index_of(w, back));
			break;
		case 2:
			do_insert(w);
			break;
		default:
			break;
		}
	}
	assert_true(seen >= end || model_is_gap(w, seen, end));
}

static void check_lookups(struct world *w)
{
	uint64_t key = pick(w, SPACE), end = key + 1 + pick(w, SPACE - (unsigned)key), at;

	assert_int_equal(index_of(w, ivmap_find(&w->map, key)), w->owner[key]);
	for (at = key; at < SPACE && w->owner[at] == NOBODY; at++)
		;
	assert_int_equal(index_of(w, ivmap_lower_bound(&w->map, key)),
			 at < SPACE ? w->owner[at] : NOBODY);
	for (at = key + 1; at > 0 && w->owner[at - 1] == NOBODY; at--)
		;
	assert_int_equal(index_of(w, ivmap_upper_bound(&w->map, key)),
			 at > 0 ? w->owner[at - 1] : NOBODY);
	assert_int_equal(ivmap_is_gap(&w->map, key, end), model_is_gap(w, key, end));
}

static void check_room(struct world *w)
{
	uint64_t lo = pick(w, SPACE), hi = lo + pick(w, SPACE - (unsigned)lo + 1);
	uint64_t align = 1u << pick(w, 4), size = align * (1 + pick(w, 8));
	uint64_t lowest = UINT64_MAX, highest = UINT64_MAX, got;
	int err;

	for (uint64_t at = (lo + align - 1) & ~(align - 1); at + size <= hi; at += align) {
		if (!model_is_gap(w, at, at + size))
			continue;
		highest = at;
		if (lowest == UINT64_MAX)
			lowest = at;
	}
	err = ivmap_gap_up(&w->map, lo, hi, size, align, &got);
	assert_int_equal(err, lowest == UINT64_MAX ? -ENOMEM : 0);
	assert_true(err != 0 || got == lowest);
	err = ivmap_gap_down(&w->map, lo, hi, size, align, &got);
	assert_int_equal(err, lowest == UINT64_MAX ? -ENOMEM : 0);
	assert_true(err != 0 || got == highest);
}

/* Walks both ways and compares with the model. */
static void check_walk(struct world *w)
{
	const struct ivnode *n = ivmap_last(&w->map);
	size_t count = 0;
	uint64_t at = 0;

	ivmap_for_each(it, &w->map) {
		assert_true(model_is_gap(w, at, it->start));
		for (at = it->start; at < it->end; at++)
			assert_int_equal(w->owner[at], index_of(w, it));
		count++;
	}
	assert_true(model_is_gap(w, at, SPACE));
	assert_int_equal(count, w->map.count);
	for (; n; n = ivmap_prev(n))
		count--;
	assert_int_equal(count, 0);
	ivmap_check(&w->map);
}

static void step(struct world *w)
{
	static void (*const ops[])(struct world *) = {
		do_insert,     do_insert,     do_insert,     do_insert,     do_insert,
		do_insert,     do_remove,     do_remove,     do_split,      do_split,
		do_merge,      do_merge,      do_resize,     do_isolate,    do_walk,
		check_lookups, check_lookups, check_lookups, check_lookups, check_room,
	};

	ops[pick(w, ARRAY_SIZE(ops))](w);
	if (pick(w, 64) == 0)
		do_join(w);
	if (pick(w, 256) == 0)
		check_walk(w);
}

static void run_world(const char *name, unsigned max_len, uint64_t ops)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	the_world = w;
	ivmap_init(&w->map);
	model_set(w, 0, SPACE, NOBODY);
	test_random_init(&w->random, name, ops);
	w->max_len = max_len;
	while (test_random_goes_on(&w->random))
		step(w);
	check_walk(w);
	while (w->map.count > 0)
		do_remove(w);
	assert_null(w->map.root);
	assert_int_equal(w->map.span, 0);
	free(w);
}

static void many_segments_agree_with_an_array(void **state UNUSED)
{
	run_world("ivmap, many segments", 3, 3000000);
}

static void few_segments_agree_with_an_array(void **state UNUSED)
{
	run_world("ivmap, few segments", 12, 2000000);
}

static void long_segments_agree_with_an_array(void **state UNUSED)
{
	run_world("ivmap, much refused", 60, 1000000);
}

static void empty_map_is_all_room(void **state UNUSED)
{
	struct ivmap m = IVMAP_INIT;
	uint64_t at;

	assert_null(ivmap_find(&m, 0));
	assert_null(ivmap_first(&m));
	assert_null(ivmap_last(&m));
	assert_true(ivmap_is_gap(&m, 0, UINT64_MAX));
	assert_int_equal(ivmap_gap_up(&m, 0x1001, UINT64_MAX, 0x1000, 0x1000, &at), 0);
	assert_int_equal(at, 0x2000);
	assert_int_equal(ivmap_gap_down(&m, 0, 0x10fff, 0x1000, 0x1000, &at), 0);
	assert_int_equal(at, 0xf000);
	assert_int_equal(ivmap_gap_up(&m, 0x1000, 0x1fff, 0x1000, 0x1000, &at), -ENOMEM);
	assert_int_equal(ivmap_gap_up(&m, UINT64_MAX - 5, UINT64_MAX, 16, 16, &at), -ENOMEM);
}

/* ---- many ---- */

#ifdef NACRE_SANITIZED
#define MANY 100000u
#else
#define MANY 1000000u
#endif

/* The height that an AVL tree of n nodes has at most: 1.44 log2(n + 2). */
static unsigned height_bound(uint64_t n)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(n + 2);

	return bits * 144 / 100 + 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Every segment of size 1 at an even address below 2 * count, in an order that
 * jumps about; every step is odd, so it visits each once (count is 2^k). */
static uint64_t nth_start(uint64_t i, uint64_t count)
{
	return (i * 0x9e3779b1u % count) * 2;
}

/* What an operation costs at this size, printed; that it is O(log n) follows
 * from the height, which is asserted. */
static void measure(struct ivnode *nodes, uint64_t count)
{
	struct ivmap m = IVMAP_INIT;
	uint64_t t[4], at;

	t[0] = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		nodes[i].start = nth_start(i, count);
		nodes[i].end = nodes[i].start + 1;
		assert_int_equal(ivmap_insert(&m, &nodes[i]), 0);
	}
	assert_true(m.root->height <= height_bound(count));
	t[1] = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		at = nth_start(i * 7, count);
		assert_int_equal(ivmap_find(&m, at)->start, at);
		assert_null(ivmap_find(&m, at + 1));
		assert_int_equal(ivmap_gap_down(&m, 0, at + 2, 1, 1, &at), 0);
	}
	t[2] = now_ns();
	for (uint64_t i = 0; i < count; i += 2)
		ivmap_remove(&m, &nodes[i]);
	t[3] = now_ns();
	ivmap_check(&m);
	assert_true(m.root->height <= height_bound(count / 2));
	assert_int_equal(m.count, count / 2);
	printf("ivmap, %7llu segments: insert %llu ns, find and room %llu ns, remove %llu ns\n",
	       (unsigned long long)count, (unsigned long long)((t[1] - t[0]) / count),
	       (unsigned long long)((t[2] - t[1]) / count),
	       (unsigned long long)((t[3] - t[2]) / (count / 2)));
}

static void tree_of_many_stays_shallow(void **state UNUSED)
{
	struct ivnode *nodes = calloc(MANY, sizeof(*nodes));

	assert_non_null(nodes);
	for (uint64_t count = 1024; count <= MANY; count *= 8)
		measure(nodes, count);
	measure(nodes, (uint64_t)1 << (63 - __builtin_clzll(MANY)));
	free(nodes);
}

static void tree_of_a_million_in_order_stays_shallow(void **state UNUSED)
{
	struct ivnode *nodes = calloc(MANY, sizeof(*nodes));
	struct ivmap m = IVMAP_INIT;

	assert_non_null(nodes);
	for (uint64_t i = 0; i < MANY; i++) {
		nodes[i].start = i * 2;
		nodes[i].end = i * 2 + 1;
		assert_int_equal(ivmap_insert(&m, &nodes[i]), 0);
	}
	assert_true(m.root->height <= height_bound(MANY));
	ivmap_check(&m);
	for (uint64_t i = 0; i < MANY; i += 2)
		ivmap_remove(&m, &nodes[i]);
	ivmap_check(&m);
	assert_int_equal(m.count, MANY / 2);
	assert_int_equal(m.root->gap, 3);
	free(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_map_is_all_room),
		cmocka_unit_test(tree_of_many_stays_shallow),
		cmocka_unit_test(tree_of_a_million_in_order_stays_shallow),
		cmocka_unit_test(many_segments_agree_with_an_array),
		cmocka_unit_test(few_segments_agree_with_an_array),
		cmocka_unit_test(long_segments_agree_with_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
