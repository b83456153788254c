/* What the files of ptrace(2) share. The tracee is frozen in a ptrace-stop. */
#pragma once

#include "syscall/syscall.h"

/* ---- ptrace_regs.c ---- */

/* PTRACE_PEEKUSER and POKEUSER. -EIO: a bad offset, or a value that user code may not
 * have. */
int ptrace_peek_user(struct task *tracee, uint64_t off, uint64_t *val) MUST_CHECK;
int ptrace_poke_user(struct task *tracee, uint64_t off, uint64_t val) MUST_CHECK;
/* A whole set between the tracee and t's memory: PTRACE_GETREGS and its like. */
long ptrace_get_set(struct task *t, struct task *tracee, unsigned type, gva_t user);
long ptrace_set_set(struct task *t, struct task *tracee, unsigned type, gva_t user);
/* PTRACE_GETREGSET and SETREGSET: the iovec at `user` says where and how much. */
long ptrace_regset(struct task *t, struct task *tracee, unsigned type, gva_t user, bool is_set);

/* ---- ptrace_info.c: PTRACE_GET_SYSCALL_INFO, SET_SYSCALL_INFO, and signals ---- */

long ptrace_get_syscall_info(struct task *t, struct task *tracee, uint64_t size, gva_t user);
long ptrace_set_syscall_info(struct task *t, struct task *tracee, uint64_t size, gva_t user);
long ptrace_peek_siginfos(struct task *t, struct task *tracee, gva_t args, gva_t user);
