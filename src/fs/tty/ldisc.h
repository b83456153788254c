/*
 * The line discipline of a terminal, N_TTY: what happens to a byte between the
 * keyboard and the program (input), and between the program and the screen
 * (output). It knows no processes, files or locks: the caller (pty.c) has the
 * terminal's lock, moves the bytes, and carries out what `events` asks for.
 *
 *	keyboard ──ldisc_receive──> in ──ldisc_read──> program
 *	                             │ echo
 *	                             v
 *	screen <──────────────────  out <──ldisc_write── program
 *
 * Input. `in` is a ring with three marks, counting bytes for ever:
 *
 *	tail ────── complete lines ────── canon_head ── being edited ── head
 *
 * In canonical mode bytes up to canon_head may be read, a line at a time; a
 * line ends at a byte that is marked in `eol`. An EOF character is a marked
 * byte 0: it ends a line and is not read itself. In the other mode everything
 * up to head may be read.
 *
 * Echo. What is echoed is turned into screen bytes when the key comes, with the
 * column that it will find there, and waits in `echo` while `out` is full or
 * stopped. Programs' output waits behind it, so that columns stay right.
 *
 *  1. tail <= canon_head <= head <= tail + LDISC_INPUT (canonical mode);
 *     canon_head is not looked at in the other.
 *  2. Marks in `eol` exist for bytes in [tail, canon_head) only.
 *  3. echo is empty, or out is full, or output is stopped.
 *
 * After termios(3), and Linux where that is silent: an input line is cut at 4095
 * bytes, EOF at the very end of a full read(2) is swallowed with it, what was
 * typed in raw mode becomes a line when canonical mode is switched on.
 */
#pragma once

#include "abi/ioctl.h"
#include "abi/termios.h"
#include "fs/tty/byteq.h"

#define LDISC_INPUT 4096u
#define LDISC_OUTPUT 16384u
#define LDISC_ECHO 4096u

/* What has happened, for the caller to do (and to clear). */
#define LDISC_SIGINT 0x01u
#define LDISC_SIGQUIT 0x02u
#define LDISC_SIGTSTP 0x04u
#define LDISC_READABLE 0x08u
#define LDISC_FLUSHED_IN 0x10u
#define LDISC_FLUSHED_OUT 0x20u
#define LDISC_STOPPED 0x40u /* at most one of the two: the later */
#define LDISC_STARTED 0x80u

struct ldisc {
	struct abi_termios2 tio;
	unsigned events; /* LDISC_* */

	/* input */
	size_t head, canon_head, tail;
	bool is_quoted;  /* LNEXT came: the next byte means nothing special */
	bool is_erasing; /* ECHOPRT: between \ and / */

	/* output */
	struct byteq out, echo;
	unsigned column;             /* where the next byte appears */
	unsigned canon_column;       /* where the line being edited began */
	unsigned column_before_echo; /* of the first byte in echo */
	bool stopped;                /* by STOP, or TCOOFF */
	bool stopped_by_call;        /* by TCOOFF: START does not end it */

	uint64_t eol[LDISC_INPUT / 64];
	uint8_t in[LDISC_INPUT];
	uint8_t out_buf[LDISC_OUTPUT], echo_buf[LDISC_ECHO];
};

/* Linux's modes of a fresh pseudo terminal. *ld is zeroed. */
void ldisc_init(struct ldisc *ld);
/* As at the beginning, but for output under way: after a hang-up. */
void ldisc_reset(struct ldisc *ld);
/* Changes the modes; the lines that are there are dealt with as said above. */
void ldisc_set_termios(struct ldisc *ld, const struct abi_termios2 *tio);

/* ---- the terminal's side ---- */

/* Bytes from the keyboard: returns how many were taken; the rest waits until
 * something is read. */
size_t ldisc_receive(struct ldisc *ld, const uint8_t *p, size_t n);
/* Takes bytes off `out` that were shown: echo moves up. */
void ldisc_shown(struct ldisc *ld, size_t n);

/* ---- the program's side ---- */

/* for_poll: would poll(2) say so? With VMIN and no VTIME that needs VMIN bytes. */
bool ldisc_readable(const struct ldisc *ld, bool for_poll);
/* One piece: at most a line in canonical mode. *more: the piece was cut by size,
 * and no line has ended. 0 with !*more in canonical mode: end of file. */
size_t ldisc_read(struct ldisc *ld, uint8_t *buf, size_t size, bool *more);
/* After a read(2) whose buffer is full with *more: swallows an EOF that is next. */
void ldisc_skip_eof(struct ldisc *ld);
/* Bytes to the screen: how many were taken. */
size_t ldisc_write(struct ldisc *ld, const uint8_t *p, size_t n);
/* Would it take any? */
bool ldisc_writable(const struct ldisc *ld);
/* FIONREAD. */
size_t ldisc_unread(const struct ldisc *ld);

void ldisc_flush_input(struct ldisc *ld);
void ldisc_flush_output(struct ldisc *ld);
/* By STOP and START, or by_call: tcflow(3). */
void ldisc_stop(struct ldisc *ld, bool by_call);
void ldisc_start(struct ldisc *ld, bool by_call);

/* ---- among the files of the discipline ---- */

/* output.c: echo of a byte as it is, or control characters as ^X (ECHOCTL). */
void ldisc_echo_raw(struct ldisc *ld, uint8_t c);
void ldisc_echo(struct ldisc *ld, uint8_t c);
/* The byte goes to the screen, and the column one back: what Linux does for the
 * second and later bytes of a character that it shows as erased. */
void ldisc_echo_and_back(struct ldisc *ld, uint8_t c);
/* Back over a tab that was typed after `columns` columns (after another tab, or
 * the beginning of the line). */
void ldisc_echo_erase_tab(struct ldisc *ld, unsigned columns, bool after_tab);
void ldisc_echo_flush(struct ldisc *ld);
/* What waits will never be shown. */
void ldisc_echo_forget(struct ldisc *ld);

static inline bool ldisc_is_canonical(const struct ldisc *ld)
{
	/* EXTPROC: somebody else edits the line. */
	return (ld->tio.lflag & ABI_ICANON) && !(ld->tio.lflag & ABI_EXTPROC);
}

static inline bool ldisc_is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

/* The second and later bytes of a UTF-8 character, when IUTF8 is on. */
static inline bool ldisc_is_continuation(const struct ldisc *ld, uint8_t c)
{
	return (ld->tio.iflag & ABI_IUTF8) && (c & 0xc0) == 0x80;
}
