/* System V IPC: numbers and structures (asm-generic). */
#pragma once

#include <stdint.h>

#define ABI_IPC_CREAT 01000
#define ABI_IPC_EXCL 02000
#define ABI_IPC_NOWAIT 04000
#define ABI_IPC_PRIVATE 0

/* The commands of semctl and msgctl; older callers set IPC_64 beside them. */
#define ABI_IPC_RMID 0
#define ABI_IPC_SET 1
#define ABI_IPC_STAT 2
#define ABI_IPC_INFO 3
#define ABI_IPC_64 0x0100

#define ABI_SEM_UNDO 0x1000
#define ABI_GETPID 11
#define ABI_GETVAL 12
#define ABI_GETALL 13
#define ABI_GETNCNT 14
#define ABI_GETZCNT 15
#define ABI_SETVAL 16
#define ABI_SETALL 17
#define ABI_SEM_STAT 18
#define ABI_SEM_INFO 19
#define ABI_SEM_STAT_ANY 20

#define ABI_MSG_STAT 11
#define ABI_MSG_INFO 12
#define ABI_MSG_STAT_ANY 13
#define ABI_MSG_NOERROR 010000
#define ABI_MSG_EXCEPT 020000
#define ABI_MSG_COPY 040000

struct abi_ipc_perm {
	int32_t key;
	uint32_t uid, gid, cuid, cgid;
	uint32_t mode;
	uint16_t seq, pad;
	uint64_t unused[2];
};
_Static_assert(sizeof(struct abi_ipc_perm) == 48, "struct ipc64_perm");

struct abi_semid {
	struct abi_ipc_perm perm;
	int64_t otime, unused1, ctime, unused2;
	uint64_t nsems, unused3, unused4;
};
_Static_assert(sizeof(struct abi_semid) == 104, "struct semid64_ds");

struct abi_seminfo {
	int32_t semmap, semmni, semmns, semmnu, semmsl, semopm, semume, semusz, semvmx, semaem;
};

struct abi_sembuf {
	uint16_t num;
	int16_t op, flags;
};
_Static_assert(sizeof(struct abi_sembuf) == 6, "struct sembuf");

struct abi_msqid {
	struct abi_ipc_perm perm;
	int64_t stime, rtime, ctime;
	uint64_t cbytes, qnum, qbytes;
	int32_t lspid, lrpid;
	uint64_t unused[2];
};
_Static_assert(sizeof(struct abi_msqid) == 120, "struct msqid64_ds");

struct abi_msginfo {
	int32_t msgpool, msgmap, msgmax, msgmnb, msgmni, msgssz, msgtql;
	uint16_t msgseg;
};

#define ABI_SHM_HUGETLB 04000u
#define ABI_SHM_NORESERVE 010000u
#define ABI_SHM_HUGE_SHIFT 26
#define ABI_SHM_HUGE_MASK 0x3fu
#define ABI_SHM_RDONLY 010000u
#define ABI_SHM_RND 020000u
#define ABI_SHM_REMAP 040000u
#define ABI_SHM_EXEC 0100000u
/* In the mode. */
#define ABI_SHM_DEST 01000u
#define ABI_SHM_LOCKED 02000u

#define ABI_SHM_LOCK 11
#define ABI_SHM_UNLOCK 12
#define ABI_SHM_STAT 13
#define ABI_SHM_INFO 14
#define ABI_SHM_STAT_ANY 15

struct abi_shmid {
	struct abi_ipc_perm perm;
	uint64_t segsz;
	int64_t atime, dtime, ctime;
	int32_t cpid, lpid;
	uint64_t nattch, unused[2];
};
_Static_assert(sizeof(struct abi_shmid) == 112, "struct shmid64_ds");

/* IPC_INFO */
struct abi_shminfo {
	uint64_t shmmax, shmmin, shmmni, shmseg, shmall, unused[4];
};

/* SHM_INFO, in pages */
struct abi_shm_usage {
	int32_t used_ids, pad;
	uint64_t shm_tot, shm_rss, shm_swp, swap_attempts, swap_successes;
};
_Static_assert(sizeof(struct abi_shm_usage) == 48, "struct shm_info");
