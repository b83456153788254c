/*
 * The notifier: one thread that waits for host descriptors (epoll) and wakes
 * wait queues. Each arming is for one event (one-shot), so a descriptor that
 * nobody waits for costs nothing.
 */
#pragma once

#include "vfs/wait.h"

struct notify {
	int fd;
	struct waitq *waitq;
	struct list link; /* [l] */
	short armed;      /* [l] events asked for and not delivered */
	bool known;       /* [l] in the epoll set */
};

void notify_init(struct notify *n, int fd, struct waitq *waitq);
/* Wakes n's queue when one of the poll(2) events holds. */
void notifier_arm(struct notify *n, short events);
/* No wake comes after it returns. */
void notifier_remove(struct notify *n);
