/* strace's files among themselves. */
#pragma once

#include "syscall/strace.h"

/* The call that a line is about. */
struct strace_call {
	struct task *t;
	int64_t nr;
	const struct sysargs *args;
	const struct syscall_entry *entry;
	long ret;
	bool is_done; /* ret is known, and what the call filled in */
};

/* Names of values or bits. */
struct strace_name {
	uint64_t val;
	const char *name;
};
struct strace_names {
	const struct strace_name *names;
	unsigned count;
};
#define STRACE_NAMES(array)                \
	{                                  \
		(array), ARRAY_SIZE(array) \
	}

/* ---- strace.c: text; what does not fit is cut ---- */

void strace_printf(struct strace_line *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strace_puts(struct strace_line *l, const char *text);

/* ---- strace_filter.c ---- */

/* Sets the bit of every wanted call: -EINVAL for an unknown word. */
int strace_filter_parse(const char *filter, uint64_t wanted[(SYSCALL_TABLE_SIZE + 63) / 64])
	MUST_CHECK;

/* ---- strace_names.c ---- */

/* The name of one value, or the number in that format. */
void strace_value(struct strace_line *l, uint64_t val, const struct strace_names *names,
		  const char *number_format);
/* Names joined by '|', the unknown rest in hex; "0" for none. */
void strace_flags(struct strace_line *l, uint64_t val, const struct strace_names *names);
/* The table of a kind that is values or flags; NULL. */
const struct strace_names *strace_kind_names(unsigned kind, bool *is_flags);
void strace_open_flags(struct strace_line *l, uint64_t flags);
void strace_mode(struct strace_line *l, uint32_t mode); /* with its type */
void strace_signal_name(struct strace_line *l, int signo);
const char *strace_signal_code(int signo, int code);
extern const struct strace_names strace_poll_names, strace_epoll_names, strace_sa_names,
	strace_resolve_names;

/* ---- strace_args.c ---- */

/* One argument, without its separator. */
void strace_arg(struct strace_line *l, const struct strace_call *c, unsigned i);
/* Is it printed only when the call has returned? */
bool strace_arg_is_out(unsigned kind);
/* Is it no argument of this variant of the call (open's mode, fcntl's third)? */
bool strace_arg_is_hidden(const struct strace_call *c, unsigned i);
/* Bytes in quotes, escaped; "..." behind them when is_cut. */
void strace_quote(struct strace_line *l, const void *bytes, size_t size, bool is_cut);
/* A guest's buffer, its first bytes. */
void strace_buffer(struct strace_line *l, struct task *t, gva_t addr, uint64_t size);
void strace_string(struct strace_line *l, struct task *t, gva_t addr, size_t max);
void strace_iovec(struct strace_line *l, struct task *t, gva_t iov, uint64_t count, uint64_t bytes);
void strace_pointer(struct strace_line *l, gva_t addr);

/* ---- strace_structs.c, strace_sock.c: a structure at a guest address ---- */

/* Copies a structure in, or prints the address. */
bool strace_get(struct strace_line *l, const struct strace_call *c, gva_t addr, void *out,
		size_t size);
struct abi_timespec;
void strace_sigset(struct strace_line *l, uint64_t set);
void strace_timespec(struct strace_line *l, const struct abi_timespec *ts);
typedef void (*strace_struct_fn)(struct strace_line *l, const struct strace_call *c, unsigned i);
extern const strace_struct_fn strace_structs[ARG_KINDS];
void strace_sockaddr(struct strace_line *l, const struct strace_call *c, unsigned i);
void strace_sockaddr_out(struct strace_line *l, const struct strace_call *c, unsigned i);
void strace_msghdr(struct strace_line *l, const struct strace_call *c, unsigned i);
/* What poll found, for behind the result. */
void strace_poll_result(struct strace_line *l, const struct strace_call *c, unsigned i);

/* ---- strace_uring.c ---- */

void strace_uring_enter_flags(struct strace_line *l, uint64_t flags);
void strace_uring_opcode(struct strace_line *l, uint64_t opcode); /* of io_uring_register */
void strace_uring_params(struct strace_line *l, const struct strace_call *c, unsigned i);
void strace_uring_wait(struct strace_line *l, const struct strace_call *c, unsigned i);
void strace_uring_rsrc(struct strace_line *l, const struct strace_call *c, unsigned i);
