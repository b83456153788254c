/*
 * __vdso_rt_sigreturn: the return address of signal handlers whose program gave no
 * SA_RESTORER. Unwinders walk through it: the call frame information says that every
 * register of the interrupted code lies in the sigcontext, by its offset from the
 * stack pointer (abi/signal.h: struct abi_ucontext, whose mcontext is at 40; the
 * handler's return has taken pretcode off).
 *
 * The information starts a byte early, at the nop: an unwinder looks up the return
 * address minus one, which must fall into this function.
 */
#define NR_rt_sigreturn 15

/* register = *(rsp + offset): DW_CFA_expression, 3 bytes, DW_OP_breg7 and the offset
 * as two bytes of SLEB128. */
.macro saved reg, offset
	.cfi_escape 0x10, \reg, 3, 0x77, (\offset & 0x7f) | 0x80, \offset >> 7
.endm

	.text
	.balign 16
	.cfi_startproc
	.cfi_signal_frame
	/* CFA = *(rsp + 160), the interrupted rsp: DW_CFA_def_cfa_expression. */
	.cfi_escape 0x0f, 4, 0x77, (160 & 0x7f) | 0x80, 160 >> 7, 0x06
	saved 8, 40
	saved 9, 48
	saved 10, 56
	saved 11, 64
	saved 12, 72
	saved 13, 80
	saved 14, 88
	saved 15, 96
	saved 5, 104	/* rdi */
	saved 4, 112	/* rsi */
	saved 6, 120	/* rbp */
	saved 3, 128	/* rbx */
	saved 1, 136	/* rdx */
	saved 0, 144	/* rax */
	saved 2, 152	/* rcx */
	saved 7, 160	/* rsp */
	saved 16, 168	/* rip */
	nop
	.globl	__vdso_rt_sigreturn
	.type	__vdso_rt_sigreturn, @function
__vdso_rt_sigreturn:
	movl	$NR_rt_sigreturn, %eax
	syscall
	.cfi_endproc
	.size	__vdso_rt_sigreturn, . - __vdso_rt_sigreturn

	.section .note.GNU-stack, "", @progbits
