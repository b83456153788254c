/*
 * Terminals of the host. What belongs to the terminal goes to the host; what
 * belongs to processes is the guest's. Nothing is passed on that is not named
 * here: TIOCSTI, for one, would type into the user's shell.
 */
#include <sys/ioctl.h>
#include <termios.h>

#include "fs/hostfd/internal.h"

/* <asm/ioctls.h> and <asm/termbits.h> clash with libc's <termios.h>. */
#define KERNEL_TCSETS 0x5402u
#define KERNEL_TCSETSW 0x5403u
#define KERNEL_TCSETSF 0x5404u
#define KERNEL_TERMIOS_SIZE 36
#define KERNEL_TCGETS2 0x802c542au
#define KERNEL_TCSETS2 0x402c542bu
#define KERNEL_TCSETSW2 0x402c542cu
#define KERNEL_TCSETSF2 0x402c542du
#define KERNEL_TERMIOS2_SIZE 44

static long pass_out(struct host_file *hf, unsigned cmd, uint64_t arg, size_t size,
		     const struct vfs_ctx *ctx)
{
	uint8_t buf[64] = { 0 };
	int r = host_ioctl(hf->h->fd, cmd, buf);

	return r < 0 ? r : copy_out(ctx->mem, arg, buf, size);
}

static long pass_in(struct host_file *hf, unsigned cmd, uint64_t arg, size_t size,
		    const struct vfs_ctx *ctx)
{
	uint8_t buf[64] = { 0 };
	int r = copy_in(ctx->mem, buf, arg, size);

	return r < 0 ? r : host_ioctl(hf->h->fd, cmd, buf);
}

bool hostfd_is_terminal(int fd)
{
	uint8_t termios[64];

	return host_ioctl(fd, KERNEL_TCGETS, termios) == 0;
}

/* Changes of a terminal that is passed on to the host. */
bool hostfd_tty_is_change(unsigned cmd)
{
	switch (cmd) {
	case KERNEL_TCSETS:
	case KERNEL_TCSETSW:
	case KERNEL_TCSETSF:
	case KERNEL_TCSETS2:
	case KERNEL_TCSETSW2:
	case KERNEL_TCSETSF2:
	case TCFLSH:
	case TCXONC:
	case TCSBRK:
	case TCSBRKP:
		return true;
	}
	return false;
}

long hostfd_tty_ioctl(struct host_file *hf, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	switch (cmd) {
	case KERNEL_TCGETS:
		return pass_out(hf, cmd, arg, KERNEL_TERMIOS_SIZE, ctx);
	case KERNEL_TCSETS:
	case KERNEL_TCSETSW:
	case KERNEL_TCSETSF:
		return pass_in(hf, cmd, arg, KERNEL_TERMIOS_SIZE, ctx);
	case KERNEL_TCGETS2:
		return pass_out(hf, cmd, arg, KERNEL_TERMIOS2_SIZE, ctx);
	case KERNEL_TCSETS2:
	case KERNEL_TCSETSW2:
	case KERNEL_TCSETSF2:
		return pass_in(hf, cmd, arg, KERNEL_TERMIOS2_SIZE, ctx);
	case TIOCGWINSZ:
		return pass_out(hf, cmd, arg, sizeof(struct winsize), ctx);
	case TIOCSWINSZ:
		return pass_in(hf, cmd, arg, sizeof(struct winsize), ctx);
	case TIOCOUTQ:
	case TIOCGETD:
		return pass_out(hf, cmd, arg, sizeof(int), ctx);
	case TCFLSH:
	case TCXONC:
		return arg > 3 ? -EINVAL : host_ioctl(hf->h->fd, cmd, (void *)(uintptr_t)arg);
	case TCSBRK:
	case TCSBRKP:
		return host_ioctl(hf->h->fd, cmd, (void *)(uintptr_t)(arg & 1));
	case TIOCSTI:
		return -EIO;
	default:
		return -ENOTTY;
	}
}
