/*
 * The interval map against the simplest thing that could be right: an array
 * that says for each address which segment holds it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/ivmap.h"

#define SPACE 512u
#define NODES 256u
#define NOBODY (-1)

struct world {
	struct ivmap map;
	struct ivnode nodes[NODES];
	bool is_used[NODES];
	int owner[SPACE]; /* the model */
	uint64_t random;
	unsigned max_len;
};

static unsigned pick(struct world *w, unsigned below)
{
	w->random += 0x9e3779b97f4a7c15ull;
	return (unsigned)(hash_u64(w->random) >> 32) % below;
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
		do_insert, do_insert, do_insert,     do_remove,     do_split,
		do_merge,  do_resize, check_lookups, check_lookups, check_room,
	};

	ops[pick(w, ARRAY_SIZE(ops))](w);
}

static void run_world(uint64_t seed, unsigned max_len, unsigned steps)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	ivmap_init(&w->map);
	model_set(w, 0, SPACE, NOBODY);
	w->random = seed;
	w->max_len = max_len;
	for (unsigned i = 0; i < steps; i++) {
		step(w);
		if (i % 64 == 0)
			check_walk(w);
	}
	while (w->map.count > 0)
		do_remove(w);
	assert_null(w->map.root);
	assert_int_equal(w->map.span, 0);
	free(w);
}

static uint64_t seed_from_environment(void)
{
	const char *text = getenv("SEED");
	struct timespec now;

	if (text)
		return strtoull(text, NULL, 0);
	clock_gettime(CLOCK_REALTIME, &now);
	return hash_u64((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

static void random_changes_agree_with_an_array(void **state)
{
	uint64_t seed = seed_from_environment();

	(void)state;
	printf("ivmap: SEED=%#llx\n", (unsigned long long)seed);
	run_world(seed, 3, 100000); /* many segments */
	run_world(seed + 1, 12, 100000);
	run_world(seed + 2, 60, 50000); /* few segments, much refused */
}

static void empty_map_is_all_room(void **state)
{
	struct ivmap m = IVMAP_INIT;
	uint64_t at;

	(void)state;
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

static void tree_of_many_stays_shallow(void **state)
{
	enum { COUNT = 100000 };
	struct ivnode *nodes = calloc(COUNT, sizeof(*nodes));
	struct ivmap m = IVMAP_INIT;

	(void)state;
	assert_non_null(nodes);
	for (uint64_t i = 0; i < COUNT; i++) {
		nodes[i].start = i * 2;
		nodes[i].end = i * 2 + 1;
		assert_int_equal(ivmap_insert(&m, &nodes[i]), 0);
	}
	assert_in_range(m.root->height, 17, 24);
	ivmap_check(&m);
	for (uint64_t i = 0; i < COUNT; i += 2)
		ivmap_remove(&m, &nodes[i]);
	ivmap_check(&m);
	assert_int_equal(m.count, COUNT / 2);
	assert_int_equal(m.root->gap, 3);
	free(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_map_is_all_room),
		cmocka_unit_test(tree_of_many_stays_shallow),
		cmocka_unit_test(random_changes_agree_with_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
