/* stat(2), statfs(2) and statx(2): the structures of x86-64, and the flags. */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

struct abi_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad0;
	uint64_t rdev;
	int64_t size, blksize, blocks;
	uint64_t atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
	int64_t unused[3];
};
_Static_assert(sizeof(struct abi_stat) == 144, "struct stat");
_Static_assert(sizeof(struct stat) == 144, "struct stat of the C library");

struct abi_statfs {
	int64_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	int64_t namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct abi_statfs) == 120, "struct statfs");

struct abi_statx_timestamp {
	int64_t sec;
	uint32_t nsec;
	int32_t reserved;
};

struct abi_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare0;
	uint64_t ino, size, blocks, attributes_mask;
	struct abi_statx_timestamp atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id;
	uint32_t dio_mem_align, dio_offset_align;
	uint64_t subvol;
	uint32_t atomic_write_unit_min, atomic_write_unit_max;
	uint32_t atomic_write_segments_max, dio_read_offset_align;
	uint32_t atomic_write_unit_max_opt, spare2;
	uint64_t spare3[8];
};
_Static_assert(sizeof(struct abi_statx) == 256, "struct statx");
_Static_assert(sizeof(struct statx) == 256, "struct statx of the C library");

/* Masks and attributes that Debian 12's headers lack. */
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000u
#endif
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000u
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u
#endif
#ifndef STATX_SUBVOL
#define STATX_SUBVOL 0x8000u
#endif
#ifndef STATX_WRITE_ATOMIC
#define STATX_WRITE_ATOMIC 0x10000u
#endif
#ifndef STATX_DIO_READ_ALIGN
#define STATX_DIO_READ_ALIGN 0x20000u
#endif
#ifndef STATX__RESERVED
#define STATX__RESERVED 0x80000000u
#endif
#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000u
#endif

/* f_type of file systems that we show. */
#define ABI_TMPFS_MAGIC 0x01021994
#define ABI_PROC_MAGIC 0x9fa0
#define ABI_SYSFS_MAGIC 0x62656572
#define ABI_DEVPTS_MAGIC 0x1cd1
#define ABI_OVERLAY_MAGIC 0x794c7630
#define ABI_PIPEFS_MAGIC 0x50495045
#define ABI_SOCKFS_MAGIC 0x534f434b
#define ABI_ANON_INODE_MAGIC 0x09041934
#define ABI_CGROUP2_MAGIC 0x63677270
#define ABI_FUSE_MAGIC 0x65735546

/* f_flags. */
#define ABI_ST_VALID 0x20
