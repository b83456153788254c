/* One argument of a call: numbers, descriptors, strings, buffers, vectors. What is
 * a structure is in strace_structs.c. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "abi/fcntl.h"
#include "abi/futex.h"
#include "abi/ioctl.h"
#include "syscall/strace_internal.h"

#define SHOWN_BYTES 32 /* of a buffer, as strace -s 32 */
#define SHOWN_ITEMS 16 /* of a vector */
#define SHOWN_PATH 1024

/* ---- bytes ---- */

static void quote_byte(char *out, size_t *n, uint8_t c, uint8_t next)
{
	static const char special[] = "\"\\\n\t\r\f\v", letters[] = "\"\\ntrfv";
	const char *found = c ? strchr(special, c) : NULL;

	if (found) {
		out[(*n)++] = '\\';
		out[(*n)++] = letters[found - special];
	} else if (c >= 0x20 && c < 0x7f) {
		out[(*n)++] = (char)c;
	} else {
		/* Short octal, unless a digit follows that would join it. */
		*n += (size_t)snprintf(out + *n, 5, isdigit(next) ? "\\%03o" : "\\%o", c);
	}
}

void strace_quote(struct strace_line *l, const void *bytes, size_t size, bool is_cut)
{
	const uint8_t *b = bytes;

	strace_puts(l, "\"");
	for (size_t i = 0; i < size; i++) {
		char out[8];
		size_t n = 0;

		quote_byte(out, &n, b[i], i + 1 < size ? b[i + 1] : 0);
		strace_printf(l, "%.*s", (int)n, out);
	}
	strace_puts(l, is_cut ? "\"..." : "\"");
}

void strace_pointer(struct strace_line *l, gva_t addr)
{
	if (addr)
		strace_printf(l, "%#llx", (unsigned long long)addr);
	else
		strace_puts(l, "NULL");
}

void strace_buffer(struct strace_line *l, struct task *t, gva_t addr, uint64_t size)
{
	uint8_t bytes[SHOWN_BYTES];
	size_t n = MIN(size, (uint64_t)sizeof(bytes));

	if (!addr || (n && mm_copy_in(t->mm, bytes, addr, n) < 0))
		strace_pointer(l, addr);
	else
		strace_quote(l, bytes, n, size > n);
}

void strace_string(struct strace_line *l, struct task *t, gva_t addr, size_t max)
{
	char text[SHOWN_PATH];
	ssize_t n;

	if (!addr) {
		strace_puts(l, "NULL");
		return;
	}
	max = MIN(max, sizeof(text));
	n = mm_copy_in_str(t->mm, text, addr, max);
	if (n == -ENAMETOOLONG)
		strace_buffer(l, t, addr, max);
	else if (n < 0)
		strace_pointer(l, addr);
	else
		strace_quote(l, text, (size_t)n, false);
}

/* bytes: how many in all are worth showing (a read: what it returned). */
void strace_iovec(struct strace_line *l, struct task *t, gva_t iov, uint64_t count, uint64_t bytes)
{
	struct abi_iovec v;

	if (!iov || count > ABI_UIO_MAXIOV) {
		strace_pointer(l, iov);
		return;
	}
	strace_puts(l, "[");
	for (uint64_t i = 0; i < count; i++) {
		if (i == SHOWN_ITEMS || mm_copy_in(t->mm, &v, iov + i * sizeof(v), sizeof(v)) < 0) {
			strace_puts(l, i ? ", ..." : "...");
			break;
		}
		strace_puts(l, i ? ", {iov_base=" : "{iov_base=");
		strace_buffer(l, t, v.base, MIN(v.size, bytes));
		strace_printf(l, ", iov_len=%llu}", (unsigned long long)v.size);
		bytes -= MIN(bytes, v.size);
	}
	strace_puts(l, "]");
}

