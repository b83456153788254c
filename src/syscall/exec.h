/* Starting programs from within the kernel process. */
#pragma once

#include "task/task.h"

/* Loads the very first program into t, a fresh task that does not run yet (its
 * address space is empty): task_start() then runs it. A path without a slash is
 * searched in envp's PATH, as execvp(3) does, from t's working directory. Errors
 * are those of execve(2); t is then of no more use. */
int exec_first(struct task *t, const char *path, char *const argv[], char *const envp[]) MUST_CHECK;
