/* io_uring_register(2): its opcodes and their structures, as in Linux 6.18. */
#pragma once

#include "abi/io_uring.h"

enum io_uring_register_op {
	IORING_REGISTER_BUFFERS,
	IORING_UNREGISTER_BUFFERS,
	IORING_REGISTER_FILES,
	IORING_UNREGISTER_FILES,
	IORING_REGISTER_EVENTFD,
	IORING_UNREGISTER_EVENTFD,
	IORING_REGISTER_FILES_UPDATE,
	IORING_REGISTER_EVENTFD_ASYNC,
	IORING_REGISTER_PROBE,
	IORING_REGISTER_PERSONALITY,
	IORING_UNREGISTER_PERSONALITY,
	IORING_REGISTER_RESTRICTIONS,
	IORING_REGISTER_ENABLE_RINGS,
	IORING_REGISTER_FILES2,
	IORING_REGISTER_FILES_UPDATE2,
	IORING_REGISTER_BUFFERS2,
	IORING_REGISTER_BUFFERS_UPDATE,
	IORING_REGISTER_IOWQ_AFF,
	IORING_UNREGISTER_IOWQ_AFF,
	IORING_REGISTER_IOWQ_MAX_WORKERS,
	IORING_REGISTER_RING_FDS,
	IORING_UNREGISTER_RING_FDS,
	IORING_REGISTER_PBUF_RING,
	IORING_UNREGISTER_PBUF_RING,
	IORING_REGISTER_SYNC_CANCEL,
	IORING_REGISTER_FILE_ALLOC_RANGE,
	IORING_REGISTER_PBUF_STATUS,
	IORING_REGISTER_NAPI,
	IORING_UNREGISTER_NAPI,
	IORING_REGISTER_CLOCK,
	IORING_REGISTER_CLONE_BUFFERS,
	IORING_REGISTER_SEND_MSG_RING,
	IORING_REGISTER_ZCRX_IFQ,
	IORING_REGISTER_RESIZE_RINGS,
	IORING_REGISTER_MEM_REGION,
	IORING_REGISTER_QUERY,
	IORING_REGISTER_LAST,
};
#define IORING_REGISTER_USE_REGISTERED_RING (1u << 31)

#define IORING_RSRC_REGISTER_SPARSE (1u << 0)
#define IORING_REGISTER_FILES_SKIP (-2)

struct io_uring_rsrc_register {
	uint32_t nr, flags;
	uint64_t resv2, data, tags;
};
_Static_assert(sizeof(struct io_uring_rsrc_register) == 32, "struct io_uring_rsrc_register");

struct io_uring_rsrc_update {
	uint32_t offset, resv;
	uint64_t data;
};
_Static_assert(sizeof(struct io_uring_rsrc_update) == 16, "struct io_uring_rsrc_update");

struct io_uring_rsrc_update2 {
	uint32_t offset, resv;
	uint64_t data, tags;
	uint32_t nr, resv2;
};
_Static_assert(sizeof(struct io_uring_rsrc_update2) == 32, "struct io_uring_rsrc_update2");

#define IO_URING_OP_SUPPORTED (1u << 0)
struct io_uring_probe_op {
	uint8_t op, resv;
	uint16_t flags;
	uint32_t resv2;
};
struct io_uring_probe {
	uint8_t last_op, ops_len;
	uint16_t resv;
	uint32_t resv2[3];
};

#define IORING_RESTRICTION_REGISTER_OP 0u
#define IORING_RESTRICTION_SQE_OP 1u
#define IORING_RESTRICTION_SQE_FLAGS_ALLOWED 2u
#define IORING_RESTRICTION_SQE_FLAGS_REQUIRED 3u
struct io_uring_restriction {
	uint16_t opcode;
	uint8_t value; /* register_op, sqe_op or sqe_flags */
	uint8_t resv;
	uint32_t resv2[3];
};
#define IORING_MAX_RESTRICTIONS (4u + IORING_REGISTER_LAST + IORING_OP_LAST)

struct io_uring_clock_register {
	uint32_t clockid, resv[3];
};

#define IORING_REGISTER_SRC_REGISTERED (1u << 0)
#define IORING_REGISTER_DST_REPLACE (1u << 1)
struct io_uring_clone_buffers {
	uint32_t src_fd, flags, src_off, dst_off, nr, pad[3];
};

struct io_uring_buf {
	uint64_t addr;
	uint32_t len;
	uint16_t bid;
	uint16_t resv; /* of the first entry: the ring's tail */
};
_Static_assert(sizeof(struct io_uring_buf) == 16, "struct io_uring_buf");

#define IOU_PBUF_RING_MMAP 1u
#define IOU_PBUF_RING_INC 2u
struct io_uring_buf_reg {
	uint64_t ring_addr;
	uint32_t ring_entries;
	uint16_t bgid, flags;
	uint64_t resv[3];
};
_Static_assert(sizeof(struct io_uring_buf_reg) == 40, "struct io_uring_buf_reg");

struct io_uring_buf_status {
	uint32_t buf_group, head, resv[8];
};

#define IORING_MEM_REGION_TYPE_USER 1u
struct io_uring_region_desc {
	uint64_t user_addr, size;
	uint32_t flags, id;
	uint64_t mmap_offset, resv[4];
};
_Static_assert(sizeof(struct io_uring_region_desc) == 64, "struct io_uring_region_desc");

#define IORING_MEM_REGION_REG_WAIT_ARG 1u
struct io_uring_mem_region_reg {
	uint64_t region_uptr, flags, resv[2];
};

struct io_uring_sync_cancel_reg {
	uint64_t addr;
	int32_t fd;
	uint32_t flags;
	int64_t sec, nsec;
	uint8_t opcode, pad[7];
	uint64_t pad2[3];
};
_Static_assert(sizeof(struct io_uring_sync_cancel_reg) == 64, "struct io_uring_sync_cancel_reg");

struct io_uring_file_index_range {
	uint32_t off, len;
	uint64_t resv;
};

/* IORING_REGISTER_QUERY: a list of questions, each with its own structure. */
#define IO_URING_QUERY_OPCODES 0u
struct io_uring_query_hdr {
	uint64_t next_entry, query_data;
	uint32_t query_op, size;
	int32_t result;
	uint32_t resv[3];
};
struct io_uring_query_opcode {
	uint32_t nr_request_opcodes, nr_register_opcodes;
	uint64_t feature_flags, ring_setup_flags, enter_flags, sqe_flags;
	uint32_t nr_query_opcodes, pad;
};
