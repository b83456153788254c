/*
 * The code of ours that runs inside stubs. It runs in an address space whose
 * writable memory belongs to the guest, so: no stack but for the frame that
 * the host pushes, no writable data but the context header, whose contents
 * nobody believes. Position independent; everything it needs is at a fixed
 * distance from stub_text (layout.h).
 *
 * Each `syscall` below has a label, because the seccomp programs allow calls
 * by the address of the instruction after it:
 *
 *	stub_ip_futex_wake, stub_ip_futex_wait   guest threads: FUTEX_WAKE and
 *	    FUTEX_WAIT only. A guest that jumps here can wake or wait on memory
 *	    that it can reach anyway: it delays itself, or causes a wake-up that
 *	    the kernel takes as spurious. After the call it runs on with the
 *	    handler's code on its own registers: it is still only guest code.
 *	stub_ip_sigreturn                        guest threads: loads registers
 *	    from memory that the guest controls. All that can be loaded is user
 *	    state, which the guest can load with plain instructions, but for the
 *	    signal mask and the signal stack: blocking our interrupt makes its
 *	    thread deaf, and the kernel kills a deaf stub; a wrong signal stack
 *	    makes the host kill it, or lets the handler write to guest memory.
 *	everything else                          the mapper's; traps in guest
 *	    threads, whose programs do not name them.
 */
#include "platform/systrap/layout.h"

#define STUB_INTERRUPT_NO 23		/* STUB_INTERRUPT */

	.section .rodata.stub, "a", @progbits
	.balign 4096
	.globl stub_text
stub_text:

/*
 * The signal handler of guest threads. The host has pushed a frame onto the
 * thread's signal stack: its registers and extended state stay there, where
 * the kernel reads and writes them. We say so, wait, and return through it.
 */
	.globl stub_handler
stub_handler:
	movq %rsp, %r12
	andq $-CTX_SIZE, %r12
	addq $CTX_HEADER, %r12
	cmpl $CTX_CALLED, HDR_STATE(%r12)
	je .Lin_call
.Ltrap:
	rdfsbase %r8
	rdgsbase %r9
	movq %r8, HDR_FS_BASE(%r12)
	movq %r9, HDR_GS_BASE(%r12)
	movl %edi, HDR_SIGNO(%r12)
	movl $CTX_TRAPPED, %r14d
	movl %r14d, %eax
	xchgl %eax, HDR_STATE(%r12)
	/* From here on the gate comes the same way: r12 is the header, r14d the
	 * state that lasts as long as the kernel has it. */
.Lhanded_over:
	cmpl $0, HDR_KERNEL_SLEEPS(%r12)
	je .Lspin
	leaq HDR_STATE(%r12), %rdi
	movl $1, %esi			/* FUTEX_WAKE */
	movl $1, %edx
	xorl %r10d, %r10d
	movl $202, %eax
	syscall
	.globl stub_ip_futex_wake
stub_ip_futex_wake:
.Lspin:
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, %r13			/* since when we spin */
1:
	cmpl %r14d, HDR_STATE(%r12)
	jne .Lgo
	pause
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	subq %r13, %rax
	/* The kernel may take the time to spin back at any moment. */
	movl HDR_SPIN(%r12), %ecx
	cmpq %rcx, %rax
	jb 1b
.Lsleep:
	movl $1, %eax
	xchgl %eax, HDR_STUB_SLEEPS(%r12)
	cmpl %r14d, HDR_STATE(%r12)
	jne .Lgo
	leaq HDR_STATE(%r12), %rdi
	xorl %esi, %esi			/* FUTEX_WAIT */
	movl %r14d, %edx
	xorl %r10d, %r10d
	movl $202, %eax
	syscall
	.globl stub_ip_futex_wait
stub_ip_futex_wait:
	cmpl %r14d, HDR_STATE(%r12)
	je .Lsleep
.Lgo:
	movl $0, HDR_STUB_SLEEPS(%r12)
	cmpl $CTX_CALLED, %r14d
	je .Lgate_return
	movq HDR_FS_BASE(%r12), %r8
	movq HDR_GS_BASE(%r12), %r9
	wrfsbase %r8
	wrgsbase %r9
