/* Disks in /proc and /sys: what lsblk, blkid, mkfs and iostat read. A disk is the number of its
 * place in the list of all (vfs/disk.h). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "procfs/internal.h"
#include "vfs/disk.h"

#define RO (S_IFREG | 0444)
#define DIR_ (S_IFDIR | 0555)
#define LINK (S_IFLNK | 0777)
#define END                  \
	{                    \
		.name = NULL \
	}

static struct disk *disk_at(int number)
{
	struct disk *d = vfs_disk_next(NULL);

	while (d && number-- > 0)
		d = vfs_disk_next(d);
	return d;
}

static uint64_t sum(const _Atomic uint64_t *values)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < DISK_OPS; i++)
		all += atomic_load_explicit(&values[i], memory_order_relaxed);
	return all;
}

/* ---- /proc ---- */

void show_partitions(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "major minor  #blocks  name\n\n");
	for (struct disk *d = vfs_disk_next(NULL); d; d = vfs_disk_next(d))
		text_add(t, "%4u  %7u %10llu %s\n", major(d->rdev), minor(d->rdev),
			 (unsigned long long)d->sectors / 2, d->name);
}

/* Merges are none: requests go to the device as they come. */
static void add_stats(const struct disk *d, struct text *t)
{
	const struct disk_stats *st = &d->stats;

	for (enum disk_op op = DISK_READ; op <= DISK_WRITE; op++)
		text_add(t, " %llu 0 %llu %llu", (unsigned long long)st->requests[op],
			 (unsigned long long)st->sectors[op],
			 (unsigned long long)st->ns[op] / 1000000);
	text_add(t, " %u %llu %llu", st->in_flight, (unsigned long long)sum(st->ns) / 1000000,
		 (unsigned long long)sum(st->ns) / 1000000);
	text_add(t, " %llu 0 %llu %llu", (unsigned long long)st->requests[DISK_DISCARD],
		 (unsigned long long)st->sectors[DISK_DISCARD],
		 (unsigned long long)st->ns[DISK_DISCARD] / 1000000);
	text_add(t, " %llu %llu\n", (unsigned long long)st->requests[DISK_FLUSH],
		 (unsigned long long)st->ns[DISK_FLUSH] / 1000000);
}

void show_diskstats(const struct subject *s UNUSED, struct text *t)
{
	for (struct disk *d = vfs_disk_next(NULL); d; d = vfs_disk_next(d)) {
		text_add(t, "%4u %7u %s", major(d->rdev), minor(d->rdev), d->name);
		add_stats(d, t);
	}
}

void show_block_majors(struct text *t)
{
	const struct disk *d = vfs_disk_next(NULL);

	if (d)
		text_add(t, "%3u virtblk\n", major(d->rdev));
}

/* ---- /sys: one number a file ---- */

enum value {
	SIZE,
	READONLY,
	ALIGNMENT,
	BLOCK_SIZE,
	PHYSICAL_SIZE,
	IO_MIN,
	IO_OPT,
	MAX_KIB,
	SEGMENTS,
	DISCARD_UNIT,
	DISCARD_MAX,
	ZEROES_MAX,
	QUEUES,
	CONSTANT = 1 << 16, /* and the number itself */
};

static uint64_t value_of(const struct disk *d, int which)
{
	if (which & CONSTANT)
		return which & (CONSTANT - 1);
	switch ((enum value)which) {
	case SIZE:
		return d->sectors;
	case READONLY:
		return d->is_readonly;
	case ALIGNMENT:
		return d->alignment;
	case BLOCK_SIZE:
		return d->block_size;
	case PHYSICAL_SIZE:
		return d->physical_size;
	case IO_MIN:
		return d->io_min;
	case IO_OPT:
		return d->io_opt;
	case MAX_KIB:
		return d->io_max >> 10;
	case SEGMENTS:
		return d->segments_max;
	case DISCARD_UNIT:
		return d->discard_max ? d->discard_unit : 0;
	case DISCARD_MAX:
		return d->discard_max;
	case ZEROES_MAX:
		return d->write_zeroes_max;
	case QUEUES:
		return d->nr_queues;
	default:
		return 0;
	}
}

