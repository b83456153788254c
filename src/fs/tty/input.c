/* The line discipline's way in: what a key does (c_iflag, c_lflag), editing of
 * the line included. */
#include "fs/tty/ldisc.h"

#define DISABLED 0 /* a control character that is switched off */

static bool has_iflag(const struct ldisc *ld, unsigned flag)
{
	return ld->tio.iflag & flag;
}

static bool has_lflag(const struct ldisc *ld, unsigned flag)
{
	return ld->tio.lflag & flag;
}

static bool is_cc(const struct ldisc *ld, unsigned index, uint8_t c)
{
	return c != DISABLED && c == ld->tio.cc[index];
}

/* Some control characters need IEXTEN beside their own flag. */
static bool is_extended_cc(const struct ldisc *ld, unsigned index, uint8_t c)
{
	return has_lflag(ld, ABI_IEXTEN) && is_cc(ld, index, c);
}

static uint8_t byte_at(const struct ldisc *ld, size_t pos)
{
	return ld->in[pos & (LDISC_INPUT - 1)];
}

/* ---- into the queue ---- */

/* A line that has no room is cut: its last byte gives way, so that there is
 * always one for the end of the line. */
static void put(struct ldisc *ld, uint8_t c)
{
	if (ld->head - ld->tail == LDISC_INPUT)
		ld->head--;
	ld->in[ld->head++ & (LDISC_INPUT - 1)] = c;
}

/* PARMRK: 0377 itself is doubled, so that it cannot be taken for a mark. */
static void put_marked(struct ldisc *ld, uint8_t c)
{
	if (c == 0377 && has_iflag(ld, ABI_PARMRK))
		put(ld, c);
	put(ld, c);
}

static void end_line(struct ldisc *ld, uint8_t c)
{
	size_t at;

	put(ld, c);
	at = (ld->head - 1) & (LDISC_INPUT - 1);
	ld->eol[at / 64] |= (uint64_t)1 << at % 64;
	ld->canon_head = ld->head;
	ld->events |= LDISC_READABLE;
}

static int free_bytes(const struct ldisc *ld)
{
	int room = (int)(LDISC_INPUT - (ld->head - ld->tail));

	/* One stays free for the end of a line; PARMRK makes up to three of one. */
	return (has_iflag(ld, ABI_PARMRK) ? (room + 2) / 3 : room) - 1;
}

/* May one more byte come? A line that fills everything goes on, for its end
 * or for the key that erases. */
static bool may_receive(const struct ldisc *ld)
{
	return free_bytes(ld) > 0 || (has_lflag(ld, ABI_ICANON) && ld->canon_head == ld->tail);
}

/* ---- echo and erasing ---- */

static void finish_erasing(struct ldisc *ld)
{
	if (!ld->is_erasing)
		return;
	ldisc_echo_raw(ld, '/');
	ld->is_erasing = false;
}

static void echo_typed(struct ldisc *ld, uint8_t c)
{
	finish_erasing(ld);
	if (ld->canon_head == ld->head)
		ld->canon_column = ld->column;
	ldisc_echo(ld, c);
}

static bool is_word_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_' || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

/* The columns that the line takes up before its end, back to the last tab. */
static void echo_erased_tab(struct ldisc *ld)
{
	unsigned columns = 0;
	bool after_tab = false;
	uint8_t c;

	for (size_t pos = ld->head; pos != ld->canon_head && !after_tab;) {
		c = byte_at(ld, --pos);
		if (c == '\t')
			after_tab = true;
		else if (ldisc_is_control(c))
			columns += has_lflag(ld, ABI_ECHOCTL) ? 2 : 0;
		else if (!ldisc_is_continuation(ld, c))
			columns++;
	}
	ldisc_echo_erase_tab(ld, columns, after_tab);
}

static void echo_rub_out(struct ldisc *ld)
{
	ldisc_echo_raw(ld, '\b');
	ldisc_echo_raw(ld, ' ');
	ldisc_echo_raw(ld, '\b');
}

/* ECHOPRT, for printing terminals: what is erased, between \ and /. */
static void echo_printed(struct ldisc *ld, uint8_t first, unsigned size)
{
	if (!ld->is_erasing) {
		ldisc_echo_raw(ld, '\\');
		ld->is_erasing = true;
	}
	ldisc_echo(ld, first);
	for (unsigned i = 1; i < size; i++)
		ldisc_echo_and_back(ld, byte_at(ld, ld->head + i));
}

