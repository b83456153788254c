/* Unit tests of the line discipline: what goes in and comes out, its limits, and
 * its invariants under random bytes and modes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/tty/ldisc.h"

static struct ldisc *make(void)
{
	struct ldisc *ld = calloc(1, sizeof(*ld));

	assert_non_null(ld);
	ldisc_init(ld);
	return ld;
}

static void set_modes(struct ldisc *ld, unsigned iflag, unsigned oflag, unsigned lflag)
{
	struct abi_termios2 tio = ld->tio;

	tio.iflag = iflag;
	tio.oflag = oflag;
	tio.lflag = lflag;
	ldisc_set_termios(ld, &tio);
}

static void type(struct ldisc *ld, const char *keys)
{
	assert_int_equal(ldisc_receive(ld, (const uint8_t *)keys, strlen(keys)), strlen(keys));
}

static void assert_read(struct ldisc *ld, const char *want)
{
	uint8_t buf[256];
	bool more;
	size_t n = ldisc_read(ld, buf, sizeof(buf), &more);

	assert_int_equal(n, strlen(want));
	assert_memory_equal(buf, want, n);
}

static void assert_screen(struct ldisc *ld, const char *want)
{
	char buf[256];
	size_t n, done = 0;

	while (byteq_used(&ld->out)) {
		const uint8_t *at = byteq_front(&ld->out, &n);

		n = MIN(n, sizeof(buf) - done);
		memcpy(buf + done, at, n);
		done += n;
		ldisc_shown(ld, n);
	}
	assert_int_equal(done, strlen(want));
	assert_memory_equal(buf, want, done);
}

static void lines_are_edited_and_read_whole(void **state)
{
	struct ldisc *ld = make();

	(void)state;
	type(ld, "helo\177lo\rnext");
	assert_true(ldisc_readable(ld, false));
	assert_int_equal(ldisc_unread(ld), 6);
	assert_read(ld, "hello\n");
	assert_false(ldisc_readable(ld, false));
	assert_screen(ld, "helo\b \blo\r\nnext");
	type(ld, "\025\004");
	assert_true(ldisc_readable(ld, false));
	assert_int_equal(ldisc_unread(ld), 0);
	assert_read(ld, "");
	assert_false(ldisc_readable(ld, false));
	free(ld);
}

static void signals_flush_both_ways(void **state)
{
	struct ldisc *ld = make();

	(void)state;
	type(ld, "one\ntwo\003");
	assert_true(ld->events & LDISC_SIGINT);
	assert_true(ld->events & LDISC_FLUSHED_IN);
	assert_false(ldisc_readable(ld, false));
	ld->events = 0;
	set_modes(ld, ld->tio.iflag, ld->tio.oflag, ld->tio.lflag | ABI_NOFLSH);
	type(ld, "one\n\034");
	assert_true(ld->events & LDISC_SIGQUIT);
	assert_read(ld, "one\n");
	free(ld);
}

static void stopped_output_waits_and_echo_with_it(void **state)
{
	struct ldisc *ld = make();

	(void)state;
	type(ld, "\023");
	assert_int_equal(ld->events & (LDISC_STOPPED | LDISC_STARTED), LDISC_STOPPED);
	assert_int_equal(ldisc_write(ld, (const uint8_t *)"x", 1), 0);
	type(ld, "ab");
	assert_screen(ld, "");
	type(ld, "\021");
	assert_int_equal(ld->events & (LDISC_STOPPED | LDISC_STARTED), LDISC_STARTED);
	assert_screen(ld, "ab");
	/* What a call has stopped no key starts. */
	ldisc_stop(ld, true);
	type(ld, "\021");
	assert_false(ldisc_writable(ld));
	ldisc_start(ld, true);
	assert_true(ldisc_writable(ld));
	free(ld);
}

