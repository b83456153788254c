/* The line discipline's way out: output processing (c_oflag) and echo. */
#include "fs/tty/ldisc.h"

#define TAB_STOP 8

static bool has_oflag(const struct ldisc *ld, unsigned flag)
{
	return ld->tio.oflag & flag;
}

/* Latin-1, as Linux folds it. */
static uint8_t to_upper(uint8_t c)
{
	bool lower = (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7);

	return lower ? c - 0x20 : c;
}

/* ---- one byte, with the column that it leads to ---- */

static bool put_newline(struct ldisc *ld, struct byteq *q)
{
	if (has_oflag(ld, ABI_ONLCR)) {
		if (byteq_room(q) < 2)
			return false;
		ld->column = ld->canon_column = 0;
		byteq_put(q, '\r');
	} else if (has_oflag(ld, ABI_ONLRET)) {
		ld->column = 0;
	}
	ld->canon_column = ld->column;
	byteq_put(q, '\n');
	return true;
}

static bool put_return(struct ldisc *ld, struct byteq *q)
{
	if (has_oflag(ld, ABI_ONOCR) && ld->column == 0)
		return true;
	if (has_oflag(ld, ABI_OCRNL)) {
		if (has_oflag(ld, ABI_ONLRET))
			ld->column = ld->canon_column = 0;
		byteq_put(q, '\n');
		return true;
	}
	ld->column = ld->canon_column = 0;
	byteq_put(q, '\r');
	return true;
}

static bool put_tab(struct ldisc *ld, struct byteq *q)
{
	unsigned spaces = TAB_STOP - (ld->column & (TAB_STOP - 1));

	if ((ld->tio.oflag & ABI_TABDLY) != ABI_XTABS) {
		byteq_put(q, '\t');
	} else {
		if (byteq_room(q) < spaces)
			return false;
		for (unsigned i = 0; i < spaces; i++)
			byteq_put(q, ' ');
	}
	ld->column += spaces;
	return true;
}

/* False: there is no room for all that it becomes. */
static bool put_processed(struct ldisc *ld, struct byteq *q, uint8_t c)
{
	if (byteq_room(q) == 0)
		return false;
	switch (c) {
	case '\n':
		return put_newline(ld, q);
	case '\r':
		return put_return(ld, q);
	case '\t':
		return put_tab(ld, q);
	case '\b':
		if (ld->column > 0)
			ld->column--;
		break;
	default:
		if (ldisc_is_control(c))
			break;
		if (has_oflag(ld, ABI_OLCUC))
			c = to_upper(c);
		if (!ldisc_is_continuation(ld, c))
			ld->column++;
	}
	byteq_put(q, c);
	return true;
}

size_t ldisc_write(struct ldisc *ld, const uint8_t *p, size_t n)
{
	size_t done = 0;

	ldisc_echo_flush(ld);
	if (!ldisc_writable(ld))
		return 0;
	if (!has_oflag(ld, ABI_OPOST))
		return byteq_write(&ld->out, p, n);
	while (done < n && put_processed(ld, &ld->out, p[done]))
		done++;
	return done;
}

bool ldisc_writable(const struct ldisc *ld)
{
	return !ld->stopped && byteq_used(&ld->echo) == 0 && byteq_room(&ld->out) > 0;
}

void ldisc_shown(struct ldisc *ld, size_t n)
{
	ld->out.tail += n;
	ldisc_echo_flush(ld);
}

/* ---- echo ---- */

/* Room for the most that a byte may become; what was not shown so long is
 * forgotten, the oldest first. */
static struct byteq *echo_room(struct ldisc *ld)
{
	size_t room = byteq_room(&ld->echo);

	if (byteq_used(&ld->echo) == 0)
		ld->column_before_echo = ld->column;
	if (room < TAB_STOP)
		ld->echo.tail += TAB_STOP - room;
	return &ld->echo;
}

void ldisc_echo_raw(struct ldisc *ld, uint8_t c)
{
	struct byteq *q = echo_room(ld);

	/* Linux marks its echo commands with 0377, so that this byte itself goes a
	 * way of its own there: not processed, but counted. */
	if (c == 0377) {
		ld->column++;
		byteq_put(q, c);
	} else if (has_oflag(ld, ABI_OPOST)) {
		(void)put_processed(ld, q, c);
	} else {
		byteq_put(q, c);
	}
}

void ldisc_echo(struct ldisc *ld, uint8_t c)
{
	struct byteq *q;

	if (!(ld->tio.lflag & ABI_ECHOCTL) || !ldisc_is_control(c) || c == '\t') {
		ldisc_echo_raw(ld, c);
		return;
	}
	q = echo_room(ld);
	byteq_put(q, '^');
	byteq_put(q, c ^ 0100);
	ld->column += 2;
}

void ldisc_echo_and_back(struct ldisc *ld, uint8_t c)
{
	byteq_put(echo_room(ld), c);
	if (ld->column > 0)
		ld->column--;
}

void ldisc_echo_erase_tab(struct ldisc *ld, unsigned columns, bool after_tab)
{
	struct byteq *q = echo_room(ld);
	unsigned back;

	if (!after_tab)
		columns += ld->canon_column;
	back = TAB_STOP - (columns & (TAB_STOP - 1));
	for (unsigned i = 0; i < back; i++) {
		byteq_put(q, '\b');
		if (ld->column > 0)
			ld->column--;
	}
}

void ldisc_echo_forget(struct ldisc *ld)
{
	if (byteq_used(&ld->echo) > 0)
		ld->column = ld->column_before_echo;
	byteq_clear(&ld->echo);
}

void ldisc_echo_flush(struct ldisc *ld)
{
	while (!ld->stopped && byteq_used(&ld->echo) > 0 && byteq_room(&ld->out) > 0) {
		size_t n;
		const uint8_t *p = byteq_front(&ld->echo, &n);

		ld->echo.tail += byteq_write(&ld->out, p, n);
	}
}

/* ---- stopping, starting, throwing away ---- */

void ldisc_stop(struct ldisc *ld, bool by_call)
{
	if (by_call) {
		if (ld->stopped_by_call)
			return;
		ld->stopped_by_call = true;
	}
	if (ld->stopped)
		return;
	ld->stopped = true;
	ld->events = (ld->events & ~LDISC_STARTED) | LDISC_STOPPED;
}

void ldisc_start(struct ldisc *ld, bool by_call)
{
	if (by_call && !ld->stopped_by_call)
		return;
	if (by_call)
		ld->stopped_by_call = false;
	if (!ld->stopped || ld->stopped_by_call)
		return;
	ld->stopped = false;
	ld->events = (ld->events & ~LDISC_STOPPED) | LDISC_STARTED;
	ldisc_echo_flush(ld);
}

/* What the other side of a pseudo terminal has as good as read stays: on Linux
 * that lies in its own input buffer by now. */
void ldisc_flush_output(struct ldisc *ld)
{
	if (byteq_used(&ld->out) >= LDISC_INPUT)
		ld->out.head = ld->out.tail + LDISC_INPUT - 1;
	ld->events |= LDISC_FLUSHED_OUT;
}
