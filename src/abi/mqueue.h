/* POSIX message queues: mq_open(2) and its family. */
#pragma once

#include <stdint.h>

#define ABI_MQ_PRIO_MAX 32768u
/* /proc/sys/fs/mqueue, as Linux starts. */
#define ABI_MQ_QUEUES_MAX 256u
#define ABI_MQ_MSG_MAX 10       /* of a queue; by default too */
#define ABI_MQ_MSGSIZE_MAX 8192 /* the same */

struct abi_mq_attr {
	int64_t flags, maxmsg, msgsize, curmsgs;
	int64_t reserved[4];
};
_Static_assert(sizeof(struct abi_mq_attr) == 64, "struct mq_attr");

#define ABI_SI_MESGQ (-3)
/* SIGEV_THREAD: what the C library's thread reads from its netlink socket. The last
 * byte says why. */
#define ABI_MQ_COOKIE_SIZE 32
#define ABI_MQ_WOKEN_UP 1
#define ABI_MQ_REMOVED 2
