/*
 * The stub region: the part of every stub's address space that is ours, just
 * above what guests may map. Shared between C and assembly.
 *
 *	text      R-X  stub.S: signal handler, mapper loop, thread start
 *	rodata    R--  seccomp programs, masks, small numbers to write from
 *	request   R--  (kernel: RW)  one address space's mapper requests
 *	answer    RW-  where clone stores thread ids: guests can write it, so
 *	               nothing rests on it
 *	vdso      the host's [vvar] and [vdso], moved here
 *	contexts  RW-  one area per guest thread: signal stack and header
 */
#pragma once

#define STUB_REGION_SIZE 0x10000000
#define STUB_TEXT 0x0
#define STUB_RODATA 0x1000
#define STUB_REQUEST 0x2000
#define STUB_REQUEST_SIZE 0x2000
#define STUB_ANSWER 0x4000
#define STUB_VDSO 0x10000
#define STUB_VDSO_MAX 0x20000
#define STUB_CONTEXTS 0x1000000

/* A context area: the signal stack, with the header at its end. The handler
 * finds the header by rounding its stack pointer. */
#define CTX_SIZE 0x4000
#define CTX_HEADER (CTX_SIZE - 0x100)
#define CTX_PER_AS_MAX 0x3c00

/* struct ctx_header */
#define HDR_STATE 0
#define HDR_KERNEL_SLEEPS 4
#define HDR_STUB_SLEEPS 8
#define HDR_SPIN 12
#define HDR_FS_BASE 16
#define HDR_GS_BASE 24
#define HDR_SIGNO 32
#define HDR_CALL 64 /* struct call_regs */

#define CTX_RUN 0     /* the guest has it */
#define CTX_TRAPPED 1 /* the kernel has it: the registers are in the signal frame */
#define CTX_DEAD 2    /* set by the kernel when the stub is gone */
#define CTX_CALLED 3  /* the kernel has it: the registers are in the header (gate.c) */
#define CTX_FULL 4    /* set by the kernel: trap now, from within the call */

/* struct call_regs, behind HDR_CALL */
#define CALL_R15 0
#define CALL_R14 8
#define CALL_R13 16
#define CALL_R12 24
#define CALL_RBP 32
#define CALL_RBX 40
#define CALL_R10 48
#define CALL_R9 56
#define CALL_R8 64
#define CALL_RAX 72
#define CALL_RDX 80
#define CALL_RSI 88
#define CALL_RDI 96
#define CALL_RIP 104
#define CALL_RSP 112
/* What rflags and r11 are after a call through the gate, as far as anybody may rely
 * on them: IF, ZF, PF and the bit that is always set. */
#define CALL_RFLAGS 0x246

/* struct request_page */
#define REQ_SEQ 0
#define REQ_DONE 4
#define REQ_ERR 8
#define REQ_ERR_INDEX 12
#define REQ_COUNT 16
#define REQ_PPID 20
#define REQ_STACK 24
#define REQ_CHILD_REQUEST 48
#define REQ_CHILD_ANSWER 56
#define REQ_FD 64
#define REQ_ANSWER_FD 68
#define REQ_DONE_OFFSET 72
#define REQ_OPS 128
#define REQ_OP_SIZE 64
#define REQ_OPS_MAX ((STUB_REQUEST_SIZE - REQ_OPS) / REQ_OP_SIZE)

#define OP_PLAIN 0
#define OP_CLONE_THREAD 1
#define OP_CLONE_PROCESS 2

/* struct stub_rodata */
#define RO_NUMBERS 0       /* 256 x u32: 0, 1, 2, ... */
#define RO_FIRST_MASK 1024 /* all signals but SIGSYS */
#define RO_GUEST_PROG 1032 /* struct sock_fprog */
#define RO_MAPPER_PROG 1048
#define RO_CONTEXTS_LO 1064 /* the addresses of context areas: from, */
#define RO_CONTEXTS_HI 1072 /* to */
