/* How often each system call was made; kernel->stats points to the one. */
#pragma once

#include "syscall/syscall.h"

struct kernel_stats {
	atomic_ulong syscalls[SYSCALL_TABLE_SIZE];
	atomic_ulong syscalls_unknown; /* numbers outside the table */
};
extern struct kernel_stats kernel_stats;
