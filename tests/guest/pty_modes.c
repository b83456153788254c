/* The line discipline, byte for byte: what the program reads and what the
 * screen shows, for chosen and for many random modes and keys. What is printed
 * here natively is what nacre has to print. */
#include <stdint.h>

#include "ptypair.h"

#define COOKED (ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN)

static struct ptypair p;

static void show(const char *what, const char *buf, int n)
{
	printf(" %s=\"", what);
	for (int i = 0; i < n; i++) {
		unsigned char c = (unsigned char)buf[i];

		if (c >= 0x20 && c < 0x7f && c != '\\' && c != '"')
			putchar(c);
		else
			printf("\\%03o", c);
	}
	printf("\"");
}

/* Reads the slave as a program does, one line (or what there is) at a time. */
static void read_slave(void)
{
	char buf[4200];

	while (is_ready(p.slave, 2)) {
		int n = (int)read(p.slave, buf, sizeof(buf));

		show("read", buf, n);
		if (n < 0)
			break;
	}
}

static void read_master(void)
{
	char buf[8192];
	int n = drain(p.master, buf, sizeof(buf));

	show("screen", buf, n);
}

static int is_signal_key(unsigned char c)
{
	return c == 3 || c == 034 || c == 032;
}

/* Linux takes keys in a thread of its own; it waits for that when a poll finds
 * nothing to read. In raw mode nothing means less than VMIN. */
static void settle(void)
{
	struct termios t;

	CHECK(tcgetattr(p.slave, &t) == 0);
	if (t.c_lflag & ICANON) {
		read_slave();
		return;
	}
	t.c_cc[VMIN] = 255;
	CHECK(tcsetattr(p.slave, TCSANOW, &t) == 0);
	CHECK(!is_ready(p.slave, 0));
	t.c_cc[VMIN] = 1;
	CHECK(tcsetattr(p.slave, TCSANOW, &t) == 0);
}

/* A key that makes a signal throws away what is on its way: on Linux that is a
 * matter of luck unless nothing is. */
static void type(const char *keys, int n)
{
	int from = 0;

	for (int i = 0; i <= n; i++) {
		if (i < n && !is_signal_key((unsigned char)keys[i]))
			continue;
		if (i > from)
			CHECK_EQ(write(p.master, keys + from, (size_t)(i - from)), i - from);
		if (i == n)
			break;
		settle();
		read_master();
		CHECK_EQ(write(p.master, keys + i, 1), 1);
		settle();
		read_master();
		from = i + 1;
	}
	settle();
}

static void reset(void)
{
	tcflow(p.slave, TCOON);
	tcflush(p.slave, TCIOFLUSH);
	/* Not over IXON alone: a stop by key ends with it. */
	set_modes(p.slave, 0, 0, 0);
	tcflush(p.slave, TCIOFLUSH);
	write(p.slave, "\r", 1);
	set_modes(p.slave, 0, OPOST, 0);
	write(p.slave, "\r", 1);
	char buf[8192];
	drain(p.master, buf, sizeof(buf));
}

static void chosen(const char *title, unsigned iflag, unsigned oflag, unsigned lflag,
		   const char *keys, int n)
{
	reset();
	set_modes(p.slave, iflag, oflag, lflag);
	printf("%s:", title);
	type(keys, n);
	read_slave();
	read_master();
	printf("\n");
}

#define KEYS(s) s, (int)sizeof(s) - 1