.Lsigreturn:
	addq $8, %rsp			/* as after `ret` to the restorer */
	movl $15, %eax
	syscall
	.globl stub_ip_sigreturn
stub_ip_sigreturn:
	ud2

/*
 * A signal while the kernel has a call of the gate. An interrupt has nothing to say
 * then: the kernel's thread is no longer in the guest (and looks again when it enters
 * it, gate.c). Anything else is a guest that plays.
 */
.Lin_call:
	cmpl $STUB_INTERRUPT_NO, %edi
	je .Lsigreturn
	jmp .Ltrap

/*
 * The gate: a system call without a signal. A trampoline jumps here in place of a
 * `syscall` instruction, with the number in eax and in rcx the address behind that
 * instruction. rcx and r11 are ours, as they are the processor's in a system call; the
 * flags too, which no compiler relies on after one. There is no stack.
 *
 * The GS base of a thread that does not use it itself is its context area. One that
 * does takes the instruction.
 *
 * Until stub_gate_committed the guest still has it: an interrupt finds it before its
 * `syscall` (gate_unwind). rax is overwritten from stub_gate_saved on.
 */
	.balign 64
	.globl stub_gate
stub_gate:
	rdgsbase %r11
	cmpq (stub_text + STUB_RODATA + RO_CONTEXTS_LO)(%rip), %r11
	jb .Lno_gate
	cmpq (stub_text + STUB_RODATA + RO_CONTEXTS_HI)(%rip), %r11
	jae .Lno_gate
	testl $(CTX_SIZE - 1), %r11d
	jnz .Lno_gate
#define SAVE(reg, at) movq reg, (CTX_HEADER + HDR_CALL + at)(%r11)
	SAVE(%r15, CALL_R15)
	SAVE(%r14, CALL_R14)
	SAVE(%r13, CALL_R13)
	SAVE(%r12, CALL_R12)
	SAVE(%rbp, CALL_RBP)
	SAVE(%rbx, CALL_RBX)
	SAVE(%r10, CALL_R10)
	SAVE(%r9, CALL_R9)
	SAVE(%r8, CALL_R8)
	SAVE(%rdx, CALL_RDX)
	SAVE(%rsi, CALL_RSI)
	SAVE(%rdi, CALL_RDI)
	SAVE(%rsp, CALL_RSP)
	SAVE(%rcx, CALL_RIP)
	SAVE(%rax, CALL_RAX)
	.globl stub_gate_saved
stub_gate_saved:
	rdfsbase %rax
	movq %rax, (CTX_HEADER + HDR_FS_BASE)(%r11)
	movl $CTX_CALLED, (CTX_HEADER + HDR_STATE)(%r11)
	.globl stub_gate_committed
stub_gate_committed:
	leaq CTX_HEADER(%r11), %r12
	movl $CTX_CALLED, %r14d
	lock orl $0, HDR_STUB_SLEEPS(%r12)	/* the state, before who sleeps is read */
	jmp .Lhanded_over
.Lgate_return:
	cmpl $CTX_FULL, HDR_STATE(%r12)
	je .Lfull
	movq %r12, %r11
#define RESTORE(reg, at) movq (HDR_CALL + at)(%r11), reg
	RESTORE(%r15, CALL_R15)
	RESTORE(%r14, CALL_R14)
	RESTORE(%r13, CALL_R13)
	RESTORE(%r12, CALL_R12)
	RESTORE(%rbp, CALL_RBP)
	RESTORE(%rbx, CALL_RBX)
	RESTORE(%r10, CALL_R10)
	RESTORE(%r9, CALL_R9)
	RESTORE(%r8, CALL_R8)
	RESTORE(%rdx, CALL_RDX)
	RESTORE(%rsi, CALL_RSI)
	RESTORE(%rdi, CALL_RDI)
	RESTORE(%rsp, CALL_RSP)
	RESTORE(%rcx, CALL_RIP)
	RESTORE(%rax, CALL_RAX)
	movl $CALL_RFLAGS, %r11d
	jmp *%rcx
