/*
 * What guests may mount besides binds (mount(2)): new file systems of the kinds that
 * need nothing of the host.
 */
#include <ctype.h>
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
	uint64_t memory; /* what a percentage is of */
	uint64_t size;   /* 0: no limit */
	uint32_t mode, uid, gid;
};

/* A number with k, m, g, t or p behind it. */
static int parse_number(const char *text, uint64_t *out, char **end)
{
	static const char units[] = "kmgtp";
	const char *unit;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	*out = strtoull(text, end, 0);
	unit = **end ? strchr(units, **end | 0x20) : NULL;
	if (unit) {
		unsigned shift = 10 * (unsigned)(unit - units + 1);

		*out = *out > UINT64_MAX >> shift ? UINT64_MAX : *out << shift;
		(*end)++;
	}
	return 0;
}

static int set_size(struct tmpfs_options *o, const char *text)
{
	char *end;
	int r = parse_number(text, &o->size, &end);

	if (r == 0 && *end == '%') {
		o->size = o->size > 1000000 ? UINT64_MAX : o->memory / 100 * o->size;
		end++;
	}
	return r < 0 || *end ? -EINVAL : 0;
}

static int set_blocks(struct tmpfs_options *o, const char *text)
{
	uint64_t n;
	char *end;

	if (parse_number(text, &n, &end) < 0 || *end)
		return -EINVAL;
	o->size = n > UINT64_MAX / PAGE_SIZE ? UINT64_MAX : n * PAGE_SIZE;
	return 0;
}

/* Only looked at: the kernel's memory bounds the number of files. */
static int set_inodes(struct tmpfs_options *o UNUSED, const char *text)
{
	uint64_t n;
	char *end;

	return parse_number(text, &n, &end) < 0 || *end ? -EINVAL : 0;
}

static int parse_u32(const char *text, int base, uint32_t *out)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	n = strtoul(text, &end, base);
	*out = (uint32_t)n;
	return *end || n > UINT32_MAX ? -EINVAL : 0;
}

static int set_mode(struct tmpfs_options *o, const char *text)
{
	int r = parse_u32(text, 8, &o->mode);

	o->mode &= 07777;
	return r;
}

static int set_uid(struct tmpfs_options *o, const char *text)
{
	int r = parse_u32(text, 0, &o->uid);

	o->uid = cred_uid_in(task_current()->cred, o->uid);
	return r < 0 || o->uid == ID_INVALID ? -EINVAL : 0;
}

static int set_gid(struct tmpfs_options *o, const char *text)
{
	int r = parse_u32(text, 0, &o->gid);

	o->gid = cred_gid_in(task_current()->cred, o->gid);
	return r < 0 || o->gid == ID_INVALID ? -EINVAL : 0;
}

/* Where huge pages, memory policies and swap are concerned, all is as it was: there are
 * none. Inode numbers have 64 bits. */
static int set_huge(struct tmpfs_options *o UNUSED, const char *text)
{
	static const char *const modes[] = { "never", "always", "within_size", "advise" };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(text, modes[i]) == 0)
			return 0;
	}
	return -EINVAL;
}

static int set_nothing(struct tmpfs_options *o UNUSED, const char *text UNUSED)
{
	return 0;
}

static const struct {
	const char *name;
	bool has_value;
	int (*set)(struct tmpfs_options *o, const char *value);
} tmpfs_options[] = {
	{ "size", true, set_size },        { "nr_blocks", true, set_blocks },
	{ "nr_inodes", true, set_inodes }, { "mode", true, set_mode },
	{ "uid", true, set_uid },          { "gid", true, set_gid },
	{ "huge", true, set_huge },        { "mpol", true, set_nothing },
	{ "inode32", false, set_nothing }, { "inode64", false, set_nothing },
	{ "noswap", false, set_nothing },
};

static int parse_tmpfs_option(struct tmpfs_options *o, char *option)
{
	char *value = strchr(option, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(tmpfs_options); i++) {
		if (strcmp(option, tmpfs_options[i].name) == 0)
			return tmpfs_options[i].has_value == !!value
				       ? tmpfs_options[i].set(o, value)
				       : -EINVAL;
	}
	return -EINVAL;
}

static int create_tmpfs(struct kernel *k, const char *options, struct super **out)
{
	const struct cred *c = task_current()->cred;
	struct tmpfs_options o = { .memory = k->memory_limit,
				   .size = k->memory_limit / 2,
				   .mode = 01777,
				   .uid = c->fsuid,
				   .gid = c->fsgid };
	char text[OPTIONS_MAX], *rest = text, *option;
	int r = 0;

	if (strlen(options) >= sizeof(text))
		return -EINVAL;
	strcpy(text, options);
	while (r == 0 && (option = strsep(&rest, ","))) {
		if (*option)
			r = parse_tmpfs_option(&o, option);
	}
	return r < 0 ? r : tmpfs_create(k->memfile, o.size, o.mode, o.uid, o.gid, out);
}

/* ---- the others ---- */

static int create_ramfs(struct kernel *k, const char *options UNUSED, struct super **out)
{
	const struct cred *c = task_current()->cred;

	return tmpfs_create(k->memfile, 0, 0755, c->fsuid, c->fsgid, out);
}

static int create_devpts(struct kernel *k UNUSED, const char *options, struct super **out)
{
	struct devpts_options o = devpts_defaults;
	const struct cred *c = task_current()->cred;
	bool has_uid, has_gid;
	int r = devpts_parse(options, &o);

	if (r < 0)
		return r;
	has_uid = o.uid != ID_INVALID;
	has_gid = o.gid != ID_INVALID;
	o.uid = cred_uid_in(c, o.uid);
	o.gid = cred_gid_in(c, o.gid);
	if ((has_uid && o.uid == ID_INVALID) || (has_gid && o.gid == ID_INVALID))
		return -EINVAL;
	return devpts_create(&o, out);
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
		{ "tmpfs", NS_USER, create_tmpfs },   { "ramfs", NS_USER, create_ramfs },
		{ "devpts", NS_USER, create_devpts }, { "proc", NS_PID, create_proc },
		{ "sysfs", NS_NET, create_sysfs },    { "mqueue", NS_IPC, create_mqueue },
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		syscall_register_mount_type(&types[i]);
}
