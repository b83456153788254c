/*
 * Restart codes: what an interrupted system call returns inside the kernel. No
 * guest ever sees one: the exit path of a system call turns them into a restart
 * or -EINTR (signal(7), "Interruption of system calls"), uring/ into -EINTR.
 * All other errors are errno.h's, which are Linux's own numbers.
 */
#pragma once

#include <errno.h>

#ifndef ERESTARTSYS
#define ERESTARTSYS 512           /* restart if SA_RESTART, or if no handler runs */
#define ERESTARTNOINTR 513        /* restart always */
#define ERESTARTNOHAND 514        /* restart if no handler runs */
#define ERESTART_RESTARTBLOCK 516 /* if no handler runs, go on with what is left */
#endif

#define ABI_MAX_ERRNO 4095 /* -4095..-1 in rax is an error */
