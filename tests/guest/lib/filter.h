/* Small seccomp filters for guest tests. */
#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARG(n) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (n))
#define IF_NOT(k, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, skip)
#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)

/* seccomp(SET_MODE_FILTER) of a literal program. */
#define FILTER(flags, ...)                                                                     \
	filter_set((struct sock_filter[]){ __VA_ARGS__ },                                      \
		   sizeof((struct sock_filter[]){ __VA_ARGS__ }) / sizeof(struct sock_filter), \
		   flags)

static inline long filter_set(struct sock_filter *prog, size_t count, unsigned flags)
{
	struct sock_fprog fprog = { (unsigned short)count, prog };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog);
}

/* One call has that answer, all others are allowed. */
static inline long filter_call(long nr, unsigned answer, unsigned flags)
{
	return FILTER(flags, LOAD(nr), IF_NOT((unsigned)nr, 1), RET(answer),
		      RET(SECCOMP_RET_ALLOW));
}

static inline void filter_prepare(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(98);
}
