/*
 * The seccomp programs of stubs, as raw BPF, because they test the instruction
 * pointer. A thread's program cannot be taken away; a guest thread has the
 * mapper's and its own, and the stricter answer wins.
 *
 * Guest threads: everything traps (SECCOMP_RET_TRAP), foreign system call ABIs
 * too, except futex (wait and wake) and rt_sigreturn from their own
 * instructions; stub.S argues why jumping there gains nothing.
 *
 * Mapper: what it needs, only from the stub text; anything else kills the
 * stub. pwrite64 only to the request file.
 */
#include <linux/audit.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "platform/systrap/systrap.h"

extern const char stub_text[], stub_ip_futex_wake[], stub_ip_futex_wait[], stub_ip_sigreturn[];

struct prog {
	struct sock_filter *f;
	size_t n, max;
};

#define DATA(field) ((uint32_t)offsetof(struct seccomp_data, field))

static void emit(struct prog *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	ASSERT(p->n < p->max);
	p->f[p->n++] = (struct sock_filter){ .code = code, .jt = jt, .jf = jf, .k = k };
}

static void load(struct prog *p, uint32_t off)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, off, 0, 0);
}

static void ret(struct prog *p, uint32_t action)
{
	emit(p, BPF_RET | BPF_K, action, 0, 0);
}

/* Skips `skip` instructions unless the accumulator equals k. */
static void unless_equal_skip(struct prog *p, uint32_t k, uint8_t skip)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, k, 0, skip);
}

/* A 64-bit instruction pointer test: falls through when equal, else skips the
 * `skip` instructions that follow the test. */
static void unless_ip_skip(struct prog *p, uint64_t ip, uint8_t skip)
{
	load(p, DATA(instruction_pointer));
	unless_equal_skip(p, (uint32_t)ip, (uint8_t)(skip + 2));
	load(p, DATA(instruction_pointer) + 4);
	unless_equal_skip(p, (uint32_t)(ip >> 32), skip);
}

static uint64_t stub_addr(uint64_t region, const char *label)
{
	return region + (uint64_t)(label - stub_text);
}

static void check_arch(struct prog *p, uint32_t otherwise)
{
	load(p, DATA(arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	ret(p, otherwise);
}

/* futex at one address with one operation. */
static void allow_futex(struct prog *p, uint64_t ip, uint32_t op)
{
	load(p, DATA(nr));
	unless_equal_skip(p, SYS_futex, 7);
	unless_ip_skip(p, ip, 3);
	load(p, DATA(args[1]));
	unless_equal_skip(p, op, 1);
	ret(p, SECCOMP_RET_ALLOW);
}

size_t filter_guest(struct sock_filter *f, size_t max, uint64_t region)
{
	struct prog p = { f, 0, max };

	check_arch(&p, SECCOMP_RET_TRAP);
	allow_futex(&p, stub_addr(region, stub_ip_futex_wake), 1);
	allow_futex(&p, stub_addr(region, stub_ip_futex_wait), 0);
	load(&p, DATA(nr));
	unless_equal_skip(&p, SYS_rt_sigreturn, 5);
	unless_ip_skip(&p, stub_addr(region, stub_ip_sigreturn), 1);
	ret(&p, SECCOMP_RET_ALLOW);
	ret(&p, SECCOMP_RET_TRAP);
	return p.n;
}

static void allow_call(struct prog *p, uint32_t nr)
{
	load(p, DATA(nr));
	unless_equal_skip(p, nr, 1);
	ret(p, SECCOMP_RET_ALLOW);
}

static void allow_call_with_arg(struct prog *p, uint32_t nr, unsigned arg, uint32_t val)
{
	load(p, DATA(nr));
	unless_equal_skip(p, nr, 3);
	load(p, DATA(args[0]) + arg * 8);
	unless_equal_skip(p, val, 1);
	ret(p, SECCOMP_RET_ALLOW);
}

/* What guest threads may do must be allowed here too (they have both programs).
 * What is refused traps: a mapper blocks SIGSYS, so a trap kills it. */
size_t filter_mapper(struct sock_filter *f, size_t max, uint64_t region, int request_fd)
{
	struct prog p = { f, 0, max };

	check_arch(&p, SECCOMP_RET_TRAP);
	load(&p, DATA(instruction_pointer) + 4);
	emit(&p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(region >> 32), 1, 0);
	ret(&p, SECCOMP_RET_TRAP);
	load(&p, DATA(instruction_pointer));
	emit(&p, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)region, 1, 0);
	ret(&p, SECCOMP_RET_TRAP);
	emit(&p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)region + 4096, 0, 1);
	ret(&p, SECCOMP_RET_TRAP);

	allow_call(&p, SYS_futex);
	allow_call(&p, SYS_rt_sigreturn);
	allow_call(&p, SYS_mmap);
	allow_call(&p, SYS_munmap);
	allow_call(&p, SYS_mprotect);
	allow_call(&p, SYS_clone);
	allow_call_with_arg(&p, SYS_pwrite64, 0, (uint32_t)request_fd);
	allow_call(&p, SYS_sigaltstack);
	allow_call(&p, SYS_rt_sigprocmask);
	allow_call(&p, SYS_close_range);
	allow_call_with_arg(&p, SYS_seccomp, 0, SECCOMP_SET_MODE_FILTER);
	allow_call_with_arg(&p, SYS_prctl, 0, PR_SET_PDEATHSIG);
	allow_call(&p, SYS_getppid);
	ret(&p, SECCOMP_RET_TRAP);
	return p.n;
}
