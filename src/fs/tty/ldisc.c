/* See ldisc.h: modes, and what the program reads. The ways in and out are in
 * input.c and output.c. */
#include "fs/tty/ldisc.h"

#define MODES_OF_LINES (ABI_ICANON | ABI_EXTPROC)

static const struct abi_termios2 fresh = {
	.iflag = ABI_ICRNL | ABI_IXON,
	.oflag = ABI_OPOST | ABI_ONLCR,
	.cflag = ABI_B38400 | ABI_CS8 | ABI_CREAD,
	.lflag = ABI_ISIG | ABI_ICANON | ABI_ECHO | ABI_ECHOE | ABI_ECHOK | ABI_ECHOCTL |
		 ABI_ECHOKE | ABI_IEXTEN,
	.cc = { [ABI_VINTR] = 'C' & 037,
		[ABI_VQUIT] = '\\' & 037,
		[ABI_VERASE] = 0177,
		[ABI_VKILL] = 'U' & 037,
		[ABI_VEOF] = 'D' & 037,
		[ABI_VMIN] = 1,
		[ABI_VSTART] = 'Q' & 037,
		[ABI_VSTOP] = 'S' & 037,
		[ABI_VSUSP] = 'Z' & 037,
		[ABI_VREPRINT] = 'R' & 037,
		[ABI_VDISCARD] = 'O' & 037,
		[ABI_VWERASE] = 'W' & 037,
		[ABI_VLNEXT] = 'V' & 037 },
	.ispeed = 38400,
	.ospeed = 38400,
};

void ldisc_init(struct ldisc *ld)
{
	ld->tio = fresh;
	byteq_init(&ld->out, ld->out_buf, sizeof(ld->out_buf));
	byteq_init(&ld->echo, ld->echo_buf, sizeof(ld->echo_buf));
}

void ldisc_reset(struct ldisc *ld)
{
	ldisc_flush_input(ld);
	ldisc_set_termios(ld, &fresh);
	ld->is_quoted = false;
	ldisc_start(ld, true);
	ldisc_start(ld, false);
}

static uint64_t mark_bit(size_t pos)
{
	return (uint64_t)1 << pos % 64;
}

static uint64_t *mark_word(struct ldisc *ld, size_t pos)
{
	return &ld->eol[(pos & (LDISC_INPUT - 1)) / 64];
}

static bool has_mark(struct ldisc *ld, size_t pos)
{
	return *mark_word(ld, pos) & mark_bit(pos);
}

static bool take_mark(struct ldisc *ld, size_t pos)
{
	if (!has_mark(ld, pos))
		return false;
	*mark_word(ld, pos) &= ~mark_bit(pos);
	return true;
}

void ldisc_set_termios(struct ldisc *ld, const struct abi_termios2 *tio)
{
	struct abi_termios2 old = ld->tio;

	ld->tio = *tio;
	if ((old.lflag ^ tio->lflag) & MODES_OF_LINES) {
		memset(ld->eol, 0, sizeof(ld->eol));
		ld->canon_head = ld->tail;
		if ((tio->lflag & ABI_ICANON) && ld->head != ld->tail) {
			*mark_word(ld, ld->head - 1) |= mark_bit(ld->head - 1);
			ld->canon_head = ld->head;
		}
		ld->is_erasing = false;
		ld->is_quoted = false;
	}
	/* Nobody could start it any more. */
	if ((old.iflag & ABI_IXON) && !(tio->iflag & ABI_IXON))
		ldisc_start(ld, false);
	ld->events |= LDISC_READABLE;
}

void ldisc_flush_input(struct ldisc *ld)
{
	ld->tail = ld->canon_head = ld->head;
	memset(ld->eol, 0, sizeof(ld->eol));
	ld->is_erasing = false;
	ld->events |= LDISC_FLUSHED_IN;
}

/* ---- reading ---- */

bool ldisc_readable(const struct ldisc *ld, bool for_poll)
{
	const uint8_t *cc = ld->tio.cc;
	size_t need = for_poll && !cc[ABI_VTIME] && cc[ABI_VMIN] ? cc[ABI_VMIN] : 1;

	if (ldisc_is_canonical(ld))
		return ld->canon_head != ld->tail;
	return ld->head - ld->tail >= need;
}

size_t ldisc_unread(const struct ldisc *ld)
{
	size_t n;

	if (!ldisc_is_canonical(ld))
		return ld->head - ld->tail;
	n = ld->canon_head - ld->tail;
	for (size_t pos = ld->tail; pos != ld->canon_head; pos++) {
		size_t at = pos & (LDISC_INPUT - 1);

		/* An EOF counts as nothing. */
		if ((ld->eol[at / 64] >> at % 64 & 1) && ld->in[at] == 0)
			n--;
	}
	return n;
}

static size_t read_line(struct ldisc *ld, uint8_t *buf, size_t size, bool *more)
{
	size_t n = 0;

	while (n < size && ld->tail != ld->canon_head) {
		uint8_t c = ld->in[ld->tail & (LDISC_INPUT - 1)];
		bool is_end = take_mark(ld, ld->tail);

		ld->tail++;
		if (!is_end || c != 0)
			buf[n++] = c;
		if (is_end)
			return n;
	}
	*more = ld->tail != ld->canon_head;
	return n;
}

static size_t read_raw(struct ldisc *ld, uint8_t *buf, size_t size, bool *more)
{
	size_t n = MIN(size, ld->head - ld->tail);

	for (size_t i = 0; i < n; i++)
		buf[i] = ld->in[ld->tail++ & (LDISC_INPUT - 1)];
	*more = ld->head != ld->tail;
	/* EXTPROC: a lone EOF character is the end of the file all the same. */
	if (n == 1 && !*more && (ld->tio.lflag & MODES_OF_LINES) == MODES_OF_LINES &&
	    buf[0] == ld->tio.cc[ABI_VEOF])
		return 0;
	return n;
}

size_t ldisc_read(struct ldisc *ld, uint8_t *buf, size_t size, bool *more)
{
	*more = false;
	if (ldisc_is_canonical(ld))
		return read_line(ld, buf, size, more);
	return read_raw(ld, buf, size, more);
}

/* A read(2) was filled up to the last byte of a line that an EOF ends: the next
 * one is not to see that as the end of the file. */
void ldisc_skip_eof(struct ldisc *ld)
{
	if (!ldisc_is_canonical(ld) || ld->tail == ld->canon_head ||
	    ld->in[ld->tail & (LDISC_INPUT - 1)] != 0 || !take_mark(ld, ld->tail))
		return;
	ld->tail++;
}
