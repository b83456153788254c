/* What seccomp.c and seccomp_notify.c share: one filter. */
#pragma once

#include "abi/seccomp.h"
#include "base/bitmap.h"
#include "base/refcount.h"
#include "task/internal.h"
#include "task/seccomp.h"

#define SECCOMP_CACHED 512 /* the numbers of which is kept that they are always allowed */

struct seccomp_filter {
	struct refcount refs;        /* tasks, younger filters, the listener's file */
	atomic_uint users;           /* tasks and younger filters with users: who may ask */
	struct seccomp_filter *prev; /* the older one; reference. [I] once attached */
	bool is_logged, wait_killable;
	struct seccomp_listener *listener;     /* [I] NULL: none */
	uint64_t allowed[SECCOMP_CACHED / 64]; /* by it and all older ones. [I] once attached */
	unsigned cost;                         /* [I] of the limit on a chain */
	struct sock_filter *prog;              /* [I] kmem */
};

/* The last reference frees it, and then perhaps older ones. */
void seccomp_filter_put(struct seccomp_filter *f);

/* ---- seccomp_notify.c ---- */

/* The file that hears of f's notifications, with one reference of its own on f. */
int seccomp_listener_create(struct seccomp_filter *f, const struct cred *cred, struct file **out)
	MUST_CHECK;
/* Does somebody hold the file? */
bool seccomp_listener_is_open(const struct seccomp_filter *f);
/* Nobody is left who could ask. */
void seccomp_listener_hup(struct seccomp_filter *f);
void seccomp_listener_destroy(struct seccomp_listener *l);
/* Asks the listener. => sleeps */
enum seccomp_reply {
	SECCOMP_GO_ON,       /* the call is to be made */
	SECCOMP_ANSWERED,    /* *ret is its result */
	SECCOMP_INTERRUPTED, /* by a signal: *ret is a restart code */
};
enum seccomp_reply seccomp_ask(struct task *t, struct seccomp_filter *f,
			       const struct seccomp_data *sd, long *ret) MUST_CHECK;