/* A NULL-ended vector of strings; only_count: as strace shows an environment. */
static void print_argv(struct strace_line *l, struct task *t, gva_t argv, bool only_count)
{
	uint64_t str = 0;
	unsigned n = 0;

	if (!argv) {
		strace_puts(l, "NULL");
		return;
	}
	if (!only_count)
		strace_puts(l, "[");
	for (; n < 100000; n++) {
		if (mm_copy_in(t->mm, &str, argv + n * 8, 8) < 0 || !str)
			break;
		if (only_count)
			continue;
		if (n >= SHOWN_ITEMS * 2) {
			strace_puts(l, ", ...");
			break;
		}
		if (n)
			strace_puts(l, ", ");
		strace_string(l, t, str, SHOWN_PATH);
	}
	if (only_count)
		strace_printf(l, "%#llx /* %u vars */", (unsigned long long)argv, n);
	else
		strace_puts(l, "]");
}

/* ---- numbers with a name ---- */

static void print_ioctl(struct strace_line *l, uint64_t cmd)
{
#define N(x)          \
	{             \
		x, #x \
	}
	static const struct strace_name cmds[] = {
		N(TCGETS),
		N(TCSETS),
		N(TCSETSW),
		N(TCSETSF),
		N(TCSBRK),
		N(TCXONC),
		N(TCFLSH),
		N(TIOCSCTTY),
		N(TIOCGPGRP),
		N(TIOCSPGRP),
		N(TIOCGWINSZ),
		N(TIOCSWINSZ),
		N(FIONREAD),
		N(FIONBIO),
		N(FIOASYNC),
		N(FIOCLEX),
		N(FIONCLEX),
		N(TIOCNOTTY),
		N(TIOCGSID),
		N(TIOCGPTN),
		N(TIOCSPTLCK),
		N(TIOCGPTPEER),
		N(TIOCSTI),
		{ ABI_FICLONE, "FICLONE" },
		{ ABI_FS_IOC_GETFLAGS, "FS_IOC_GETFLAGS" },
		{ ABI_FS_IOC_SETFLAGS, "FS_IOC_SETFLAGS" },
		{ ABI_FS_IOC_FIEMAP, "FS_IOC_FIEMAP" },
	};
#undef N
	static const struct strace_names names = STRACE_NAMES(cmds);

	strace_value(l, (uint32_t)cmd, &names, "%#x");
}

static void print_socktype(struct strace_line *l, uint64_t type)
{
	static const char *const types[] = { "0",        "SOCK_STREAM", "SOCK_DGRAM",
					     "SOCK_RAW", "SOCK_RDM",    "SOCK_SEQPACKET" };
	uint64_t base = type & 0xf;

	if (base < ARRAY_SIZE(types))
		strace_puts(l, types[base]);
	else
		strace_printf(l, "%llu", (unsigned long long)base);
	if (type & SOCK_CLOEXEC)
		strace_puts(l, "|SOCK_CLOEXEC");
	if (type & SOCK_NONBLOCK)
		strace_puts(l, "|SOCK_NONBLOCK");
}

static void print_futex_op(struct strace_line *l, uint64_t op)
{
	bool is_flags;
	const struct strace_names *names = strace_kind_names(ARG_FUTEX_OP, &is_flags);

	strace_value(l, op & FUTEX_CMD_MASK, names, "%#x");
	if (op & FUTEX_PRIVATE_FLAG)
		strace_puts(l, "_PRIVATE");
	if (op & FUTEX_CLOCK_REALTIME)
		strace_puts(l, "|FUTEX_CLOCK_REALTIME");
}

/* The exit signal is in clone's low byte. */
static void print_clone_flags(struct strace_line *l, uint64_t flags)
{
	bool is_flags;
	const struct strace_names *names = strace_kind_names(ARG_CLONE_FLAGS, &is_flags);

	strace_flags(l, flags & ~(uint64_t)0xff, names);
	if (flags & 0xff) {
		strace_puts(l, "|");
		strace_signal_name(l, (int)(flags & 0xff));
	}
}

static void print_map_flags(struct strace_line *l, uint64_t flags)
{
	bool is_flags;

	strace_flags(l, (uint32_t)flags, strace_kind_names(ARG_MAP_FLAGS, &is_flags));
}

static void print_access(struct strace_line *l, uint64_t mode)
{
	bool is_flags;

	if (mode)
		strace_flags(l, mode, strace_kind_names(ARG_ACCESS, &is_flags));
	else
		strace_puts(l, "F_OK");
}

static void print_prot(struct strace_line *l, uint64_t prot)
{
	bool is_flags;

	if (prot)
		strace_flags(l, prot, strace_kind_names(ARG_PROT, &is_flags));
	else
		strace_puts(l, "PROT_NONE");
}

