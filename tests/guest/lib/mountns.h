/* A mount namespace of the test's own, in which nothing that it does reaches the host:
 * for tests that mount. */
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "check.h"
#include "tmpdir.h"

/* SKIPs where even root may not. */
static inline void mountns_enter(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	if (unshare(CLONE_NEWNS) < 0)
		SKIP("no mount namespaces here");
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

/* Runs fn in a child; it must end well. */
static inline void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

static inline bool is_there(const char *name)
{
	return access(name, F_OK) == 0;
}

static inline void touch(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);

	CHECK(fd >= 0 && close(fd) == 0);
}

/* name in tmpdir, from wherever one is. */
static inline const char *tmpdir_path(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", tmpdir, name);
	return path;
}

static inline void make_dirs(const char *first, ...) __attribute__((sentinel));
static inline void make_dirs(const char *first, ...)
{
	__builtin_va_list ap;

	__builtin_va_start(ap, first);
	for (const char *d = first; d; d = __builtin_va_arg(ap, const char *))
		CHECK(mkdir(d, 0755) == 0);
	__builtin_va_end(ap);
}

/* The line of mountinfo for the mount point tmpdir/name, the last if there are several;
 * false: there is none. */
static inline bool mountinfo_of(const char *name, char line[4096])
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char each[4096], want[512];
	bool found = false;

	CHECK(f);
	snprintf(want, sizeof(want), " %s%s%s ", tmpdir, *name ? "/" : "", name);
	while (fgets(each, sizeof(each), f)) {
		if (strstr(each, want)) {
			strcpy(line, each);
			found = true;
		}
	}
	fclose(f);
	return found;
}

/* The number after "shared:", "master:" and the like, 0 when there is none. */
static inline int mount_tag(const char *name, const char *tag)
{
	char line[4096], *end, *at;

	CHECK(mountinfo_of(name, line));
	end = strstr(line, " - ");
	CHECK(end);
	*end = '\0';
	at = strstr(line, tag);
	return at ? atoi(at + strlen(tag)) : 0;
}