/* A character of `size` bytes was taken off the end of the line. */
static void echo_erased(struct ldisc *ld, uint8_t first, unsigned size, bool by_erase)
{
	bool control = ldisc_is_control(first);

	if (!has_lflag(ld, ABI_ECHO))
		return;
	if (has_lflag(ld, ABI_ECHOPRT)) {
		echo_printed(ld, first, size);
	} else if (by_erase && !has_lflag(ld, ABI_ECHOE)) {
		ldisc_echo(ld, ld->tio.cc[ABI_VERASE]);
	} else if (first == '\t') {
		echo_erased_tab(ld);
	} else {
		if (control && has_lflag(ld, ABI_ECHOCTL))
			echo_rub_out(ld);
		if (!control || has_lflag(ld, ABI_ECHOCTL))
			echo_rub_out(ld);
	}
}

/* KILL on a terminal that cannot rub a whole line out. */
static void kill_at_once(struct ldisc *ld)
{
	ld->head = ld->canon_head;
	if (!has_lflag(ld, ABI_ECHO))
		return;
	finish_erasing(ld);
	ldisc_echo(ld, ld->tio.cc[ABI_VKILL]);
	if (has_lflag(ld, ABI_ECHOK))
		ldisc_echo_raw(ld, '\n');
}

static void erase(struct ldisc *ld, uint8_t key)
{
	const unsigned rub_out = ABI_ECHO | ABI_ECHOK | ABI_ECHOKE | ABI_ECHOE;
	bool by_erase = is_cc(ld, ABI_VERASE, key);
	bool by_word = !by_erase && is_extended_cc(ld, ABI_VWERASE, key), in_word = false;

	if (ld->head == ld->canon_head)
		return;
	if (!by_erase && !by_word && (ld->tio.lflag & rub_out) != rub_out) {
		kill_at_once(ld);
		return;
	}
	while (ld->head != ld->canon_head) {
		size_t pos = ld->head;
		unsigned size;
		uint8_t c;

		do
			c = byte_at(ld, --pos);
		while (ldisc_is_continuation(ld, c) && pos != ld->canon_head);
		if (ldisc_is_continuation(ld, c))
			break; /* not a whole character */
		if (by_word && is_word_byte(c))
			in_word = true;
		else if (by_word && in_word)
			break;
		size = (unsigned)(ld->head - pos);
		ld->head = pos;
		echo_erased(ld, c, size, by_erase);
		if (by_erase)
			break;
	}
	if (ld->head == ld->canon_head && has_lflag(ld, ABI_ECHO))
		finish_erasing(ld);
}

static void reprint(struct ldisc *ld, uint8_t key)
{
	finish_erasing(ld);
	ldisc_echo(ld, key);
	ldisc_echo_raw(ld, '\n');
	for (size_t pos = ld->canon_head; pos != ld->head; pos++)
		ldisc_echo(ld, byte_at(ld, pos));
}

static void quote_next(struct ldisc *ld)
{
	ld->is_quoted = true;
	if (!has_lflag(ld, ABI_ECHO))
		return;
	finish_erasing(ld);
	if (has_lflag(ld, ABI_ECHOCTL)) {
		ldisc_echo_raw(ld, '^');
		ldisc_echo_raw(ld, '\b');
	}
}

/* ---- a key ---- */

/* True: the key was one of flow control's or made a signal. */
static bool receive_control(struct ldisc *ld, uint8_t c)
{
	unsigned event;

	if (has_iflag(ld, ABI_IXON)) {
		if (is_cc(ld, ABI_VSTART, c)) {
			ldisc_start(ld, false);
			ldisc_echo_flush(ld);
			return true;
		}
		if (is_cc(ld, ABI_VSTOP, c)) {
			ldisc_stop(ld, false);
			return true;
		}
	}
	if (!has_lflag(ld, ABI_ISIG))
		return false;
	if (is_cc(ld, ABI_VINTR, c))
		event = LDISC_SIGINT;
	else if (is_cc(ld, ABI_VQUIT, c))
		event = LDISC_SIGQUIT;
	else if (is_cc(ld, ABI_VSUSP, c))
		event = LDISC_SIGTSTP;
	else
		return false;
	ld->events |= event;
	if (!has_lflag(ld, ABI_NOFLSH)) {
		ldisc_flush_input(ld);
		ldisc_flush_output(ld);
		ldisc_echo_forget(ld);
	}
	if (has_iflag(ld, ABI_IXON))
		ldisc_start(ld, false);
	if (has_lflag(ld, ABI_ECHO))
		ldisc_echo(ld, c);
	else
		ldisc_echo_flush(ld);
	return true;
}

