#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/park.h"
#include "base/rawcall.h"

#define LINE_MAX_BYTES 2048

int log_level = LOG_WARN;

/* Until log_init() lines go to standard error. */
static int line_fd = STDERR_FILENO;

static const char *const level_names[LOG_LEVELS] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_init(int fd, enum log_level level)
{
	line_fd = fd;
	log_level = (int)level;
}

int log_fd(void)
{
	return line_fd;
}

int log_level_parse(const char *name)
{
	for (int i = 0; i < LOG_LEVELS; i++) {
		if (strcmp(name, level_names[i]) == 0)
			return i;
	}
	return -EINVAL;
}

static size_t format_prefix(char *line, size_t size, enum log_level level)
{
	struct timespec now;
	int len;

	clock_gettime(CLOCK_MONOTONIC, &now); /* host: clock_gettime */
	len = snprintf(line, size, "[%6lld.%06ld] %u %s: ", (long long)now.tv_sec,
		       now.tv_nsec / 1000, park_tid(), level_names[level]);
	return (size_t)len;
}

void log_write(int fd, const char *text, size_t size)
{
	long ret;

	do {
		ret = rawcall3(SYS_write, fd, (long)text, (long)size); /* host: write */
	} while (ret == -EINTR);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	size_t len;
	va_list ap;
	int body;

	if (line_fd < 0)
		return;
	len = format_prefix(line, sizeof(line), level);
	va_start(ap, fmt);
	body = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	if (body < 0)
		return;
	/* One byte is kept for the newline; a longer line is cut, visibly. */
	if ((size_t)body >= sizeof(line) - len) {
		len = sizeof(line) - 1;
		memcpy(line + len - 3, "...", 3);
	} else {
		len += (size_t)body;
	}
	line[len++] = '\n';
	log_write(line_fd, line, len);
}
