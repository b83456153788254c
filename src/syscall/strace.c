/*
 * strace: lines. A line is made on the stack of the calling thread and goes out
 * in one write, so lines of threads never mix; only a very long one is cut, and
 * always keeps its result.
 *
 * The arguments are read from guest memory once more than the call reads them:
 * what is shown is what was there, not what the call saw. Nothing rests on it.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/syscall_nr.h"
#include "abi/wait.h"
#include "base/log.h"
#include "syscall/strace_internal.h"

#define RESULT_ROOM 160 /* kept free by arguments */

bool strace_enabled;
static int strace_fd = -1;
static uint64_t strace_wanted[(SYSCALL_TABLE_SIZE + 63) / 64];

int strace_enable(const char *filter, int fd)
{
	int r = strace_filter_parse(filter, strace_wanted);

	if (r < 0)
		return r;
	strace_fd = fd;
	strace_enabled = true;
	return 0;
}

/* ---- text ---- */

static void PRINTF_LIKE(3, 0)
	vappend(struct strace_line *l, size_t limit, const char *fmt, va_list ap)
{
	int n;

	if (l->size + 1 >= limit)
		return;
	n = vsnprintf(l->text + l->size, limit - l->size, fmt, ap);
	if (n > 0)
		l->size = MIN(l->size + (size_t)n, limit - 1);
}

void strace_printf(struct strace_line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vappend(l, sizeof(l->text) - RESULT_ROOM, fmt, ap);
	va_end(ap);
}

void strace_puts(struct strace_line *l, const char *text)
{
	strace_printf(l, "%s", text);
}

/* May use the room that arguments leave. */
static void PRINTF_LIKE(2, 3) print_result(struct strace_line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vappend(l, sizeof(l->text) - 1, fmt, ap);
	va_end(ap);
}

static void line_begin(struct strace_line *l, struct task *t)
{
	l->size = 0;
	l->next_arg = 0;
	strace_printf(l, "[%d] ", t->tid);
}

static void line_end(struct strace_line *l)
{
	l->text[l->size++] = '\n';
	log_write(strace_fd, l->text, l->size);
}

/* ---- calls ---- */

static bool is_wanted(int64_t nr)
{
	if ((uint64_t)nr >= SYSCALL_TABLE_SIZE)
		return true;
	return strace_wanted[nr / 64] >> (nr % 64) & 1;
}

static const struct syscall_entry *entry_of(int64_t nr)
{
	static const struct syscall_entry unknown = { .nargs = 0 };

	return (uint64_t)nr < SYSCALL_TABLE_SIZE ? &syscall_table[nr] : &unknown;
}

/* Arguments from next_arg on, up to the first that must wait for the return. */
static void print_args(struct strace_line *l, const struct strace_call *c)
{
	const struct syscall_entry *e = c->entry;

	for (; l->next_arg < e->nargs; l->next_arg++) {
		unsigned i = l->next_arg;

		if (!c->is_done && strace_arg_is_out(e->args[i]))
			return;
		if (strace_arg_is_hidden(c, i))
			continue;
		if (i > 0)
			strace_puts(l, ", ");
		strace_arg(l, c, i);
	}
}

void strace_enter(struct strace_line *line, struct task *t, int64_t nr, const struct sysargs *args)
{
	const struct strace_call c = { .t = t, .nr = nr, .args = args, .entry = entry_of(nr) };

	line->wanted = is_wanted(nr);
	if (!line->wanted)
		return;
	line_begin(line, t);
	if (c.entry->name)
		strace_printf(line, "%s(", c.entry->name);
	else
		strace_printf(line, "syscall_%#llx(", (unsigned long long)nr);
	print_args(line, &c);
}

static const char *restart_text(long ret)
{
	switch (-ret) {
	case ERESTARTSYS:
		return "ERESTARTSYS (To be restarted if SA_RESTART is set)";
	case ERESTARTNOINTR:
		return "ERESTARTNOINTR (To be restarted)";
	case ERESTARTNOHAND:
		return "ERESTARTNOHAND (To be restarted if no handler)";
	case ERESTART_RESTARTBLOCK:
		return "ERESTART_RESTARTBLOCK (Interrupted by signal)";
	}
	return NULL;
}

