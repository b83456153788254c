/* What poll, select and epoll_wait share: timeouts, and the signal mask that holds
 * for one call. */
#pragma once

#include "fs/poll/poll.h"
#include "syscall/syscall.h"

/* Deadlines: PARK_FOREVER; 0: only look, do not wait. */
uint64_t polling_deadline_ms(struct task *t, int ms); /* < 0: for ever */
/* user: a struct timespec, relative; 0: for ever. -EFAULT, -EINVAL. */
int polling_deadline(struct task *t, gva_t user, uint64_t *deadline_ns) MUST_CHECK;
/* Writes what is left of the time to user (a timespec, or a timeval): nothing for
 * user 0. r is the call's result, -ERESTARTSYS for an interrupted one. Returns the
 * result to go on with: an interrupted call whose time cannot be written back must
 * not be restarted (-EINTR). */
long polling_put_left(struct task *t, gva_t user, uint64_t deadline_ns, bool is_timeval, long r);

/* The mask at user (0: none) until polling_mask_end(). -EINVAL, -EFAULT. */
int polling_mask_begin(struct task *t, gva_t user, uint64_t size) MUST_CHECK;
/* Puts the mask back, but for an interrupted call (-ERESTART*, -EINTR), where that
 * is done after the handler has run. Returns r. */
long polling_mask_end(struct task *t, gva_t user, long r);

/* poll_files() of the caller; then drops the references of fds. */
int polling_wait(struct task *t, struct pollfd_k *fds, unsigned count, uint64_t deadline_ns);
void polling_put_files(struct pollfd_k *fds, unsigned count);