static void print_dirfd(struct strace_line *l, int fd)
{
	if (fd == AT_FDCWD)
		strace_puts(l, "AT_FDCWD");
	else
		strace_printf(l, "%d", fd);
}

static void print_id(struct strace_line *l, uint32_t id)
{
	if (id == ~(uint32_t)0)
		strace_puts(l, "-1");
	else
		strace_printf(l, "%u", id);
}

static void print_fcntl_arg(struct strace_line *l, const struct strace_call *c, uint64_t arg)
{
	switch ((int)c->args->a[1]) {
	case F_SETFL:
		strace_open_flags(l, arg);
		break;
	case F_SETFD:
		strace_puts(l, arg & FD_CLOEXEC ? "FD_CLOEXEC" : "0");
		break;
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
	case F_SETOWN:
	case F_SETPIPE_SZ:
	case F_DUPFD_QUERY:
		strace_printf(l, "%d", (int)arg);
		break;
	case F_SETSIG:
		strace_signal_name(l, (int)arg);
		break;
	default:
		strace_pointer(l, arg);
	}
}

/* ---- dispatch ---- */

bool strace_arg_is_out(unsigned kind)
{
	switch (kind) {
	case ARG_STR_OUT:
	case ARG_BUF_OUT:
	case ARG_SIGSET_OUT:
	case ARG_SIGACTION_OUT:
	case ARG_TIMESPEC_OUT:
	case ARG_TIMEVAL_OUT:
	case ARG_ITIMERSPEC_OUT:
	case ARG_ITIMERVAL_OUT:
	case ARG_STAT:
	case ARG_STATX:
	case ARG_STATFS:
	case ARG_UTSNAME:
	case ARG_RLIMIT_OUT:
	case ARG_IOVEC_OUT:
	case ARG_PIPE_FDS:
	case ARG_INT_OUT:
	case ARG_WAIT_STATUS:
	case ARG_EPOLL_OUT:
	case ARG_SOCKADDR_OUT:
	case ARG_MSGHDR_OUT:
	case ARG_DIRENTS:
	case ARG_URING_PARAMS:
		return true;
	}
	return false;
}

static bool fcntl_has_arg(int cmd)
{
	switch (cmd) {
	case F_GETFD:
	case F_GETFL:
	case F_GETOWN:
	case F_GETSIG:
	case F_GETLEASE:
	case F_GETPIPE_SZ:
	case F_GET_SEALS:
		return false;
	}
	return true;
}

/* How many arguments a futex operation uses. */
static unsigned futex_nargs(uint64_t op)
{
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAKE:
		return 3;
	case FUTEX_WAIT:
		return 4;
	case FUTEX_UNLOCK_PI:
	case FUTEX_TRYLOCK_PI:
		return 2;
	case FUTEX_REQUEUE:
		return 5;
	}
	return 6;
}

bool strace_arg_is_hidden(const struct strace_call *c, unsigned i)
{
	const uint8_t *kinds = c->entry->args;

	if (kinds[i] == ARG_MODE && i > 0 && kinds[i - 1] == ARG_OPEN_FLAGS)
		return !(c->args->a[i - 1] & (O_CREAT | ABI_O_TMPFILE_BIT));
	if (kinds[i] == ARG_FCNTL_ARG)
		return !fcntl_has_arg((int)c->args->a[1]);
	if (i > 1 && kinds[1] == ARG_FUTEX_OP)
		return i >= futex_nargs(c->args->a[1]);
	return false;
}

