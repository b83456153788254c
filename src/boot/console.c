/* See console.h. */
#include "boot/console.h"

#include <fcntl.h>

#include "fs/dev/dev.h"
#include "fs/hostfd/hostfd.h"
#include "host/host.h"

#define FIRST_PID 2

static struct kernel *kernel;
static atomic_int foreground = FIRST_PID;

int32_t console_foreground(void)
{
	return atomic_load(&foreground);
}

static int32_t get_pgrp(const struct vfs_ctx *ctx UNUSED)
{
	return console_foreground();
}

static int32_t get_sid(const struct vfs_ctx *ctx UNUSED)
{
	return FIRST_PID;
}

static int set_pgrp(const struct vfs_ctx *ctx, int32_t pgrp)
{
	struct task *t = ctx->task;
	int32_t sid = task_getsid(t, 0);

	if (pgrp < 0)
		return -EINVAL;
	if (sid != FIRST_PID)
		return -ENOTTY;
	if (!pgrp_exists_in_session(kernel, pgrp, sid))
		return -EPERM;
	atomic_store(&foreground, pgrp);
	return 0;
}

static const struct hostfd_tty_ops tty_ops = {
	.get_pgrp = get_pgrp,
	.set_pgrp = set_pgrp,
	.get_sid = get_sid,
};

void console_init(struct kernel *k)
{
	kernel = k;
	hostfd_tty_ops = &tty_ops;
}