static bool returns_address(int64_t nr)
{
	return nr == ABI_NR_mmap || nr == ABI_NR_brk || nr == ABI_NR_mremap || nr == ABI_NR_shmat;
}

static void print_error(struct strace_line *l, long ret)
{
	const char *restart = restart_text(ret);
	const char *name = strerrorname_np((int)-ret), *text = strerrordesc_np((int)-ret);

	if (restart)
		print_result(l, ") = ? %s", restart);
	else
		print_result(l, ") = -1 %s (%s)", name ? name : "E???", text ? text : "?");
}

static void print_return(struct strace_line *l, const struct strace_call *c)
{
	if (c->nr == ABI_NR_exit || c->nr == ABI_NR_exit_group)
		print_result(l, ") = ?");
	else if (c->ret < 0 && c->ret >= -ABI_MAX_ERRNO)
		print_error(l, c->ret);
	else if (returns_address(c->nr))
		print_result(l, ") = %#lx", (unsigned long)c->ret);
	else if (c->nr == ABI_NR_umask)
		print_result(l, ") = %#lo", (unsigned long)c->ret);
	else
		print_result(l, ") = %ld", c->ret);
}

static void print_poll(struct strace_line *l, const struct strace_call *c)
{
	if (c->entry->nargs && c->entry->args[0] == ARG_POLLFDS && c->ret > 0)
		strace_poll_result(l, c, 0);
}

void strace_leave(struct strace_line *line, struct task *t, int64_t nr, const struct sysargs *args,
		  long ret)
{
	const struct strace_call c = {
		.t = t,
		.nr = nr,
		.args = args,
		.entry = entry_of(nr),
		.ret = ret,
		.is_done = true,
	};

	if (!line->wanted)
		return;
	print_args(line, &c);
	print_return(line, &c);
	print_poll(line, &c);
	line_end(line);
}

/* ---- signals and exits ---- */

static void print_siginfo(struct strace_line *l, const struct ksiginfo *info)
{
	const char *code = strace_signal_code(info->signo, info->code);

	strace_puts(l, "{si_signo=");
	strace_signal_name(l, info->signo);
	if (code)
		strace_printf(l, ", si_code=%s", code);
	else
		strace_printf(l, ", si_code=%d", info->code);
	if (info->signo == SIGCHLD && info->code > 0)
		strace_printf(l, ", si_pid=%d, si_uid=%u, si_status=%d", info->pid, info->uid,
			      info->status);
	else if (info->code > 0 && info->code != SI_KERNEL)
		strace_printf(l, ", si_addr=%#llx", (unsigned long long)info->addr);
	else if (info->code <= 0)
		strace_printf(l, ", si_pid=%d, si_uid=%u", info->pid, info->uid);
	strace_puts(l, "}");
}

void strace_signal(struct task *t, const struct ksiginfo *info)
{
	struct strace_line l;

	if (likely(!strace_enabled))
		return;
	line_begin(&l, t);
	strace_puts(&l, "--- ");
	strace_signal_name(&l, info->signo);
	strace_puts(&l, " ");
	print_siginfo(&l, info);
	strace_puts(&l, " ---");
	line_end(&l);
}

void strace_exit(struct task *t, int status)
{
	struct strace_line l;

	if (likely(!strace_enabled))
		return;
	line_begin(&l, t);
	if (WIFSIGNALED(status)) {
		strace_puts(&l, "+++ killed by ");
		strace_signal_name(&l, WTERMSIG(status));
		strace_puts(&l, WCOREDUMP(status) ? " (core dumped) +++" : " +++");
	} else {
		strace_printf(&l, "+++ exited with %d +++", WEXITSTATUS(status));
	}
	line_end(&l);
}
