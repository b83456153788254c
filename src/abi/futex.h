/* futex(2), futex_waitv(2), the robust list. */
#pragma once

#include <linux/futex.h>
#include <stdint.h>

/* What the flags of futex_wait, futex_wake, futex_requeue and futex_waitv mean. */
#define ABI_FUTEX2_SIZE_U8 0x00u
#define ABI_FUTEX2_SIZE_U16 0x01u
#define ABI_FUTEX2_SIZE_U32 0x02u
#define ABI_FUTEX2_SIZE_U64 0x03u
#define ABI_FUTEX2_SIZE_MASK 0x03u
#define ABI_FUTEX2_NUMA 0x04u
#define ABI_FUTEX2_MPOL 0x08u
#define ABI_FUTEX2_PRIVATE 0x80u

struct abi_futex_waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};
#define ABI_FUTEX_WAITV_MAX 128u
_Static_assert(sizeof(struct abi_futex_waitv) == 24, "struct futex_waitv");

struct abi_robust_list_head {
	uint64_t list; /* next; points to the head itself when empty */
	int64_t futex_offset;
	uint64_t list_op_pending;
};
_Static_assert(sizeof(struct abi_robust_list_head) == 24, "struct robust_list_head");
#define ABI_ROBUST_LIST_LIMIT 2048u