static void a_full_line_takes_its_end_only(void **state)
{
	struct ldisc *ld = make();
	uint8_t buf[LDISC_INPUT * 2];
	bool more;

	(void)state;
	set_modes(ld, 0, 0, ABI_ICANON);
	for (int i = 0; i < 6000; i++)
		type(ld, "x");
	type(ld, "\n");
	/* A second line has to wait. */
	assert_int_equal(ldisc_receive(ld, (const uint8_t *)"y", 1), 0);
	assert_int_equal(ldisc_read(ld, buf, sizeof(buf), &more), LDISC_INPUT);
	assert_int_equal(buf[LDISC_INPUT - 1], '\n');
	assert_false(more);
	free(ld);
}

static void raw_input_is_bounded(void **state)
{
	uint8_t buf[LDISC_INPUT * 2] = { 0 };
	struct ldisc *ld = make();
	bool more;

	(void)state;
	set_modes(ld, 0, 0, 0);
	assert_int_equal(ldisc_receive(ld, buf, sizeof(buf)), LDISC_INPUT - 1);
	assert_int_equal(ldisc_read(ld, buf, 100, &more), 100);
	assert_true(more);
	assert_int_equal(ldisc_receive(ld, buf, sizeof(buf)), 100);
	free(ld);
}

static void output_that_is_full_cuts_nothing_in_two(void **state)
{
	struct ldisc *ld = make();
	size_t n = 0;

	(void)state;
	while (ldisc_write(ld, (const uint8_t *)"ab\n", 3) == 3)
		n++;
	assert_true(n > LDISC_OUTPUT / 4 - 2);
	/* Echo waits for room, and is shown when there is. */
	type(ld, "q");
	ldisc_shown(ld, byteq_used(&ld->out));
	assert_int_equal(byteq_used(&ld->echo), 0);
	free(ld);
}

static void check(const struct ldisc *ld)
{
	unsigned marks = 0;

	assert_true(ld->head - ld->tail <= LDISC_INPUT);
	if (ldisc_is_canonical(ld)) {
		assert_true(ld->canon_head - ld->tail <= ld->head - ld->tail);
		for (size_t i = 0; i < LDISC_INPUT / 64; i++)
			marks += (unsigned)__builtin_popcountll(ld->eol[i]);
		assert_true(marks <= ld->canon_head - ld->tail);
		assert_true(!marks == (ld->canon_head == ld->tail));
	}
	assert_true(byteq_used(&ld->out) <= LDISC_OUTPUT);
	assert_true(byteq_used(&ld->echo) <= LDISC_ECHO);
	if (byteq_used(&ld->echo))
		assert_true(ld->stopped || byteq_room(&ld->out) == 0);
}

static void random_use_keeps_the_invariants(void **state)
{
	struct ldisc *ld = make();
	uint8_t buf[700];
	unsigned seed = 1;
	bool more;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t n = (unsigned)rand_r(&seed) % sizeof(buf);

		for (size_t k = 0; k < n; k++)
			buf[k] = (uint8_t)(rand_r(&seed) % 4 ? rand_r(&seed) % 130 : rand_r(&seed));
		switch (rand_r(&seed) % 6) {
		case 0:
		case 1:
			(void)ldisc_receive(ld, buf, n);
			break;
		case 2:
			(void)ldisc_write(ld, buf, n);
			break;
		case 3:
			while (ldisc_readable(ld, false) && rand_r(&seed) % 4)
				(void)ldisc_read(ld, buf, 1 + n / 4, &more);
			ldisc_skip_eof(ld);
			break;
		case 4:
			ldisc_shown(ld, MIN(n, byteq_used(&ld->out)));
			break;
		case 5:
			if (rand_r(&seed) % 4 == 0)
				set_modes(ld, (unsigned)rand_r(&seed) & 077777,
					  (unsigned)rand_r(&seed) & 014077,
					  (unsigned)rand_r(&seed) & 0307373);
			break;
		}
		check(ld);
	}
	free(ld);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_edited_and_read_whole),
		cmocka_unit_test(signals_flush_both_ways),
		cmocka_unit_test(stopped_output_waits_and_echo_with_it),
		cmocka_unit_test(a_full_line_takes_its_end_only),
		cmocka_unit_test(raw_input_is_bounded),
		cmocka_unit_test(output_that_is_full_cuts_nothing_in_two),
		cmocka_unit_test(random_use_keeps_the_invariants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
