/*
 * What guests may mount besides binds (mount(2)): new file systems of the kinds that
 * need nothing of the host.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "boot/internal.h"
#include "fs/mqueue/mqueue.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/tty/tty.h"
#include "procfs/procfs.h"
#include "syscall/mount.h"

#define OPTIONS_MAX 4096

/* ---- tmpfs(5) ---- */

struct tmpfs_options {
	uint64_t size; /* 0: no limit */
	uint32_t mode, uid, gid;
};

/* A number with k, m, g, t or %, of `whole`. */
static int parse_size(const char *text, uint64_t whole, uint64_t *out)
{
	static const char units[] = "kmgtp";
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (end == text || *text == '-' || *text == '+')
		return -EINVAL;
	if (*end == '%') {
		*out = n > 1000000 ? UINT64_MAX : whole / 100 * n;
		return end[1] ? -EINVAL : 0;
	}
	if (*end) {
		const char *unit = strchr(units, *end | 0x20);
		unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

		if (!unit || end[1])
			return -EINVAL;
		n = n > UINT64_MAX >> shift ? UINT64_MAX : n << shift;
	}
	*out = n;
	return 0;
}

static int parse_u32(const char *text, int base, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, base);

	if (end == text || *end || *text == '-' || *text == '+' || n > max)
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

/* Accepted, and without an effect here: there is neither swap nor NUMA, inode numbers have
 * 64 bits, and the number of inodes is bounded by the kernel's memory. */
static bool is_ignored(const char *name)
{
	static const char *const names[] = { "nr_inodes", "inode64", "inode32",  "huge",
					     "mpol",      "noswap",  "nr_blocks" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static int parse_tmpfs_option(char *option, uint64_t memory, struct tmpfs_options *o)
{
	char *value = strchr(option, '=');

	if (!value)
		return is_ignored(option) ? 0 : -EINVAL;
	*value++ = '\0';
	if (strcmp(option, "size") == 0)
		return parse_size(value, memory, &o->size);
	if (strcmp(option, "mode") == 0)
		return parse_u32(value, 8, 07777, &o->mode);
	if (strcmp(option, "uid") == 0)
		return parse_u32(value, 10, UINT32_MAX - 1, &o->uid);
	if (strcmp(option, "gid") == 0)
		return parse_u32(value, 10, UINT32_MAX - 1, &o->gid);
	return is_ignored(option) ? 0 : -EINVAL;
}

static int create_tmpfs(struct kernel *k, const char *options, struct super **out)
{
	struct tmpfs_options o = { .size = k->memory_limit / 2, .mode = 01777 };
	char text[OPTIONS_MAX], *rest = text, *option;
	int r = 0;

	if (strlen(options) >= sizeof(text))
		return -EINVAL;
	strcpy(text, options);
	while (r == 0 && (option = strsep(&rest, ","))) {
		if (*option)
			r = parse_tmpfs_option(option, k->memory_limit, &o);
	}
	return r < 0 ? r : tmpfs_create(k->memfile, o.size, o.mode, o.uid, o.gid, out);
}

/* ---- the others ---- */

static int create_ramfs(struct kernel *k, const char *options UNUSED, struct super **out)
{
	return tmpfs_create(k->memfile, 0, 0755, 0, 0, out);
}

static int create_devpts(struct kernel *k UNUSED, const char *options, struct super **out)
{
	struct devpts_options o = devpts_defaults;
	int r = devpts_parse(options, &o);

	return r < 0 ? r : devpts_create(&o, out);
}

static int create_proc(struct kernel *k, const char *options UNUSED, struct super **out)
{
	return procfs_create(k, out);
}

static int create_sysfs(struct kernel *k, const char *options UNUSED, struct super **out)
{
	return sysfs_create(k, out);
}

static int create_mqueue(struct kernel *k UNUSED, const char *options UNUSED, struct super **out)
{
	return mqueue_create(out);
}

void mounts_register_types(void)
{
	static const struct mount_type types[] = {
		{ "tmpfs", create_tmpfs }, { "ramfs", create_ramfs }, { "devpts", create_devpts },
		{ "proc", create_proc },   { "sysfs", create_sysfs }, { "mqueue", create_mqueue },
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		syscall_register_mount_type(&types[i]);
}