/* True: the key edited the line or ended it. */
static bool receive_canonical(struct ldisc *ld, uint8_t c)
{
	if (is_cc(ld, ABI_VERASE, c) || is_cc(ld, ABI_VKILL, c) ||
	    is_extended_cc(ld, ABI_VWERASE, c)) {
		erase(ld, c);
		return true;
	}
	if (is_extended_cc(ld, ABI_VLNEXT, c)) {
		quote_next(ld);
		return true;
	}
	if (has_lflag(ld, ABI_ECHO) && is_extended_cc(ld, ABI_VREPRINT, c)) {
		reprint(ld, c);
		return true;
	}
	if (c == '\n') {
		if (has_lflag(ld, ABI_ECHO | ABI_ECHONL))
			ldisc_echo_raw(ld, '\n');
		end_line(ld, c);
		return true;
	}
	if (is_cc(ld, ABI_VEOF, c)) {
		end_line(ld, DISABLED);
		return true;
	}
	if (is_cc(ld, ABI_VEOL, c) || is_extended_cc(ld, ABI_VEOL2, c)) {
		if (has_lflag(ld, ABI_ECHO))
			echo_typed(ld, c);
		if (c == 0377 && has_iflag(ld, ABI_PARMRK))
			put(ld, c);
		end_line(ld, c);
		return true;
	}
	return false;
}

static void receive_data(struct ldisc *ld, uint8_t c)
{
	if (has_lflag(ld, ABI_ECHO))
		echo_typed(ld, c);
	put_marked(ld, c);
	if (!ldisc_is_canonical(ld))
		ld->events |= LDISC_READABLE;
}

/* A return that became a newline, outside of canonical mode: shown as one even
 * with ECHOCTL. */
static void receive_mapped_newline(struct ldisc *ld)
{
	if (has_lflag(ld, ABI_ECHO)) {
		finish_erasing(ld);
		ldisc_echo_raw(ld, '\n');
	}
	put(ld, '\n');
	ld->events |= LDISC_READABLE;
}

/* Latin-1, as Linux folds it. */
static uint8_t to_lower(uint8_t c)
{
	bool upper = (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7);

	return upper ? c + 0x20 : c;
}

static void receive_byte(struct ldisc *ld, uint8_t c)
{
	bool quoted = ld->is_quoted, mapped = false;

	if (has_iflag(ld, ABI_ISTRIP))
		c &= 0x7f;
	if (has_iflag(ld, ABI_IUCLC) && has_lflag(ld, ABI_IEXTEN))
		c = to_lower(c);
	ld->is_quoted = false;
	if (!quoted && receive_control(ld, c))
		return;
	if (ld->stopped && !ld->stopped_by_call && has_iflag(ld, ABI_IXON) &&
	    has_iflag(ld, ABI_IXANY))
		ldisc_start(ld, false);
	if (quoted) {
		receive_data(ld, c);
		return;
	}
	if (c == '\r') {
		if (has_iflag(ld, ABI_IGNCR))
			return;
		mapped = has_iflag(ld, ABI_ICRNL);
		c = mapped ? '\n' : c;
	} else if (c == '\n' && has_iflag(ld, ABI_INLCR)) {
		c = '\r';
	}
	if (has_lflag(ld, ABI_ICANON) && receive_canonical(ld, c))
		return;
	if (mapped)
		receive_mapped_newline(ld);
	else
		receive_data(ld, c);
}

/* Bytes mean nothing but themselves. */
static bool is_plain(const struct ldisc *ld)
{
	const unsigned iflags = ABI_ISTRIP | ABI_IUCLC | ABI_IGNCR | ABI_ICRNL | ABI_INLCR |
				ABI_IXON | ABI_PARMRK;

	if (has_lflag(ld, ABI_EXTPROC))
		return true;
	return !has_iflag(ld, iflags) && !has_lflag(ld, ABI_ISIG | ABI_ICANON | ABI_ECHO) &&
	       !ld->is_quoted;
}

static size_t receive_plain(struct ldisc *ld, const uint8_t *p, size_t n)
{
	int room = free_bytes(ld);

	n = MIN(n, room > 0 ? (size_t)room : 0);
	for (size_t i = 0; i < n; i++)
		put(ld, p[i]);
	if (n)
		ld->events |= LDISC_READABLE;
	return n;
}

size_t ldisc_receive(struct ldisc *ld, const uint8_t *p, size_t n)
{
	size_t done = 0;

	if (is_plain(ld))
		return receive_plain(ld, p, n);
	while (done < n && may_receive(ld)) {
		if (free_bytes(ld) < 0)
			ld->head--;
		receive_byte(ld, p[done++]);
	}
	ldisc_echo_flush(ld);
	return done;
}
