/* Asynchronous i/o of the old kind: io_setup(2) and its family. */
#pragma once

#include <stdint.h>

#define ABI_AIO_MAX_NR 65536u /* /proc/sys/fs/aio-max-nr */

#define ABI_IOCB_PREAD 0
#define ABI_IOCB_PWRITE 1
#define ABI_IOCB_FSYNC 2
#define ABI_IOCB_FDSYNC 3
#define ABI_IOCB_PREADV 7
#define ABI_IOCB_PWRITEV 8

#define ABI_IOCB_FLAG_RESFD 1u
#define ABI_IOCB_FLAG_IOPRIO 2u

struct abi_iocb {
	uint64_t data;
	uint32_t key, rw_flags;
	uint16_t opcode;
	int16_t reqprio;
	uint32_t fd;
	uint64_t buf, nbytes;
	int64_t offset;
	uint64_t reserved2;
	uint32_t flags, resfd;
};
_Static_assert(sizeof(struct abi_iocb) == 64, "struct iocb");

struct abi_io_event {
	uint64_t data, obj;
	int64_t res, res2;
};
_Static_assert(sizeof(struct abi_io_event) == 32, "struct io_event");

/* What a context's id points to, in Linux with a ring of events behind it. */
struct abi_aio_ring {
	uint32_t id, nr, head, tail, magic, compat_features, incompat_features, header_size;
};
_Static_assert(sizeof(struct abi_aio_ring) == 32, "struct aio_ring");
