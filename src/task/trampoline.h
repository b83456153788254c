/*
 * Trampolines: system calls of hot places in programs cost no signal.
 *
 * libc's wrappers are `mov $nr,%eax; syscall`: 7 bytes. A place that has trapped
 * TRAMPOLINE_HITS times becomes one instruction of the same length,
 *
 *	site:   ff 24 25 XX XX 0f 05     jmp *0x050fXXXX
 *
 * through a slot at that address in the address space's code space:
 *
 *	slot:   .quad code, gate          (the platform's)
 *	code:   mov $nr,%eax
 *	        movabs $site+7,%rcx
 *	        jmp *gate(%rip)
 *
 * libc's syscall(), where a load of r9 is in place of the mov, and its read() with a short
 * mov (trampoline.c) are done alike.
 *
 * The table's address is chosen so that the last two bytes of the jump are those of
 * `syscall` (0f 05): whoever comes to that instruction alone - a restarted call, the
 * gate when it cannot serve the thread, a jump - executes it as before.
 *
 * The site is changed in this address space only, and in its forks; a guest that reads
 * its own text sees it (docs/limitations.md). `--no-trampolines` turns it off.
 */
#pragma once

#include "task/task.h"

/* The table; its last 16 bits are 0, those above are 0x050f. */
#define TRAMPOLINE_TABLE 0x050f0000ull
#define TRAMPOLINE_TABLE_SIZE 0x10000u

/* A system call trapped by a signal: the task's own thread, before the call is made. */
void trampoline_seen(struct task *t);
/* regs.rip may lie in a slot (an interrupt, a step): puts it before the `syscall` that the
 * slot stands for. */
void trampoline_leave(struct task *t);