.Lfull:
	movl $39, %eax			/* getpid: traps */
	syscall
	.globl stub_gate_end
stub_gate_end:
	ud2
.Lno_gate:
	subq $2, %rcx
	jmp *%rcx

/*
 * The first code of a guest thread, cloned by the mapper. Registers only: the
 * thread still has the mapper's program and shares the kernel's descriptors
 * until the two calls that take them away have succeeded. The first trap
 * leaves it resting in a signal frame, where the kernel picks it up; the
 * frame's mask then unblocks the other signals.
 */
thread_start:
	leaq REQ_STACK(%rbx), %rdi
	xorl %esi, %esi
	movl $131, %eax			/* sigaltstack */
	syscall
	testq %rax, %rax
	jnz .Lbroken
	xorl %edi, %edi
	movl $-1, %esi
	movl $2, %edx			/* CLOSE_RANGE_UNSHARE */
	movl $436, %eax			/* close_range: an empty table of its own */
	syscall
	testq %rax, %rax
	jnz .Lbroken
	movl $2, %edi			/* SIG_SETMASK */
	leaq (stub_text + STUB_RODATA + RO_FIRST_MASK)(%rip), %rsi
	xorl %edx, %edx
	movl $8, %r10d
	movl $14, %eax			/* rt_sigprocmask */
	syscall
	movl $1, %edi			/* SECCOMP_SET_MODE_FILTER */
	xorl %esi, %esi
	leaq (stub_text + STUB_RODATA + RO_GUEST_PROG)(%rip), %rdx
	movl $317, %eax			/* seccomp */
	syscall
	testq %rax, %rax
	jnz .Lbroken
	movl $39, %eax			/* getpid: traps */
	syscall
.Lbroken:
	ud2

/*
 * The zygote's start: rbx request page, rbp answer page, r13 and r14 the start
 * and size of what lies above the region. Unmaps all but the region, gives up
 * everything but the mapper's calls, and becomes a mapper.
 */
	.globl stub_zygote_start
stub_zygote_start:
	xorl %esp, %esp
	xorl %eax, %eax
	wrfsbase %rax
	wrgsbase %rax
	xorl %edi, %edi
	leaq stub_text(%rip), %rsi
	movl $11, %eax			/* munmap below */
	syscall
	testq %rax, %rax
	jnz .Lbroken
	movq %r13, %rdi
	movq %r14, %rsi
	movl $11, %eax			/* munmap above */
	syscall
	testq %rax, %rax
	jnz .Lbroken
	movl $1, %edi
	xorl %esi, %esi
	leaq (stub_text + STUB_RODATA + RO_MAPPER_PROG)(%rip), %rdx
	movl $317, %eax			/* seccomp */
	syscall
	testq %rax, %rax
	jnz .Lbroken
	xorl %r12d, %r12d
	jmp mapper_loop

/*
 * A new stub process, cloned by the zygote's mapper: r14 and r15 are the
 * offsets of its own request and answer pages, which replace the zygote's.
 */
process_start:
	movl REQ_FD(%rbx), %r8d
	movl REQ_ANSWER_FD(%rbx), %r13d
	movq %rbx, %rdi
	movl $STUB_REQUEST_SIZE, %esi
	movl $1, %edx			/* PROT_READ */
	movl $0x11, %r10d		/* MAP_SHARED|MAP_FIXED */
	movq %r14, %r9
	movl $9, %eax			/* mmap */
	syscall
	cmpq %rbx, %rax
	jne .Lbroken
	movq %rbp, %rdi
	movl $4096, %esi
	movl $3, %edx
	movl $0x11, %r10d
	movl %r13d, %r8d
	movq %r15, %r9
	movl $9, %eax
	syscall
	cmpq %rbp, %rax
	jne .Lbroken
	movl $1, %edi			/* PR_SET_PDEATHSIG */
	movl $9, %esi
	movl $157, %eax			/* prctl */
	syscall
	movl $110, %eax			/* getppid: the kernel may be dead already */
	syscall
	cmpl REQ_PPID(%rbx), %eax
	jne .Lbroken
	xorl %r12d, %r12d
	jmp mapper_loop

