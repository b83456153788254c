/*
 * How much memory the cgroup gives that we were started in: a container's limit is
 * the guest's, too. Otherwise the host would kill us, where the guest's own OOM kill
 * could have taken one of its processes.
 *
 * Each group up to the root limits what is below it. A container may see the paths of
 * its host, of which it has only the last part mounted, as the root: so names that are
 * not there are passed over.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/internal.h"

#define PATH_SIZE 4352u

/* A file with a number; anything else ("max") is no limit. */
static uint64_t read_limit(const char *path)
{
	char text[32] = "", *end;
	unsigned long long v;
	FILE *f = fopen(path, "re");
	bool got = f && fgets(text, sizeof(text), f);

	if (f)
		fclose(f);
	v = got ? strtoull(text, &end, 10) : 0;
	return got && end != text && v ? v : UINT64_MAX;
}

/* The smallest from dir (which is cut) up to the mount point, its first `root` bytes. */
static uint64_t smallest(char *dir, size_t root, const char *file)
{
	uint64_t least = UINT64_MAX;
	char path[PATH_SIZE + 64];

	for (;;) {
		char *slash;
		uint64_t v;

		snprintf(path, sizeof(path), "%s/%s", dir, file);
		v = read_limit(path);
		least = MIN(least, v);
		slash = strrchr(dir + root, '/');
		if (!slash)
			return least;
		*slash = '\0';
	}
}

/* A line of /proc/[pid]/cgroup: id, controllers (none: version 2), path. */
static uint64_t limit_of_line(char *line, const char *mounts)
{
	char *controllers = strchr(line, ':'), *path, dir[PATH_SIZE];
	bool is_v2;

	if (!controllers)
		return UINT64_MAX;
	*controllers++ = '\0';
	path = strchr(controllers, ':');
	if (!path)
		return UINT64_MAX;
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	is_v2 = !*controllers;
	if (!is_v2 && strcmp(controllers, "memory") != 0)
		return UINT64_MAX;
	snprintf(dir, sizeof(dir), "%s%s", mounts, is_v2 ? "" : "/memory");
	snprintf(dir + strlen(dir), sizeof(dir) - strlen(dir), "%s", path);
	return smallest(dir, strlen(mounts), is_v2 ? "memory.max" : "memory.limit_in_bytes");
}

uint64_t cgroup_memory_limit(const char *self, const char *mounts)
{
	uint64_t least = UINT64_MAX;
	char line[PATH_SIZE];
	FILE *f = fopen(self, "re");

	while (f && fgets(line, sizeof(line), f)) {
		uint64_t v = limit_of_line(line, mounts);

		least = MIN(least, v);
	}
	if (f)
		fclose(f);
	return least;
}
