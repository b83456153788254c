/* wait4(2), waitid(2) and the wait status. */
#pragma once

#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif
#ifndef __WALL
#define __WALL 0x40000000
#endif
#ifndef __WCLONE
#define __WCLONE 0x80000000
#endif

#define ABI_WAIT_EXITED(code) (((code)&0xff) << 8)
#define ABI_WAIT_SIGNALED(sig, core) ((sig) | ((core) ? 0x80 : 0))
#define ABI_WAIT_STOPPED(sig) ((sig) << 8 | 0x7f)
#define ABI_WAIT_CONTINUED 0xffff

#define ABI_PIDFD_NONBLOCK 04000u
#define ABI_PIDFD_THREAD 0200u
#define ABI_PIDFD_SIGNAL_THREAD 1u
#define ABI_PIDFD_SIGNAL_THREAD_GROUP 2u
#define ABI_PIDFD_SIGNAL_PROCESS_GROUP 4u
/* In place of a descriptor: the caller. */
#define ABI_PIDFD_SELF_THREAD (-10000)
#define ABI_PIDFD_SELF_THREAD_GROUP (-10001)
