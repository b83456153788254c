/* For tests of ptrace(2): the system call itself, tracees, what they stop for. */
#pragma once

#include <elf.h>
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#ifndef PTRACE_SEIZE
#define PTRACE_SEIZE 0x4206
#define PTRACE_INTERRUPT 0x4207
#define PTRACE_LISTEN 0x4208
#endif
/* Those that <linux/ptrace.h> leaves to the architecture. */
#ifndef PTRACE_GETREGS
#define PTRACE_GETREGS 12
#define PTRACE_SETREGS 13
#define PTRACE_GETFPREGS 14
#define PTRACE_SETFPREGS 15
#define PTRACE_SYSEMU 31
#define PTRACE_SYSEMU_SINGLESTEP 32
#endif
#define SYSGOOD (SIGTRAP | 0x80)
#define EVENT(e) ((e) << 8 | SIGTRAP)

static inline long trace(long request, pid_t pid, uintptr_t addr, uintptr_t data)
{
	return syscall(SYS_ptrace, request, pid, addr, data);
}

/* The word there; the request must succeed. */
static inline uint64_t peek(long request, pid_t pid, uintptr_t addr)
{
	uint64_t word = 0;

	CHECK(trace(request, pid, addr, (uintptr_t)&word) == 0);
	return word;
}

static inline uint64_t peek_user(pid_t pid, size_t off)
{
	return peek(PTRACE_PEEKUSR, pid, off);
}

#define PEEK_REG(pid, reg) peek_user(pid, offsetof(struct user_regs_struct, reg))
#define POKE_REG(pid, reg, val)                                                  \
	CHECK(trace(PTRACE_POKEUSR, pid, offsetof(struct user_regs_struct, reg), \
		    (uintptr_t)(val)) == 0)

/* The next change of a tracee: what it stopped for (status >> 8). */
static inline int next_stop(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, __WALL) == pid);
	CHECK(WIFSTOPPED(status));
	return status >> 8;
}

static inline void expect_exit(pid_t pid, int code)
{
	int status;

	CHECK(waitpid(pid, &status, __WALL) == pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), code);
}

static inline void expect_killed(pid_t pid, int signo)
{
	int status;

	CHECK(waitpid(pid, &status, __WALL) == pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), signo);
}

static inline void go(long request, pid_t pid, int signo)
{
	CHECK(trace(request, pid, 0, signo) == 0);
}

/* A child that asks to be traced, stops, and then runs fn and exits with its result. */
static inline pid_t traced_child(int (*fn)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(trace(PTRACE_TRACEME, 0, 0, 0) == 0);
		raise(SIGSTOP);
		_exit(fn());
	}
	CHECK_EQ(next_stop(pid), SIGSTOP);
	return pid;
}

/* A child that runs fn, not traced. */
static inline pid_t plain_child(int (*fn)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(fn());
	return pid;
}

static inline int pauses(void)
{
	for (;;)
		pause();
	return 0;
}

/* Kills a child, whatever state it is in, and waits for its end. */
static inline void kill_child(pid_t pid)
{
	int status;

	CHECK(kill(pid, SIGKILL) == 0);
	do
		CHECK(waitpid(pid, &status, __WALL) == pid);
	while (!WIFSIGNALED(status) && !WIFEXITED(status));
}

static inline siginfo_t siginfo_of(pid_t pid)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	CHECK(trace(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&si) == 0);
	return si;
}

static inline uint64_t message_of(pid_t pid)
{
	uint64_t msg = ~0ull;

	CHECK(trace(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&msg) == 0);
	return msg;
}

static inline struct user_regs_struct regs_of(pid_t pid)
{
	struct user_regs_struct r;

	CHECK(trace(PTRACE_GETREGS, pid, 0, (uintptr_t)&r) == 0);
	return r;
}
