/* The numbers and structures of vhost-user, as they go over the socket: in the machine's own
 * byte order. */
#pragma once

#include "base/base.h"

enum vhost_request {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES = 2,
	VHOST_SET_OWNER = 3,
	VHOST_SET_MEM_TABLE = 5,
	VHOST_SET_VRING_NUM = 8,
	VHOST_SET_VRING_ADDR = 9,
	VHOST_SET_VRING_BASE = 10,
	VHOST_GET_VRING_BASE = 11,
	VHOST_SET_VRING_KICK = 12,
	VHOST_SET_VRING_CALL = 13,
	VHOST_SET_VRING_ERR = 14,
	VHOST_GET_PROTOCOL_FEATURES = 15,
	VHOST_SET_PROTOCOL_FEATURES = 16,
	VHOST_GET_QUEUE_NUM = 17,
	VHOST_SET_VRING_ENABLE = 18,
	VHOST_SET_BACKEND_REQ_FD = 21,
	VHOST_GET_CONFIG = 24,
	VHOST_GET_MAX_MEM_SLOTS = 36,
	VHOST_ADD_MEM_REG = 37,
};

/* On the back-end channel, from the device. */
enum vhost_backend_request {
	VHOST_BACKEND_CONFIG_CHANGE = 2,
};

#define VHOST_PROTOCOL_F_MQ (1ull << 0)
#define VHOST_PROTOCOL_F_REPLY_ACK (1ull << 3)
#define VHOST_PROTOCOL_F_BACKEND_REQ (1ull << 5)
#define VHOST_PROTOCOL_F_CONFIG (1ull << 9)
#define VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS (1ull << 15)

#define VHOST_VERSION 1u
#define VHOST_VERSION_MASK 3u
#define VHOST_REPLY 4u
#define VHOST_NEED_REPLY 8u

struct vhost_header {
	uint32_t request, flags, size;
};

/* SET_VRING_NUM, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_ENABLE */
struct vhost_vring_state {
	uint32_t index, value;
};

struct vhost_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log; /* "user" addresses */
};

struct vhost_mem_region {
	uint64_t guest_address, size, user_address, mmap_offset;
};

struct vhost_mem_table {
	uint32_t count, padding;
	struct vhost_mem_region regions[8];
};

struct vhost_mem_slot {
	uint64_t padding;
	struct vhost_mem_region region;
};

#define VHOST_CONFIG_MAX 256u

struct vhost_config_space {
	uint32_t offset, size, flags;
	uint8_t bytes[VHOST_CONFIG_MAX];
};
#define VHOST_CONFIG_HEADER offsetof(struct vhost_config_space, bytes)

union vhost_payload {
	uint64_t u64;
	struct vhost_vring_state state;
	struct vhost_vring_addr addr;
	struct vhost_mem_table table;
	struct vhost_mem_slot slot;
	struct vhost_config_space config;
};

static_assert(sizeof(struct vhost_header) == 12 && sizeof(struct vhost_vring_state) == 8 &&
		      sizeof(struct vhost_vring_addr) == 40 &&
		      sizeof(struct vhost_mem_region) == 32 &&
		      sizeof(struct vhost_mem_slot) == 40 && VHOST_CONFIG_HEADER == 12,
	      "the sizes of the protocol");
