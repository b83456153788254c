/* What the files of fs/blk share. */
#pragma once

#include <linux/virtio_blk.h>

#include "base/list.h"
#include "base/lock.h"
#include "fs/blk/blk.h"
#include "host/thread.h"
#include "memmap/memmap.h"
#include "pagecache/pagecache.h"
#include "vhost/vhost.h"
#include "virtq/virtq.h"

#define SECTOR ((uint64_t)512)
#define QUEUES_MAX 4u
#define QUEUE_SIZE 256u /* descriptors */
#define SEGMENTS_MAX 62u
#define DEATHS_MAX 5u /* a request that so many devices died of fails */
#define REQUEST_BYTES_MAX ((uint64_t)1 << 20)

/* How long is waited for a device, in ns: for the answer to a request, to a message of
 * vhost-user, and for a successor until requests fail; how often is looked. Tests have
 * less patience. */
struct blk_patience {
	uint64_t request, message, away, tick, retry;
};
extern struct blk_patience blk_patience;

/* ---- requests ---- */

/* Requests that one thread waits for together. */
struct blk_batch {
	atomic_uint left; /* [a] to be done yet */
};

enum blk_state { REQUEST_NEW, REQUEST_WAITING, REQUEST_ISSUED, REQUEST_DONE };

/* In the frame of the thread that waits for it. */
struct blk_request {
	struct list link; /* [q] on its queue's waiting or issued */
	struct blk_batch *batch;
	uint32_t type;   /* VIRTIO_BLK_T_ */
	uint64_t sector; /* of what has data */
	/* The data, as the device knows it; of discard and write zeroes what they are about instead. */
	struct virtq_buffer data[SEGMENTS_MAX];
	unsigned nr_data;
	uint64_t bytes;
	struct virtio_blk_discard_write_zeroes range;
	uint64_t issued_ns; /* [q] */
	unsigned deaths;    /* [q] of devices that had it */
	unsigned slot;      /* [q] of its queue, while it is issued */
	int result;         /* when it is done: 0 or a negative errno */
};

/* ---- queues ---- */

/* What the device reads and writes of a request beside its data: in the memory file. */
struct blk_slot {
	struct virtio_blk_outhdr header;
	struct virtio_blk_discard_write_zeroes range;
	uint8_t status;
	uint8_t padding[31];
};
static_assert(sizeof(struct blk_slot) == 64, "one cache line");

#define SLOTS (QUEUE_SIZE / 2)

enum queue_state {
	QUEUE_AWAY, /* there is no device: requests wait */
	QUEUE_UP,
	QUEUE_GONE, /* requests fail */
};

/* [I] immutable, [q] lock */
struct blk_queue {
	struct mutex lock;
	struct blk_device *dev;    /* [I] */
	unsigned index;            /* [I] */
	struct virtq *vq;          /* [I] */
	struct blk_slot *slots;    /* [I] SLOTS of them; the device writes there at any time */
	uint64_t slots_at;         /* [I] as the device knows it */
	enum queue_state state;    /* [q] */
	bool wants_kick;           /* [q] to be done once the lock is dropped */
	uint64_t kicks;            /* [q] ever */
	struct list waiting;       /* [q] not yet given to the device, in order */
	struct list issued;        /* [q] given, in order */
	uint8_t free_slots[SLOTS]; /* [q] */
	unsigned nr_free;          /* [q] */
};

/* -ENOMEM. */
int queue_init(struct blk_queue *q, struct blk_device *dev, unsigned index) MUST_CHECK;
void queue_fini(struct blk_queue *q);
/* Requests of one batch, whose `left` counts them: when they are done, it is woken. */
void queue_submit(struct blk_queue *q, struct blk_request *reqs, unsigned count);
/* Ends the requests that the device is done with. -EIO: it lied: virtq_error(). */
int queue_reap(struct blk_queue *q) MUST_CHECK;
/* The device is gone: what it had waits again, before all else. */
void queue_away(struct blk_queue *q);
/* A session begins: rings that start at 0. */
int queue_reset(struct blk_queue *q) MUST_CHECK;
void queue_up(struct blk_queue *q);
/* Requests fail from now on, those that are there too. keeps_pages: those of
 * requests that the device has are never used again. */
