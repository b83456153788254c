/*
 * A host system call without libc's wrapper: the kernel's own result comes
 * back (a negative errno on failure) and libc's errno is left alone. For the
 * few calls that base/ makes itself (park.c, log.c, panic.c); everybody else
 * goes through host/.
 */
#pragma once

#include "base/base.h"

#if !defined(__x86_64__)
#error "nacre runs on x86-64 hosts"
#endif

static inline long rawcall3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long rawcall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
