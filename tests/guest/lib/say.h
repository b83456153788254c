/* For tests that compare: each line says an expression and what it came to, with
 * the errno of a failure. The run natively tells what is right. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAY(expr)                                          \
	do {                                               \
		errno = 0;                                 \
		say(__LINE__, #expr, (long)(expr), errno); \
	} while (0)

/* Only whether it failed: for values that differ from run to run. */
#define SAY_OK(expr)                                                    \
	do {                                                            \
		errno = 0;                                              \
		say(__LINE__, #expr, (long)(expr) < 0 ? -1 : 0, errno); \
	} while (0)

/* A function that returns an errno itself. */
#define SAY_ERROR(expr)                                              \
	do {                                                         \
		int say_error = (int)(expr);                         \
		say(__LINE__, #expr, say_error ? -1 : 0, say_error); \
	} while (0)

/* The statements run in a child, which then ends. */
#define IN_CHILD(...)                      \
	do {                               \
		pid_t say_pid;             \
		fflush(stdout);            \
		say_pid = fork();          \
		if (say_pid == 0) {        \
			__VA_ARGS__;       \
			fflush(stdout);    \
			_exit(0);          \
		}                          \
		waitpid(say_pid, NULL, 0); \
	} while (0)

static inline void say(int line, const char *what, long value, int err)
{
	if (value < 0)
		printf("%d: %s: %s\n", line, what, strerrorname_np(err));
	else
		printf("%d: %s = %ld\n", line, what, value);
	fflush(stdout);
}

static inline int reap(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) != pid)
		printf("reap: %s\n", strerrorname_np(errno));
	return status;
}
