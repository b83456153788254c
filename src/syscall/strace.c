#include "syscall/strace.h"

bool strace_enabled;

int strace_enable(const char *filter, int fd)
{
	(void)filter;
	(void)fd;
	return 0;
}

void strace_signal(struct task *t UNUSED, const struct ksiginfo *info UNUSED)
{
}

void strace_exit(struct task *t UNUSED, int status UNUSED)
{
}

void strace_enter(struct strace_line *line UNUSED, struct task *t UNUSED, int64_t nr UNUSED,
		  const struct sysargs *args UNUSED)
{
}

void strace_leave(struct strace_line *line UNUSED, struct task *t UNUSED, int64_t nr UNUSED,
		  const struct sysargs *args UNUSED, long ret UNUSED)
{
}
