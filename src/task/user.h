/*
 * What the processes of one user have together of the things that Linux limits by
 * user: counted by real uid, held against the limit of the process that takes.
 */
#pragma once

#include "base/base.h"

enum user_resource {
	USER_SIGPENDING, /* queued signals, POSIX timers */
	USER_MSGQUEUE,   /* bytes of POSIX message queues */
	USER_SHMLOCK,    /* bytes of locked System V shared memory */
	USER_RESOURCES
};

/* False, and nothing is added, when it would be more than limit in all, or there
 * is no memory. => may be called with sighand.lock held */
bool user_charge(uint32_t uid, enum user_resource what, uint64_t n, uint64_t limit) MUST_CHECK;
void user_uncharge(uint32_t uid, enum user_resource what, uint64_t n);
uint64_t user_charged(uint32_t uid, enum user_resource what);
