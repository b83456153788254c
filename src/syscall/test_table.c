/* The table is complete and agrees with itself; its page is made of every row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "abi/errno.h"
#include "abi/syscall_nr.h"
#include "syscall/syscall.h"

static bool is_gap(unsigned nr)
{
	return (nr > ABI_NR_uprobe && nr < ABI_NR_pidfd_send_signal) || nr >= ABI_NR_COUNT;
}

static void every_number_of_linux_has_a_row(void **state)
{
	(void)state;
	for (unsigned nr = 0; nr < SYSCALL_TABLE_SIZE; nr++) {
		if (is_gap(nr))
			assert_null(syscall_table[nr].name);
		else
			assert_non_null(syscall_table[nr].name);
	}
	assert_string_equal(syscall_table[0].name, "read");
	assert_string_equal(syscall_table[334].name, "rseq");
	assert_string_equal(syscall_table[435].name, "clone3");
	assert_string_equal(syscall_table[469].name, "file_setattr");
}

static void a_row_is_answered_or_refused_with_a_reason(void **state)
{
	(void)state;
	for (unsigned nr = 0; nr < SYSCALL_TABLE_SIZE; nr++) {
		const struct syscall_entry *e = &syscall_table[nr];

		if (!e->name)
			continue;
		if (e->status == SYSCALL_REFUSED) {
			assert_null((void *)(uintptr_t)e->fn);
			assert_true(e->refusal > 0 && e->refusal <= ABI_MAX_ERRNO);
		} else {
			assert_true(e->fn != NULL);
			assert_int_equal(e->refusal, 0);
		}
		if (e->status != SYSCALL_DONE)
			assert_true(e->note && *e->note);
	}
}

static void arguments_are_kinds(void **state)
{
	(void)state;
	for (unsigned nr = 0; nr < SYSCALL_TABLE_SIZE; nr++) {
		const struct syscall_entry *e = &syscall_table[nr];

		assert_true(e->nargs <= 6);
		for (unsigned i = 0; i < 6; i++) {
			assert_true(e->args[i] < ARG_KINDS);
			assert_int_equal(e->args[i] != ARG_NONE, i < e->nargs);
		}
	}
}

static void names_are_unique(void **state)
{
	(void)state;
	for (unsigned a = 0; a < SYSCALL_TABLE_SIZE; a++) {
		for (unsigned b = a + 1; syscall_table[a].name && b < SYSCALL_TABLE_SIZE; b++) {
			if (syscall_table[b].name)
				assert_string_not_equal(syscall_table[a].name,
							syscall_table[b].name);
		}
	}
}

struct page {
	unsigned rows;
	bool has_read;
};

static void count_line(const char *line, void *arg)
{
	struct page *p = arg;

	assert_null(strchr(line, '\n'));
	p->rows += strncmp(line, "| ", 2) == 0;
	p->has_read |= strcmp(line, "| 0 | read | implemented | |") == 0;
}

static void the_page_has_every_row(void **state)
{
	struct page p = { 0 };
	unsigned rows = 1; /* the head of the table */

	(void)state;
	for (unsigned nr = 0; nr < SYSCALL_TABLE_SIZE; nr++)
		rows += syscall_table[nr].name != NULL;
	syscall_table_markdown(count_line, &p);
	assert_int_equal(p.rows, rows);
	assert_true(p.has_read);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_of_linux_has_a_row),
		cmocka_unit_test(a_row_is_answered_or_refused_with_a_reason),
		cmocka_unit_test(arguments_are_kinds),
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(the_page_has_every_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
