/*
 * The console: the host terminal that the guest inherits, as the controlling
 * terminal of its first session. The host's line discipline does the work; what
 * is kept here is which process group of the guest has it.
 */
#pragma once

#include "task/task.h"

/* Fills fs/hostfd's terminal hooks and /dev/tty. */
void console_init(struct kernel *k);
/* The guest's foreground process group. */
int32_t console_foreground(void);
