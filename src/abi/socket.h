/* sendmsg(2), recvmsg(2), control messages: the kernel's own shapes. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

struct abi_msghdr {
	uint64_t name;
	int32_t namelen;
	uint32_t pad0;
	uint64_t iov, iovlen;
	uint64_t control, controllen;
	uint32_t flags, pad1;
};
_Static_assert(sizeof(struct abi_msghdr) == 56, "struct user_msghdr");

struct abi_mmsghdr {
	struct abi_msghdr hdr;
	uint32_t len, pad;
};
_Static_assert(sizeof(struct abi_mmsghdr) == 64, "struct mmsghdr");

struct abi_cmsghdr {
	uint64_t len; /* with this header, without what aligns the next one */
	int32_t level, type;
};
_Static_assert(sizeof(struct abi_cmsghdr) == 16, "struct cmsghdr");
#define ABI_CMSG_ALIGN(size) (((uint64_t)(size) + 7) & ~(uint64_t)7)

#define ABI_SOCKADDR_MAX 128 /* struct sockaddr_storage */
#define ABI_SOCK_TYPE_MASK 0xf
#define ABI_OPTMEM_MAX 131072u /* of all control messages of one call */

/* Bits that only the kernel sets inside. */
#define ABI_MSG_CMSG_COMPAT 0x80000000u
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0x40000000
#endif