/* A number in its plain form, or one of the special tables. False: neither. */
static bool print_number(struct strace_line *l, const struct strace_call *c, unsigned kind,
			 uint64_t v)
{
	switch (kind) {
	case ARG_INT:
	case ARG_FD:
	case ARG_PID:
		strace_printf(l, "%d", (int)v);
		return true;
	case ARG_UINT:
		strace_printf(l, "%u", (unsigned)v);
		return true;
	case ARG_LONG:
	case ARG_OFF:
		strace_printf(l, "%lld", (long long)v);
		return true;
	case ARG_SIZE:
		strace_printf(l, "%llu", (unsigned long long)v);
		return true;
	case ARG_HEX:
	case ARG_DEV:
		strace_printf(l, v ? "%#llx" : "%llu", (unsigned long long)v);
		return true;
	case ARG_OCT:
	case ARG_MODE:
		strace_printf(l, "%#03o", (unsigned)v);
		return true;
	case ARG_UID:
		print_id(l, (uint32_t)v);
		return true;
	case ARG_DIRFD:
		print_dirfd(l, (int)v);
		return true;
	case ARG_SIGNO:
		strace_signal_name(l, (int)v);
		return true;
	case ARG_FCNTL_ARG:
		print_fcntl_arg(l, c, v);
		return true;
	}
	return false;
}

static bool print_named(struct strace_line *l, unsigned kind, uint64_t v)
{
	switch (kind) {
	case ARG_IOCTL:
		print_ioctl(l, v);
		return true;
	case ARG_OPEN_FLAGS:
		strace_open_flags(l, v);
		return true;
	case ARG_SOCKTYPE:
		print_socktype(l, v);
		return true;
	case ARG_FUTEX_OP:
		print_futex_op(l, v);
		return true;
	case ARG_CLONE_FLAGS:
		print_clone_flags(l, v);
		return true;
	case ARG_MAP_FLAGS:
		print_map_flags(l, v);
		return true;
	case ARG_ACCESS:
		print_access(l, v);
		return true;
	case ARG_PROT:
		print_prot(l, v);
		return true;
	case ARG_URING_ENTER:
		strace_uring_enter_flags(l, v);
		return true;
	case ARG_URING_REGISTER:
		strace_uring_opcode(l, v);
		return true;
	}
	return false;
}

/* The number behind a buffer: its size, or how much of it the call filled. */
static uint64_t filled(const struct strace_call *c, unsigned i)
{
	return c->is_done && c->ret >= 0 ? (uint64_t)c->ret : c->args->a[i + 1];
}

static bool print_bytes(struct strace_line *l, const struct strace_call *c, unsigned i, uint64_t v)
{
	switch (c->entry->args[i]) {
	case ARG_STR:
	case ARG_PATH:
		strace_string(l, c->t, v, SHOWN_PATH);
		return true;
	case ARG_STR_IN:
	case ARG_BUF_IN:
		strace_buffer(l, c->t, v, c->args->a[i + 1]);
		return true;
	case ARG_STR_OUT:
		/* getcwd counts the NUL, readlink has none. */
		if (c->args->a[0] == v)
			strace_string(l, c->t, v, SHOWN_PATH);
		else
			strace_buffer(l, c->t, v, filled(c, i));
		return true;
	case ARG_BUF_OUT:
		strace_buffer(l, c->t, v, filled(c, i));
		return true;
	case ARG_IOVEC:
		strace_iovec(l, c->t, v, c->args->a[i + 1], ~(uint64_t)0);
		return true;
	case ARG_IOVEC_OUT:
		strace_iovec(l, c->t, v, c->args->a[i + 1], filled(c, i));
		return true;
	case ARG_ARGV:
		print_argv(l, c->t, v, false);
		return true;
	case ARG_ENVP:
		print_argv(l, c->t, v, true);
		return true;
	}
	return false;
}

static bool print_table(struct strace_line *l, unsigned kind, uint64_t v)
{
	bool is_flags;
	const struct strace_names *names = strace_kind_names(kind, &is_flags);

	if (!names)
		return false;
	if (is_flags)
		strace_flags(l, (uint32_t)v, names);
	else
		strace_value(l, (uint32_t)v, names, "%d");
	return true;
}

void strace_arg(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	unsigned kind = c->entry->args[i];
	uint64_t v = c->args->a[i];

	/* A call that failed has filled in nothing; what it asked for is in some all the same. */
	if (c->is_done && c->ret < 0 && strace_arg_is_out(kind) && kind != ARG_URING_PARAMS) {
		strace_pointer(l, v);
		return;
	}
	if (print_number(l, c, kind, v) || print_named(l, kind, v) || print_bytes(l, c, i, v) ||
	    print_table(l, kind, v))
		return;
	if (v && strace_structs[kind])
		strace_structs[kind](l, c, i);
	else
		strace_pointer(l, v);
}
