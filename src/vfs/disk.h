/*
 * Disks as /proc and /sys show them. A driver of block devices registers each of its disks
 * while the sandbox is brought up; they stay until its end.
 */
#pragma once

#include "base/base.h"
#include "base/list.h"

/* What /proc/diskstats counts, by kind of request. */
enum disk_op { DISK_READ, DISK_WRITE, DISK_DISCARD, DISK_FLUSH, DISK_OPS };

struct disk_stats {
	_Atomic uint64_t requests[DISK_OPS];
	_Atomic uint64_t sectors[DISK_OPS]; /* of 512 bytes */
	_Atomic uint64_t ns[DISK_OPS];      /* the sum of what each took */
	atomic_uint in_flight;
};

struct disk {
	struct list link;          /* [disks] */
	const char *name;          /* [I] as in /dev */
	const char *serial;        /* [I] "" when it has none */
	uint64_t rdev;             /* [I] */
	_Atomic uint64_t sectors;  /* [a] of 512 bytes */
	bool is_readonly;          /* [I] */
	bool has_write_cache;      /* [I] it wants to be told to flush */
	uint32_t block_size;       /* [I] bytes: what can be read and written */
	uint32_t physical_size;    /* [I] bytes: without reading what is around it */
	uint32_t alignment;        /* [I] bytes: of the first physical block */
	uint32_t io_min, io_opt;   /* [I] bytes; io_opt 0: no wish */
	uint32_t io_max;           /* [I] bytes of one request */
	uint32_t segments_max;     /* [I] of one request */
	uint64_t discard_max;      /* [I] bytes; 0: it cannot */
	uint32_t discard_unit;     /* [I] bytes */
	uint64_t write_zeroes_max; /* [I] bytes; 0: it cannot */
	unsigned nr_queues;        /* [I] */
	/* Writes back what is dirty, and has the device make it lasting: sync(2). */
	int (*sync)(struct disk *d); /* [I] */
	struct disk_stats stats;
};

/* Before the first guest runs. d is borrowed for ever. */
void vfs_disk_add(struct disk *d);
/* The disk after d in the order in which they were added, the first for NULL; NULL: no more. */
struct disk *vfs_disk_next(const struct disk *d);
/* NULL: there is none. */
struct disk *vfs_disk_find(const char *name);