void queue_gone(struct blk_queue *q, bool keeps_pages);
/* When the oldest request that the device has was given to it; UINT64_MAX: it has none. */
uint64_t queue_oldest(struct blk_queue *q);

/* ---- config.c ---- */

/* What the device says, after it was judged. */
struct blk_limits {
	uint64_t features; /* accepted */
	uint64_t sectors;
	uint32_t block_size, physical_size, alignment, io_min, io_opt;
	uint32_t segments_max;                  /* 1 to SEGMENTS_MAX */
	uint32_t segment_size;                  /* bytes, a multiple of SECTOR */
	uint64_t discard_max, write_zeroes_max; /* sectors; 0: it cannot */
	uint32_t discard_unit;                  /* sectors */
	bool may_unmap;
	unsigned nr_queues;
};

/* Judges the configuration of a device with these features. False: why has a sentence. */
bool config_judge(uint64_t features, const struct virtio_blk_config *c, struct blk_limits *out,
		  char *why, size_t size);
/* How much of the configuration there is, for a device with these features. */
size_t config_size(uint64_t features);

/* ---- device.c ---- */

/* The device, and the disk that it is. */
struct blk_device {
	struct disk disk;                               /* what others see */
	struct blk_config config;                       /* [I] but fd */
	char name[32], serial[VIRTIO_BLK_ID_BYTES + 1]; /* [I] */
	struct list link;                               /* [I] on the list of all */
	struct blk_limits limits;                       /* [I] but sectors: disk.sectors */
	struct vhost *vhost;                            /* [I]; used by the thread */
	struct blk_queue queues[QUEUES_MAX];
	unsigned nr_queues; /* [I] */
	struct host_thread thread;
	atomic_bool is_ending; /* [a] */

	struct pagecache *cache;  /* [I] */
	struct mappable mappable; /* [I] */
	struct mutex write_lock;  /* LOCK_FILE_WRITE */
};

struct blk_device *blk_find(uint64_t rdev); /* NULL: no disk */
/* As the device knows a place of the memory file. */
uint64_t blk_address(const struct blk_device *dev, const void *at);
/* Hands requests to a queue and waits until they are done. => sleeps */
void blk_execute(struct blk_device *dev, struct blk_request *reqs, unsigned count);

/* ---- disk.c ---- */

int disk_init(struct blk_device *dev) MUST_CHECK;
uint64_t disk_size(const struct blk_device *dev); /* bytes */
/* Blocks of the memory file to or from the disk, off and each size multiples of SECTOR.
 * Returns the bytes up to the first that failed, or its error when that is the first of all. */
ssize_t disk_move(struct blk_device *dev, uint32_t type, const struct block *blk, unsigned count,
		  uint64_t off);
int disk_flush(struct blk_device *dev);
/* The device may have got another size: the page cache takes it over. */
void disk_catch_up(struct blk_device *dev);
/* VIRTIO_BLK_T_DISCARD or _WRITE_ZEROES; -EOPNOTSUPP. flags: of write zeroes. */
int disk_range(struct blk_device *dev, uint32_t type, uint64_t off, uint64_t size, uint32_t flags);
/* The same, and the page cache forgets the range. Zeros where the device cannot. */
int disk_discard(struct blk_device *dev, uint64_t off, uint64_t size);
int disk_zero(struct blk_device *dev, uint64_t off, uint64_t size, bool may_unmap);

/* ---- file.c, direct.c, ioctl.c, map.c ---- */

struct blk_file {
	struct blk_device *dev;
	struct pagecache_ra ra;
	atomic_uint since; /* errors of write-back that it has seen */
};

extern const struct chrdev_ops blk_driver;
extern const struct mappable_ops blk_mappable_ops;

/* [pos, pos + u->remaining) lies inside the disk, and is aligned. */
ssize_t blk_direct_read(struct blk_device *dev, struct uio *u, uint64_t pos);
ssize_t blk_direct_write(struct blk_device *dev, struct uio *u, uint64_t pos);
bool blk_direct_is_aligned(const struct blk_device *dev, const struct uio *u, uint64_t pos);
long blk_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);
