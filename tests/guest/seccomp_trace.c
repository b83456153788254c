/* SECCOMP_RET_TRACE with a tracer: it sees the call, may change it, give its result, or
 * kill; other filters are asked again. Refused calls are seen at their end. */
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "check.h"
#include "filter.h"

#define NR SYS_getpgid
#define EVENT (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)

static pid_t child;

/* Up to the next stop for the filter. */
static struct user_regs_struct next_event(unsigned data)
{
	struct user_regs_struct r;
	unsigned long message = 0;
	int status;

	CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status >> 8, EVENT);
	CHECK(ptrace(PTRACE_GETEVENTMSG, child, 0, &message) == 0);
	CHECK_EQ(message, data);
	CHECK(ptrace(PTRACE_GETREGS, child, 0, &r) == 0);
	CHECK_EQ((long)r.rax, -ENOSYS);
	return r;
}

static void set(struct user_regs_struct r)
{
	CHECK(ptrace(PTRACE_SETREGS, child, 0, &r) == 0);
}

static void traced(void)
{
	filter_prepare();
	CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
	raise(SIGSTOP);
	CHECK_EQ(filter_call(NR, SECCOMP_RET_TRACE | 0x77, 0), 0);
	CHECK_EQ(filter_call(SYS_getppid, SECCOMP_RET_ERRNO | 33, 0), 0);
	CHECK_EQ(syscall(NR, 0), getpgrp());     /* as it is */
	CHECK_EQ(syscall(NR, 0), 4711);          /* left out */
	CHECK_EQ(syscall(NR, 0), getpid());      /* another call */
	CHECK_EQ(syscall(NR, 99999), getpgrp()); /* another argument */
	CHECK_ERR(syscall(NR, 0), 33);           /* one that is refused */
	CHECK_ERR(syscall(NR, 0), ENOSYS);       /* one that is not there */
	CHECK_ERR(syscall(NR, 0), 512);          /* no restart */
	syscall(NR, 0);                          /* killed */
}

static void tracer(void)
{
	struct user_regs_struct r;
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP) == 0);
	r = next_event(0x77);
	CHECK_EQ(r.orig_rax, NR);
	CHECK_EQ(r.rdi, 0);
	r = next_event(0x77);
	r.orig_rax = -1;
	r.rax = 4711;
	set(r);
	r = next_event(0x77);
	r.orig_rax = SYS_getpid;
	set(r);
	r = next_event(0x77);
	CHECK_EQ(r.rdi, 99999);
	r.rdi = 0;
	set(r);
	r = next_event(0x77);
	r.orig_rax = SYS_getppid;
	set(r);
	r = next_event(0x77);
	r.orig_rax = 5000;
	set(r);
	r = next_event(0x77);
	r.orig_rax = -1;
	r.rax = -512;
	set(r);
	next_event(0x77);
	CHECK(kill(child, SIGKILL) == 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, SIGKILL);
}

/* With PTRACE_SYSCALL: the stop before the call comes first, and the one after it also
 * when a filter has refused the call. */
static void refused(void)
{
	filter_prepare();
	CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
	CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | 33, 0), 0);
	raise(SIGSTOP);
	syscall(NR, 0);
	_exit(0);
}

static void sees_refusals(void)
{
	struct user_regs_struct r;
	int status, seen = 0;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD) == 0);
	for (;;) {
		CHECK(ptrace(PTRACE_SYSCALL, child, 0, 0) == 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		if (WIFEXITED(status))
			break;
		CHECK_EQ(WSTOPSIG(status), SIGTRAP | 0x80);
		CHECK(ptrace(PTRACE_GETREGS, child, 0, &r) == 0);
		if (r.orig_rax != NR)
			continue;
		CHECK_EQ((long)r.rax, seen++ ? -33 : -ENOSYS);
	}
	CHECK_EQ(seen, 2);
	CHECK_EQ(status, 0);
}

int main(void)
{
	child = fork();
	if (child == 0) {
		traced();
		_exit(1);
	}
	tracer();
	child = fork();
	if (child == 0)
		refused();
	sees_refusals();
	return 0;
}