/*
 * The mapper: executes batches for the kernel. rbx request page, rbp answer
 * page, r12d the last sequence number done, r13 the current operation, r14d
 * how many are left. That a batch is done is told by pwrite() to the request
 * page, which no guest thread can write to: it has no descriptor for it.
 */
mapper_loop:
	movl REQ_SEQ(%rbx), %eax
	cmpl %r12d, %eax
	jne .Lbatch
	movq %rbx, %rdi
	xorl %esi, %esi			/* FUTEX_WAIT */
	movl %r12d, %edx
	xorl %r10d, %r10d
	movl $202, %eax
	syscall
	jmp mapper_loop
.Lbatch:
	movl %eax, %r12d
	movl REQ_COUNT(%rbx), %r14d
	leaq REQ_OPS(%rbx), %r13
.Lop:
	testl %r14d, %r14d
	jz .Ldone
	cmpq $OP_CLONE_PROCESS, 56(%r13)
	je .Lprocess
	movq 0(%r13), %rax
	movq 8(%r13), %rdi
	movq 16(%r13), %rsi
	movq 24(%r13), %rdx
	movq 32(%r13), %r10
	movq 40(%r13), %r8
	movq 48(%r13), %r9
	syscall
	cmpq $-4095, %rax
	jae .Lfail
	testq %rax, %rax
	jnz .Lnext
	cmpq $OP_CLONE_THREAD, 56(%r13)
	jne .Lnext
	/* Two come back from clone: the child with 0. The parent never does. */
	jmp thread_start
.Lnext:
	addq $REQ_OP_SIZE, %r13
	decl %r14d
	jmp .Lop
.Lprocess:				/* always alone in its batch */
	movq REQ_CHILD_REQUEST(%rbx), %r14
	movq REQ_CHILD_ANSWER(%rbx), %r15
	movq 0(%r13), %rax
	movq 8(%r13), %rdi
	movq 16(%r13), %rsi
	movq 24(%r13), %rdx
	movq 32(%r13), %r10
	movq 40(%r13), %r8
	syscall
	testq %rax, %rax
	jz process_start
	movl $1, %r14d
	cmpq $-4095, %rax
	jb .Ldone
.Lfail:
	negq %rax
	cmpq $255, %rax
	jbe 2f
	movl $255, %eax
2:
	leaq (stub_text + STUB_RODATA + RO_NUMBERS)(%rip), %r15
	leaq (%r15,%rax,4), %rsi
	movl REQ_FD(%rbx), %edi
	movl $4, %edx
	movq REQ_DONE_OFFSET(%rbx), %r10
	addq $(REQ_ERR - REQ_DONE), %r10
	movl $18, %eax			/* pwrite64: the errno */
	syscall
	movl REQ_COUNT(%rbx), %eax
	subl %r14d, %eax
	leaq (%r15,%rax,4), %rsi
	movl REQ_FD(%rbx), %edi
	movl $4, %edx
	movq REQ_DONE_OFFSET(%rbx), %r10
	addq $(REQ_ERR_INDEX - REQ_DONE), %r10
	movl $18, %eax			/* pwrite64: which operation */
	syscall
.Ldone:
	movl REQ_FD(%rbx), %edi
	movq %rbx, %rsi			/* the sequence number itself */
	movl $4, %edx
	movq REQ_DONE_OFFSET(%rbx), %r10
	movl $18, %eax			/* pwrite64 */
	syscall
	leaq REQ_DONE(%rbx), %rdi
	movl $1, %esi			/* FUTEX_WAKE */
	movl $0x7fffffff, %edx
	xorl %r10d, %r10d
	movl $202, %eax
	syscall
	jmp mapper_loop

	.globl stub_text_end
stub_text_end:
	.org stub_text + 4096		/* an error if the text outgrows its page */
	.section .note.GNU-stack, "", @progbits