static void show_value(const struct subject *s, struct text *t)
{
	text_add(t, "%llu\n", (unsigned long long)value_of(disk_at(s->fd), s->entry->index));
}

static void show_dev(const struct subject *s, struct text *t)
{
	uint64_t rdev = disk_at(s->fd)->rdev;

	text_add(t, "%u:%u\n", major(rdev), minor(rdev));
}

static void show_uevent(const struct subject *s, struct text *t)
{
	const struct disk *d = disk_at(s->fd);

	text_add(t, "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=disk\nDISKSEQ=1\n", major(d->rdev),
		 minor(d->rdev), d->name);
}

static void show_stat(const struct subject *s, struct text *t)
{
	add_stats(disk_at(s->fd), t);
}

static void show_inflight(const struct subject *s, struct text *t)
{
	text_add(t, "%8u %8u\n", disk_at(s->fd)->stats.in_flight, 0);
}

static void show_serial(const struct subject *s, struct text *t)
{
	text_add(t, "%s", disk_at(s->fd)->serial);
}

static void show_write_cache(const struct subject *s, struct text *t)
{
	text_add(t, disk_at(s->fd)->has_write_cache ? "write back\n" : "write through\n");
}

static void show_none(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "none\n");
}

static void show_scheduler(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "[none]\n");
}

static ssize_t link_subsystem(const struct subject *s UNUSED, char *buf, size_t size)
{
	return snprintf(buf, size, "../../../../class/block");
}

#define VALUE(file, which)                                                       \
	{                                                                        \
		.name = (file), .mode = RO, .show = show_value, .index = (which) \
	}

static const struct pentry nothing[] = { END };

static const struct pentry queue_entries[] = {
	VALUE("add_random", CONSTANT),
	VALUE("chunk_sectors", CONSTANT),
	VALUE("dax", CONSTANT),
	VALUE("discard_granularity", DISCARD_UNIT),
	VALUE("discard_max_bytes", DISCARD_MAX),
	VALUE("discard_max_hw_bytes", DISCARD_MAX),
	VALUE("discard_zeroes_data", CONSTANT),
	VALUE("fua", CONSTANT),
	VALUE("hw_sector_size", BLOCK_SIZE),
	VALUE("io_poll", CONSTANT),
	VALUE("iostats", CONSTANT | 1),
	VALUE("logical_block_size", BLOCK_SIZE),
	VALUE("max_hw_sectors_kb", MAX_KIB),
	VALUE("max_sectors_kb", MAX_KIB),
	VALUE("max_segments", SEGMENTS),
	VALUE("minimum_io_size", IO_MIN),
	VALUE("nomerges", CONSTANT | 2),
	VALUE("nr_requests", CONSTANT | 128),
	VALUE("nr_zones", CONSTANT),
	VALUE("optimal_io_size", IO_OPT),
	VALUE("physical_block_size", PHYSICAL_SIZE),
	VALUE("read_ahead_kb", CONSTANT | 128),
	VALUE("rotational", CONSTANT | 1),
	{ .name = "scheduler", .mode = RO, .show = show_scheduler },
	{ .name = "write_cache", .mode = RO, .show = show_write_cache },
	VALUE("write_same_max_bytes", CONSTANT),
	VALUE("write_zeroes_max_bytes", ZEROES_MAX),
	{ .name = "zoned", .mode = RO, .show = show_none },
	END,
};

