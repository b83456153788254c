/* Log lines of the kernel process: to one descriptor, one write per line. */
#pragma once

#include "base/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVELS };

extern int log_level; /* lines above it cost one compare */

/* fd is borrowed, -1 for none. Called before threads start. */
void log_init(int fd, enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "error", "warn", "info", "debug" -> the level, or -EINVAL. */
int log_level_parse(const char *name);
/* One host write of text that is made already (strace lines), to fd. */
void log_write(int fd, const char *text, size_t size);
/* The descriptor given to log_init(), -1 for none. */
int log_fd(void);

#define LOG(level, ...)                                  \
	do {                                             \
		if (unlikely((int)(level) <= log_level)) \
			log_line(level, __VA_ARGS__);    \
	} while (0)
#define log_error(...) LOG(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) LOG(LOG_WARN, __VA_ARGS__)
#define log_info(...) LOG(LOG_INFO, __VA_ARGS__)
#define log_debug(...) LOG(LOG_DEBUG, __VA_ARGS__)