static void table(void)
{
	const unsigned in = ICRNL | IXON, out = OPOST | ONLCR;

	chosen("a line", in, out, COOKED, KEYS("hello\r"));
	chosen("erase", in, out, COOKED, KEYS("helo\177lo\n"));
	chosen("erase at the start", in, out, COOKED, KEYS("\177\177x\n"));
	chosen("erase a control", in, out, COOKED, KEYS("a\001\177b\n"));
	chosen("erase a tab", in, out, COOKED, KEYS("ab\t\177c\n"));
	chosen("erase two tabs", in, out, COOKED, KEYS("ab\tc\t\177\177\177d\n"));
	chosen("erase word", in, out, COOKED, KEYS("one two  three\027\027four\n"));
	chosen("erase word, signs", in, out, COOKED, KEYS("ab-cd_e++\027x\n"));
	chosen("kill", in, out, COOKED, KEYS("gone\025new\n"));
	chosen("kill, ECHOK only", in, out, COOKED & ~ECHOKE, KEYS("gone\025new\n"));
	chosen("kill, no ECHOK", in, out, COOKED & ~(ECHOKE | ECHOK), KEYS("gone\025new\n"));
	chosen("no ECHOE", in, out, COOKED & ~ECHOE, KEYS("ab\177c\n"));
	chosen("no ECHOCTL", in, out, COOKED & ~ECHOCTL, KEYS("a\001\177b\002c\n"));
	chosen("ECHOPRT", in, out, COOKED | ECHOPRT, KEYS("abc\177\177d\177e\n"));
	chosen("ECHOPRT to the start", in, out, COOKED | ECHOPRT, KEYS("ab\177\177\177e\n"));
	chosen("no echo", in, out, ICANON, KEYS("ab\177c\n"));
	chosen("ECHONL", in, out, ICANON | ECHONL, KEYS("ab\n"));
	chosen("literal next", in, out, COOKED, KEYS("a\026\003b\026\177\026\026c\n"));
	chosen("literal newline", in, out, COOKED, KEYS("a\026\nb\n"));
	chosen("literal next, no IEXTEN", in, out, COOKED & ~IEXTEN, KEYS("a\026\001b\027\n"));
	chosen("reprint", in, out, COOKED, KEYS("ab\001\022c\n"));
	chosen("end of file", in, out, COOKED, KEYS("\004"));
	chosen("end of file after text", in, out, COOKED, KEYS("ab\004cd\n"));
	chosen("two ends of file", in, out, COOKED, KEYS("ab\004\004cd\n"));
	chosen("interrupt", in, out, COOKED, KEYS("ab\003cd\n"));
	chosen("interrupt, NOFLSH", in, out, COOKED | NOFLSH, KEYS("ab\003cd\n"));
	chosen("suspend and quit", in, out, COOKED, KEYS("\032\034x\n"));
	chosen("stop and start", in, out, COOKED, KEYS("a\023bc\021d\n"));
	chosen("stop, restart by any", in | IXANY, out, COOKED, KEYS("a\023bc\n"));
	chosen("no IXON", ICRNL, out, COOKED, KEYS("a\023b\021\n"));
	chosen("IGNCR", IGNCR | ICRNL, out, COOKED, KEYS("a\rb\n"));
	chosen("INLCR", INLCR, out, COOKED, KEYS("a\nb\rc\004"));
	chosen("ISTRIP", ISTRIP, out, COOKED, KEYS("\341b\212"));
	chosen("IUCLC", IUCLC, out, COOKED, KEYS("aBC\n"));
	chosen("IUTF8", in | IUTF8, out, COOKED, KEYS("a\303\244b\342\202\254\177\177\177x\n"));
	chosen("no IUTF8", in, out, COOKED, KEYS("a\303\244\177x\n"));
	chosen("raw", 0, 0, 0, KEYS("a\r\n\003\004\177\026\000b"));
	chosen("raw with echo", 0, out, ECHO, KEYS("a\r\n\001\t\004"));
	chosen("raw with signals", 0, out, ISIG, KEYS("ab\003cd"));
	chosen("raw with echo and ECHOCTL", ICRNL, out, ECHO | ECHOCTL,
	       KEYS("a\r\n\001\t\004\177"));
	chosen("PARMRK", PARMRK, 0, 0, KEYS("a\377b"));
	chosen("PARMRK lines", PARMRK, out, COOKED, KEYS("a\377b\n"));
	chosen("a byte 0", in, out, COOKED, KEYS("a\000b\n"));
	chosen("8 bits", in, out, COOKED, KEYS("\200\377\n"));
}

/* ---- output ---- */

static void output(const char *title, unsigned oflag, const char *text, int n)
{
	reset();
	set_modes(p.slave, 0, oflag, 0);
	printf("%s:", title);
	CHECK_EQ(write(p.slave, text, (size_t)n), n);
	read_master();
	printf("\n");
}

