/* open(2), openat2(2), fcntl(2) and the *at flags. */
#pragma once

#include <fcntl.h>
#include <stdint.h>

/* O_LARGEFILE is 0 in the C library on x86-64, but a flag that fcntl(F_GETFL)
 * of the kernel shows. */
#define ABI_O_LARGEFILE 0100000
#define ABI_O_TMPFILE_BIT 020000000
#define ABI_O_EMPTYPATH 0100000000

struct abi_open_how {
	uint64_t flags, mode, resolve;
};
_Static_assert(sizeof(struct abi_open_how) == 24, "struct open_how");

#define ABI_RESOLVE_NO_XDEV 0x01u
#define ABI_RESOLVE_NO_MAGICLINKS 0x02u
#define ABI_RESOLVE_NO_SYMLINKS 0x04u
#define ABI_RESOLVE_BENEATH 0x08u
#define ABI_RESOLVE_IN_ROOT 0x10u
#define ABI_RESOLVE_CACHED 0x20u
#define ABI_RESOLVE_VALID 0x3fu

struct abi_flock {
	int16_t type, whence;
	int32_t pad0;
	int64_t start, len;
	int32_t pid, pad1;
};
_Static_assert(sizeof(struct abi_flock) == 32, "struct flock");

struct abi_f_owner_ex {
	int32_t type, pid;
};

#ifndef AT_EACCESS
#define AT_EACCESS 0x200
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif
#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif
#ifndef F_CREATED_QUERY
#define F_CREATED_QUERY 1028
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

#define ABI_CLOSE_RANGE_UNSHARE 2u
#define ABI_CLOSE_RANGE_CLOEXEC 4u

/* preadv2, pwritev2 */
#define ABI_RWF_HIPRI 0x01u
#define ABI_RWF_DSYNC 0x02u
#define ABI_RWF_SYNC 0x04u
#define ABI_RWF_NOWAIT 0x08u
#define ABI_RWF_APPEND 0x10u
#define ABI_RWF_NOAPPEND 0x20u
#define ABI_RWF_ATOMIC 0x40u
#define ABI_RWF_DONTCACHE 0x80u
#define ABI_RWF_NOSIGNAL 0x100u

#define ABI_MAX_RW_COUNT 0x7ffff000u
#define ABI_PATH_MAX 4096u
#define ABI_NAME_MAX 255u

struct abi_iovec {
	uint64_t base, size;
};
#define ABI_UIO_MAXIOV 1024u

/* poll(2), epoll(7) */
struct abi_pollfd {
	int32_t fd;
	int16_t events, revents;
};
_Static_assert(sizeof(struct abi_pollfd) == 8, "struct pollfd");

struct abi_epoll_event {
	uint32_t events;
	uint64_t data;
} __attribute__((packed));
_Static_assert(sizeof(struct abi_epoll_event) == 12, "struct epoll_event");

struct abi_epoll_params {
	uint32_t busy_poll_usecs;
	uint16_t busy_poll_budget;
	uint8_t prefer_busy_poll, pad;
};
