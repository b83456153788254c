/* clone(2), clone3(2), scheduling, rseq. */
#pragma once

#include <sched.h>
#include <stdint.h>

/* CLONE_* that the C library has are Linux's. These are clone3's own. */
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#define ABI_CLONE_CLEAR_SIGHAND 0x100000000ull
#define ABI_CLONE_INTO_CGROUP 0x200000000ull
#define ABI_CSIGNAL 0x000000ffull /* the exit signal in clone's flags */

struct abi_clone_args {
	uint64_t flags;
	uint64_t pidfd;
	uint64_t child_tid;
	uint64_t parent_tid;
	uint64_t exit_signal;
	uint64_t stack;
	uint64_t stack_size;
	uint64_t tls;
	uint64_t set_tid;
	uint64_t set_tid_size;
	uint64_t cgroup;
};
#define ABI_CLONE_ARGS_SIZE_VER0 64u
#define ABI_CLONE_ARGS_SIZE_VER1 80u
#define ABI_CLONE_ARGS_SIZE_VER2 88u
_Static_assert(sizeof(struct abi_clone_args) == ABI_CLONE_ARGS_SIZE_VER2, "struct clone_args");

struct abi_sched_param {
	int32_t priority;
};

struct abi_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};
#define ABI_SCHED_ATTR_SIZE_VER0 48u
_Static_assert(sizeof(struct abi_sched_attr) == 56, "struct sched_attr");

#define ABI_SCHED_NORMAL 0
#define ABI_SCHED_FIFO 1
#define ABI_SCHED_RR 2
#define ABI_SCHED_BATCH 3
#define ABI_SCHED_IDLE 5
#define ABI_SCHED_DEADLINE 6
#define ABI_SCHED_EXT 7
#define ABI_SCHED_RESET_ON_FORK 0x40000000

struct abi_rseq {
	uint32_t cpu_id_start, cpu_id;
	uint64_t rseq_cs;
	uint32_t flags, node_id, mm_cid;
	uint32_t pad;
};
_Static_assert(sizeof(struct abi_rseq) == 32, "struct rseq");
#define ABI_RSEQ_FLAG_UNREGISTER 1u
#define ABI_RSEQ_CPU_ID_UNINITIALIZED ((uint32_t)-1)

struct abi_rseq_cs {
	uint32_t version, flags;
	uint64_t start_ip, post_commit_offset, abort_ip;
};
_Static_assert(sizeof(struct abi_rseq_cs) == 32, "struct rseq_cs");

struct abi_cap_header {
	uint32_t version;
	int32_t pid;
};
struct abi_cap_data {
	uint32_t effective, permitted, inheritable;
};
#define ABI_CAP_VERSION_1 0x19980330u
#define ABI_CAP_VERSION_2 0x20071026u
#define ABI_CAP_VERSION_3 0x20080522u

#define ABI_NICE_MIN (-20)
#define ABI_NICE_MAX 19

/* kcmp(2) */
enum {
	ABI_KCMP_FILE,
	ABI_KCMP_VM,
	ABI_KCMP_FILES,
	ABI_KCMP_FS,
	ABI_KCMP_SIGHAND,
	ABI_KCMP_IO,
	ABI_KCMP_SYSVSEM,
	ABI_KCMP_EPOLL_TFD
};
