/* For tests that compare: each line says an expression and what it came to, with
 * the errno of a failure. The run natively tells what is right. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAY(expr)                                       \
	do {                                            \
		long say_value;                         \
		errno = 0;                              \
		say_value = (long)(expr);               \
		say(__LINE__, #expr, say_value, errno); \
	} while (0)

/* Only whether it failed: for values that differ from run to run. */
#define SAY_OK(expr)                                                 \
	do {                                                         \
		long say_value;                                      \
		errno = 0;                                           \
		say_value = (long)(expr);                            \
		say(__LINE__, #expr, say_value < 0 ? -1 : 0, errno); \
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

/* The heading of a file of /proc/sysvipc, and the start of the line of this id: its
 * key and the given number of columns after the id. */
static inline void say_sysvipc(const char *path, int id, int columns)
{
	char line[400], rest[400];
	FILE *f = fopen(path, "r");
	int key, found;

	if (!f || !fgets(line, sizeof(line), f)) {
		printf("%s: %s\n", path, strerrorname_np(errno));
		return;
	}
	printf("%s", line);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%d %d %399[^\n]", &key, &found, rest) != 3 || found != id)
			continue;
		printf("%d", key);
		for (char *save, *w = strtok_r(rest, " ", &save); w && columns-- > 0;
		     w = strtok_r(NULL, " ", &save))
			printf(" %s", w);
		printf("\n");
	}
	fclose(f);
	fflush(stdout);
}

static inline int reap(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) != pid)
		printf("reap: %s\n", strerrorname_np(errno));
	return status;
}