static const struct pentry one_disk_entries[] = {
	VALUE("alignment_offset", ALIGNMENT),
	VALUE("capability", CONSTANT),
	{ .name = "dev", .mode = RO, .show = show_dev },
	VALUE("discard_alignment", CONSTANT),
	VALUE("diskseq", CONSTANT | 1),
	VALUE("ext_range", CONSTANT | 1),
	VALUE("hidden", CONSTANT),
	{ .name = "holders", .mode = DIR_, .children = nothing },
	{ .name = "inflight", .mode = RO, .show = show_inflight },
	{ .name = "queue", .mode = DIR_, .children = queue_entries },
	VALUE("range", CONSTANT | 1),
	VALUE("removable", CONSTANT),
	VALUE("ro", READONLY),
	{ .name = "serial", .mode = RO, .show = show_serial },
	VALUE("size", SIZE),
	{ .name = "slaves", .mode = DIR_, .children = nothing },
	{ .name = "stat", .mode = RO, .show = show_stat },
	{ .name = "subsystem", .mode = LINK, .readlink = link_subsystem },
	{ .name = "uevent", .mode = RO, .show = show_uevent },
	END,
};

/* ---- /sys: the directories ---- */

static const struct pentry one_disk = { .name = "disk",
					.mode = DIR_,
					.children = one_disk_entries };

static int find_disk(const struct subject *s UNUSED, const char *name, const struct pentry **entry,
		     int *number)
{
	const struct disk *d = vfs_disk_next(NULL);

	for (*number = 0; d; d = vfs_disk_next(d), ++*number) {
		if (strcmp(d->name, name) == 0) {
			*entry = &one_disk;
			return 0;
		}
	}
	return -ENOENT;
}

int sys_next_disk(const struct subject *s UNUSED, int after, char *name, int *number)
{
	const struct disk *d = disk_at(after + 1);

	if (!d)
		return -ENOENT;
	*number = after + 1;
	snprintf(name, 32, "%s", d->name);
	return 0;
}

static ssize_t link_to_disk(const struct subject *s, char *buf, size_t size)
{
	static const char *const ups[] = { "..", "../.." };

	return snprintf(buf, size, "%s/devices/virtual/block/%s", ups[s->entry->index],
			disk_at(s->fd)->name);
}

static const struct pentry link_from_block = {
	.name = "disk", .mode = LINK, .index = 0, .readlink = link_to_disk
};
static const struct pentry link_from_below = {
	.name = "disk", .mode = LINK, .index = 1, .readlink = link_to_disk
};

int sys_find_block(const struct subject *s, const char *name, const struct pentry **entry,
		   int *number)
{
	int r = find_disk(s, name, entry, number);

	*entry = &link_from_block;
	return r;
}

static int find_in_class(const struct subject *s, const char *name, const struct pentry **entry,
			 int *number)
{
	int r = find_disk(s, name, entry, number);

	*entry = &link_from_below;
	return r;
}

static int next_number(const struct subject *s, int after, char *name, int *number)
{
	int r = sys_next_disk(s, after, name, number);

	if (r == 0)
		snprintf(name, 32, "%u:%u", major(disk_at(*number)->rdev),
			 minor(disk_at(*number)->rdev));
	return r;
}

static int find_number(const struct subject *s, const char *name, const struct pentry **entry,
		       int *number)
{
	char expect[32];

	*entry = &link_from_below;
	for (int after = -1; next_number(s, after, expect, number) == 0; after++) {
		if (strcmp(expect, name) == 0)
			return 0;
	}
	return -ENOENT;
}

const struct pentry sys_virtual_entries[] = {
	{ .name = "block", .mode = DIR_, .find = find_disk, .next = sys_next_disk },
	END,
};
const struct pentry sys_class_entries[] = {
	{ .name = "block", .mode = DIR_, .find = find_in_class, .next = sys_next_disk },
	END,
};
const struct pentry sys_dev_entries[] = {
	{ .name = "block", .mode = DIR_, .find = find_number, .next = next_number },
	{ .name = "char", .mode = DIR_, .children = nothing },
	END,
};
