/* seccomp(2), its notifications, and what later headers than the host's add. */
#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
/* The number by which ID_VALID was known at first. */
#define ABI_SECCOMP_IOCTL_NOTIF_ID_VALID_OLD SECCOMP_IOR(2, __u64)

#define ABI_SYS_SECCOMP 1 /* si_code of SIGSYS */

#define ABI_SECCOMP_FLAGS                                                                       \
	(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | \
	 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |                   \
	 SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)

struct abi_sock_fprog {
	__u16 len;
	__u64 filter; /* guest address of struct sock_filter */
};

_Static_assert(sizeof(struct abi_sock_fprog) == 16, "struct sock_fprog");
_Static_assert(sizeof(struct seccomp_data) == 64, "struct seccomp_data");
_Static_assert(sizeof(struct seccomp_notif) == 80, "struct seccomp_notif");
_Static_assert(sizeof(struct seccomp_notif_resp) == 24, "struct seccomp_notif_resp");
_Static_assert(sizeof(struct seccomp_notif_addfd) == 24, "struct seccomp_notif_addfd");
