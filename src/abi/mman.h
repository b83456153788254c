/* mmap(2) and its family: what Debian 12's headers lack. */
#pragma once

#include <sys/mman.h>

#ifndef MAP_32BIT
#define MAP_32BIT 0x40
#endif
#define ABI_MAP_ABOVE4G 0x80
#ifndef MAP_UNINITIALIZED
#define MAP_UNINITIALIZED 0x4000000
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#define ABI_MAP_HUGE_2MB (21u << 26)
#define ABI_MAP_HUGE_1GB (30u << 26)
#define ABI_TASK_SIZE 0x7ffffffff000ul /* where Linux's user addresses end */
#define ABI_MAP_TYPE 0x0fu             /* MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE, ... */

/* Flags that a MAP_SHARED_VALIDATE does not refuse: those of old. */
#define ABI_MAP_KNOWN                                                                           \
	((unsigned)(MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_DENYWRITE |     \
		    MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | \
		    MAP_STACK | MAP_HUGETLB) |                                                  \
	 ABI_MAP_TYPE | ABI_MAP_ABOVE4G | ABI_MAP_HUGE_2MB | ABI_MAP_HUGE_1GB)

#ifndef PROT_GROWSDOWN
#define PROT_GROWSDOWN 0x01000000
#define PROT_GROWSUP 0x02000000
#endif
#define ABI_PROT_SEM 0x8

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define ABI_MADV_GUARD_INSTALL 102
#define ABI_MADV_GUARD_REMOVE 103

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif
#ifndef MLOCK_ONFAULT
#define ABI_MLOCK_ONFAULT 1
#else
#define ABI_MLOCK_ONFAULT MLOCK_ONFAULT
#endif
