/*
 * The copies of safecopy.h (System V x86-64).
 *
 * Table: one row per range of instructions that may fault,
 *
 *	.long first - ., end - ., fixup - .
 *
 * relative to the field's own address, so that a position-independent kernel
 * needs no relocations. A fault at first <= rip < end continues at fixup with
 * all other registers as they were.
 *
 * Long areas go through `rep movsb`, which leaves in %rcx exactly what is still
 * to be copied when it faults. Short ones (system call structures) avoid its
 * start-up cost; when one of their moves faults, the fix-up retries from the
 * same place with `rep movsb`, which finds the exact byte.
 */

#define LONG_COPY 512

	.macro	fault_range first, end, fixup
	.pushsection .rodata.safecopy, "a", @progbits
	.long	\first - .
	.long	\end - .
	.long	\fixup - .
	.popsection
	.endm

	.pushsection .rodata.safecopy, "a", @progbits
	.balign	4
	.globl	safecopy_table
	.hidden	safecopy_table
safecopy_table:
	.popsection

	.text

	/* size_t safecopy(%rdi dst, %rsi src, %rdx size) */
	.globl	safecopy
	.type	safecopy, @function
	.balign	16
safecopy:
	.cfi_startproc
	cmpq	$16, %rdx
	jb	.Ltail
	cmpq	$LONG_COPY, %rdx
	jae	.Llong
.Lloop:
	movups	(%rsi), %xmm0
	movups	%xmm0, (%rdi)
	addq	$16, %rsi
	addq	$16, %rdi
	subq	$16, %rdx
	cmpq	$16, %rdx
	jae	.Lloop
.Ltail:
	testb	$8, %dl
	jz	1f
	movq	(%rsi), %rax
	movq	%rax, (%rdi)
	addq	$8, %rsi
	addq	$8, %rdi
	subq	$8, %rdx
1:	testb	$4, %dl
	jz	1f
	movl	(%rsi), %eax
	movl	%eax, (%rdi)
	addq	$4, %rsi
	addq	$4, %rdi
	subq	$4, %rdx
1:	testb	$2, %dl
	jz	1f
	movzwl	(%rsi), %eax
	movw	%ax, (%rdi)
	addq	$2, %rsi
	addq	$2, %rdi
	subq	$2, %rdx
1:	testb	$1, %dl
	jz	1f
	movzbl	(%rsi), %eax
	movb	%al, (%rdi)
1:	xorl	%eax, %eax
	ret
.Lshort_end:
.Llong:
	movq	%rdx, %rcx
.Lrep_copy:
	rep movsb
.Lrep_copy_end:
	movq	%rcx, %rax
	ret
	.cfi_endproc
	.size	safecopy, . - safecopy
	fault_range .Lloop, .Lshort_end, .Llong
	fault_range .Lrep_copy, .Lrep_copy_end, .Lrep_copy_end

	/* size_t safecopy_zero(%rdi dst, %rsi size) */
	.globl	safecopy_zero
	.type	safecopy_zero, @function
	.balign	16
safecopy_zero:
	.cfi_startproc
	movq	%rsi, %rcx
	xorl	%eax, %eax
.Lrep_zero:
	rep stosb
.Lrep_zero_end:
	movq	%rcx, %rax
	ret
	.cfi_endproc
	.size	safecopy_zero, . - safecopy_zero
	fault_range .Lrep_zero, .Lrep_zero_end, .Lrep_zero_end

	/* int safecopy_load32(%rdi addr, %rsi value) */
	.globl	safecopy_load32
	.type	safecopy_load32, @function
	.balign	16
safecopy_load32:
	.cfi_startproc
.Lload:
	movl	(%rdi), %eax
.Lload_end:
	movl	%eax, (%rsi)
	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size	safecopy_load32, . - safecopy_load32
	fault_range .Lload, .Lload_end, .Lfault

	/* int safecopy_store32(%rdi addr, %esi value) */
	.globl	safecopy_store32
	.type	safecopy_store32, @function
	.balign	16
safecopy_store32:
	.cfi_startproc
.Lstore:
	movl	%esi, (%rdi)
.Lstore_end:
	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size	safecopy_store32, . - safecopy_store32
	fault_range .Lstore, .Lstore_end, .Lfault

	/* int safecopy_cmpxchg32(%rdi addr, %esi expected, %edx desired, %rcx found) */
	.globl	safecopy_cmpxchg32
	.type	safecopy_cmpxchg32, @function
	.balign	16
safecopy_cmpxchg32:
	.cfi_startproc
	movl	%esi, %eax
.Lcmpxchg:
	lock cmpxchgl %edx, (%rdi)
.Lcmpxchg_end:
	movl	%eax, (%rcx)
	xorl	%eax, %eax
	ret
.Lfault:
	movl	$-14, %eax	/* -EFAULT */
	ret
	.cfi_endproc
	.size	safecopy_cmpxchg32, . - safecopy_cmpxchg32
	fault_range .Lcmpxchg, .Lcmpxchg_end, .Lfault

	.pushsection .rodata.safecopy, "a", @progbits
	.globl	safecopy_table_end
	.hidden	safecopy_table_end
safecopy_table_end:
	.popsection

	.section .note.GNU-stack, "", @progbits