static void outputs(void)
{
	static const char all[] = "a\tb\n\rc\r\rd\be\ff\vg\033h\177i\303\244\tj\n\tk\r\nl";

	output("plain", 0, KEYS(all));
	output("OPOST", OPOST, KEYS(all));
	output("ONLCR", OPOST | ONLCR, KEYS(all));
	output("OCRNL", OPOST | OCRNL, KEYS(all));
	output("ONOCR", OPOST | ONOCR, KEYS(all));
	output("ONLRET", OPOST | ONLRET, KEYS(all));
	output("ONLRET OCRNL", OPOST | ONLRET | OCRNL, KEYS(all));
	output("ONLRET ONOCR", OPOST | ONLRET | ONOCR, KEYS(all));
	output("XTABS", OPOST | XTABS, KEYS(all));
	output("XTABS ONLCR", OPOST | ONLCR | XTABS, KEYS(all));
	output("OLCUC", OPOST | OLCUC, KEYS("aZ09\344\337\377\n"));
}

/* ---- changes of mode with bytes there ---- */

static void mode_change(void)
{
	char buf[16];

	reset();
	set_modes(p.slave, 0, 0, ICANON);
	type(KEYS("abc\nde"));
	printf("to raw:");
	set_modes(p.slave, 0, 0, 0);
	read_slave();
	printf("\nto canonical:");
	type(KEYS("fgh"));
	CHECK(is_ready(p.slave, 60000));
	set_modes(p.slave, 0, 0, ICANON);
	read_slave();
	type(KEYS("ij\n"));
	read_slave();
	printf("\nshort reads:");
	type(KEYS("abcd\004efgh\n"));
	for (int i = 0; i < 3; i++) {
		int n = (int)read(p.slave, buf, 4);

		show("read", buf, n);
	}
	printf("\n");
}

static void long_line(void)
{
	static char big[5000], back[5000];
	int n;

	reset();
	set_modes(p.slave, 0, 0, ICANON);
	memset(big, 'x', sizeof(big));
	big[4999] = '\n';
	for (int i = 0; i < 5000; i += 100)
		CHECK_EQ(write(p.master, big + i, 100), 100);
	CHECK(is_ready(p.slave, 60000));
	n = (int)read(p.slave, back, sizeof(back));
	printf("long line: %d, ends %o\n", n, back[n - 1]);
}

/* ---- random ---- */

static uint64_t seed = 20250613;

static unsigned pick(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 11) % n;
}

static unsigned pick_flags(const unsigned *flags, int n)
{
	unsigned r = 0;

	for (int i = 0; i < n; i++) {
		if (pick(2))
			r |= flags[i];
	}
	return r;
}

static void random_cases(int count)
{
	static const unsigned in[] = { ICRNL, INLCR, IGNCR, ISTRIP, IUCLC,
				       IXON,  IXANY, IUTF8, PARMRK };
	static const unsigned out[] = { OPOST, ONLCR, OCRNL, ONOCR, ONLRET, XTABS, OLCUC };
	static const unsigned local[] = { ISIG,   ICANON, ICANON,  ECHO,    ECHO,   ECHOE, ECHOK,
					  ECHONL, NOFLSH, ECHOCTL, ECHOPRT, ECHOKE, IEXTEN };
	static const char keys[] = "aB _-\t\t\r\n\n\177\177\177\025\027\027\026\022\004\023\021\001"
				   "\003\303\244\377\200";
	char text[24];

	for (int i = 0; i < count; i++) {
		unsigned iflag = pick_flags(in, (int)(sizeof(in) / sizeof(in[0])));
		unsigned oflag = pick_flags(out, (int)(sizeof(out) / sizeof(out[0])));
		unsigned lflag = pick_flags(local, (int)(sizeof(local) / sizeof(local[0])));
		int n = 4 + (int)pick(18);
		char title[80];

		for (int k = 0; k < n; k++)
			text[k] = keys[pick(sizeof(keys) - 1)];
		snprintf(title, sizeof(title), "%d (%o %o %o)", i, iflag, oflag, lflag);
		printf("%s", title);
		show("keys", text, n);
		chosen("", iflag, oflag, lflag, text, n);
	}
}

int main(void)
{
	ptypair_open(&p);
	CHECK(fcntl(p.slave, F_SETFL, O_NONBLOCK) == 0);
	table();
	outputs();
	mode_change();
	long_line();
	random_cases(100);
	ptypair_close(&p);
	return 0;
}
