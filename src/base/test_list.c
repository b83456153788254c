#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/list.h"

struct item {
	int value;
	struct list link;
};

static void assert_values(struct list *head, const int *values, size_t count)
{
	size_t i = 0;

	list_for_each(it, head, struct item, link) {
		assert_true(i < count);
		assert_int_equal(it->value, values[i]);
		i++;
	}
	assert_int_equal(i, count);
}

static void list_keeps_order_of_pushes(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[3] = { { .value = 0 }, { .value = 1 }, { .value = 2 } };

	(void)state;
	assert_true(list_empty(&head));
	list_push_back(&head, &items[1].link);
	list_push_back(&head, &items[2].link);
	list_push_front(&head, &items[0].link);
	assert_values(&head, (const int[]){ 0, 1, 2 }, 3);
	assert_int_equal(list_first(&head, struct item, link)->value, 0);
	assert_int_equal(list_last(&head, struct item, link)->value, 2);
}

static void deleting_twice_is_harmless(void **state)
{
	struct list head = LIST_INIT(head);
	struct item a = { .value = 1 }, b = { .value = 2 };

	(void)state;
	list_push_back(&head, &a.link);
	list_push_back(&head, &b.link);
	list_del(&a.link);
	list_del(&a.link);
	assert_true(list_empty(&a.link));
	assert_values(&head, (const int[]){ 2 }, 1);
}

static void safe_iteration_allows_removal(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[6];

	(void)state;
	for (int i = 0; i < 6; i++) {
		items[i].value = i;
		list_push_back(&head, &items[i].link);
	}
	list_for_each_safe(it, tmp, &head, struct item, link) {
		if (it->value % 2)
			list_del(&it->link);
	}
	assert_values(&head, (const int[]){ 0, 2, 4 }, 3);
}

static void splice_moves_everything(void **state)
{
	struct list from = LIST_INIT(from), to = LIST_INIT(to);
	struct item items[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		items[i].value = i;
		list_push_back(i < 2 ? &to : &from, &items[i].link);
	}
	list_splice_back(&to, &from);
	assert_true(list_empty(&from));
	assert_values(&to, (const int[]){ 0, 1, 2, 3 }, 4);
	list_splice_back(&to, &from);
	assert_values(&to, (const int[]){ 0, 1, 2, 3 }, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_keeps_order_of_pushes),
		cmocka_unit_test(deleting_twice_is_harmless),
		cmocka_unit_test(safe_iteration_allows_removal),
		cmocka_unit_test(splice_moves_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
