/*
 * fs/blk: disks: block devices of the guest, each a virtio-blk device behind a vhost-user
 * socket.
 *
 *	queue.c    requests, and the virtqueue that they go through
 *	config.c   what the device says of itself, judged
 *	device.c   the device's session: its thread, its end, its successor
 *	disk.c     the disk: synchronous I/O, and what the page cache calls
 *	file.c     the open block device file
 *	direct.c   O_DIRECT: between the device and guest memory, without a copy
 *	ioctl.c    what mkfs, blockdev and fio ask
 *	map.c      the disk as a mappable
 *
 *	  file --buffered--> page cache --+
 *	    |                             +--> disk --> requests --> queue --> device
 *	    +-------O_DIRECT--------------+
 *
 * The device gets the whole memory file, so every page of a guest and of the page cache is in
 * its reach, and nothing is copied. It is not trusted otherwise: see vhost/ and virtq/. What
 * a driver must do itself against a lying device:
 *  - a status byte is poisoned before, and anything but OK, of what it can be, is EIO;
 *  - the written length is not believed: pages that are read into are zeros, or the guest's
 *    own, before;
 *  - its configuration is judged once, and again after each reconnection;
 *  - a request that is not answered in time (30 s) ends the session.
 *
 * The end of a session. A device that is gone (its socket was closed) is waited for: its
 * requests are kept, and given to its successor from the start, which is right because all
 * of them can be repeated; unless five devices went away with it. After 10 s they fail with
 * EIO, as all do that come then; but the successor is still looked for. A device that lies or
 * is silent is not spoken to again: every request fails with EIO. Then it may still write to what it was given, so
 * the pages of its requests are never used for anything else.
 *
 * Locks: write_lock (FILE_WRITE) buffered writers of one disk; queue.lock (BLK_QUEUE) one
 * queue's requests.
 */
#pragma once

#include "memfile/memfile.h"
#include "vfs/disk.h"
#include "vfs/vfs.h"

struct blk_device;
struct pagecache_set;

struct blk_config {
	const char *name;             /* in /dev: "vda" */
	const char *source;           /* the socket's path, for messages */
	int fd;                       /* connected to the device; taken over */
	struct memfile *memfile;      /* borrowed for ever */
	struct pagecache_set *caches; /* borrowed for ever */
	unsigned ncpus;               /* queues beyond that are not used */
	/* A new connection to the same path, or a negative errno; NULL: there is none to be had. By
	 * one thread of the device. */
	int (*reconnect)(void *arg);
	void *arg;
};

/* A disk, which lives until the end of the sandbox. What is wrong with the device is logged as
 * one line. Before the first guest runs. -EPROTO, -ETIMEDOUT, ... (vhost.h), -EEXIST: the name. */
int blk_create(const struct blk_config *config, struct disk **out) MUST_CHECK;
/* Stops every disk's device, when what is dirty was written back. */
void blk_stop_all(void);
