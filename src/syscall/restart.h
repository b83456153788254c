/* Calls that go on with what is left of their time when no handler ran: what
 * restart_syscall(2) calls, with t->restart as they left it. */
#pragma once

#include "syscall/syscall.h"

long nanosleep_restart(struct task *t);
long poll_restart(struct task *t);
