/*
 * Sockets: making and connecting them, names, options, and messages without
 * control data (message.c has the others).
 *
 * Everything is copied in once and in kernel form when net/ sees it; a descriptor
 * that is no socket is -ENOTSOCK before any argument is looked at.
 */
#include "syscall/socket.h"

#include <fcntl.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "abi/socket.h"
#include "syscall/families.h"

#define OPTION_MAX 256u

_Static_assert(SOCK_CLOEXEC == O_CLOEXEC && SOCK_NONBLOCK == O_NONBLOCK, "as in Linux");
_Static_assert(sizeof(((struct socket_addr *)0)->bytes) == ABI_SOCKADDR_MAX, "sockaddr_storage");

/* ---- socket.h ---- */

int sock_file(struct task *t, int fd, struct file **out)
{
	struct file *f = fd_get(t, fd);
	int r = -EBADF;

	*out = NULL;
	if (!f)
		return -EBADF;
	if (!(atomic_load_explicit(&f->flags, memory_order_relaxed) & O_PATH))
		r = file_is_socket(f) ? 0 : -ENOTSOCK;
	if (r < 0)
		file_put(f);
	else
		*out = f;
	return r;
}

int sock_install(struct task *t, struct file *f, unsigned flags)
{
	int r = fd_install(t, f, 0, flags & SOCK_CLOEXEC);

	if (r < 0)
		file_put(f);
	return r;
}

long sock_sent(struct task *t, const struct file *f, unsigned flags, long r)
{
	if (r == -EPIPE && !(flags & MSG_NOSIGNAL) && socket_raises_sigpipe(f))
		return syscall_write_result(t, r);
	return r;
}

/* ---- making them ---- */

/* The flags in a type argument, or -EINVAL. */
static int type_flags(int type)
{
	int flags = type & ~ABI_SOCK_TYPE_MASK;

	return flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK) ? -EINVAL : flags;
}

SYSCALL(socket)
{
	int type = (int)args->a[1], flags = type_flags(type), r;
	struct file *f;

	if (flags < 0)
		return flags;
	r = socket_create((int)args->a[0], type & ~SOCK_CLOEXEC, (int)args->a[2], task_vfs_begin(t),
			  &f);
	task_vfs_end(t);
	return r < 0 ? r : sock_install(t, f, (unsigned)flags);
}

/* Both descriptors, or none. Takes both files. */
static int install_pair(struct task *t, struct file *f[2], unsigned flags, gva_t user)
{
	int fd[2];

	fd[0] = sock_install(t, f[0], flags);
	if (fd[0] < 0) {
		file_put(f[1]);
		return fd[0];
	}
	fd[1] = sock_install(t, f[1], flags);
	if (fd[1] >= 0 && syscall_copy_out(t, user, fd, sizeof(fd)) == 0)
		return 0;
	(void)fd_close(t, fd[0]);
	if (fd[1] < 0)
		return fd[1];
	(void)fd_close(t, fd[1]);
	return -EFAULT;
}

SYSCALL(socketpair)
{
	int type = (int)args->a[1], flags = type_flags(type), r;
	struct file *f[2];

	if (flags < 0)
		return flags;
	r = socket_pair((int)args->a[0], type & ~SOCK_CLOEXEC, (int)args->a[2], task_vfs_begin(t),
			f);
	task_vfs_end(t);
	return r < 0 ? r : install_pair(t, f, (unsigned)flags, args->a[3]);
}

/* ---- names and connections ---- */

/* bind and connect: a socket and an address. */
static long with_address(struct task *t, const struct sysargs *args,
			 int (*fn)(struct file *f, const struct socket_addr *addr,
				   const struct vfs_ctx *ctx))
{
	struct socket_addr addr;
	struct file *f;
	int r = sock_file(t, (int)args->a[0], &f);

	if (r < 0)
		return r;
	r = sock_addr_in(t, args->a[1], (int)args->a[2], &addr);
	if (r == 0) {
		r = fn(f, &addr, task_vfs_begin(t));
		task_vfs_end(t);
	}
	file_put(f);
	return r;
}

SYSCALL(bind)
{
	return with_address(t, args, socket_bind);
}

SYSCALL(connect)
{
	return with_address(t, args, socket_connect);
}

SYSCALL(listen)
{
	struct file *f;
	int r = sock_file(t, (int)args->a[0], &f);

	if (r < 0)
		return r;
	r = socket_listen(f, (int)args->a[1], task_vfs_begin(t));
	task_vfs_end(t);
	file_put(f);
	return r;
}

static long accept_on(struct task *t, const struct sysargs *args, unsigned flags)
{
	struct file *f, *conn;
	struct socket_addr peer;
	int r;

	if (flags & ~(unsigned)(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	r = sock_file(t, (int)args->a[0], &f);
	if (r < 0)
		return r;
	r = socket_accept(f, flags & SOCK_NONBLOCK, task_vfs_begin(t), &conn, &peer);
	task_vfs_end(t);
	file_put(f);
	if (r < 0)
		return r;
	r = sock_addr_out(t, args->a[1], args->a[2], &peer);
	if (r < 0) {
		file_put(conn);
		return r;
	}
	return sock_install(t, conn, flags);
}

SYSCALL(accept)
{
	return accept_on(t, args, 0);
}

SYSCALL(accept4)
{
	return accept_on(t, args, (unsigned)args->a[3]);
}

static long get_name(struct task *t, const struct sysargs *args, bool peer)
{
	struct socket_addr addr;
	struct file *f;
	int r = sock_file(t, (int)args->a[0], &f);

	if (r < 0)
		return r;
	r = socket_getname(f, peer, &addr);
	file_put(f);
	if (r < 0)
		return r;
	return args->a[1] ? sock_addr_out(t, args->a[1], args->a[2], &addr) : -EFAULT;
}

SYSCALL(getsockname)
{
	return get_name(t, args, false);
}

SYSCALL(getpeername)
{
	return get_name(t, args, true);
}

SYSCALL(shutdown)
{
	struct file *f;
	int r = sock_file(t, (int)args->a[0], &f);

	if (r < 0)
		return r;
	r = socket_shutdown(f, (int)args->a[1]);
	file_put(f);
	return r;
}

/* ---- options ---- */

SYSCALL(setsockopt)
{
	uint8_t val[OPTION_MAX] = { 0 };
	int size = (int)args->a[4], r;
	struct file *f;

	if (size < 0)
		return -EINVAL;
	r = sock_file(t, (int)args->a[0], &f);
	if (r < 0)
		return r;
	size = MIN(size, (int)OPTION_MAX);
	r = syscall_copy_in(t, val, args->a[3], (size_t)size);
	if (r == 0) {
		r = socket_setsockopt(f, (int)args->a[1], (int)args->a[2], val, (size_t)size,
				      task_vfs_begin(t));
		task_vfs_end(t);
	}
	file_put(f);
	return r;
}

SYSCALL(getsockopt)
{
	uint8_t val[OPTION_MAX] = { 0 };
	struct file *f;
	int32_t room;
	size_t size;
	int r = sock_file(t, (int)args->a[0], &f);

	if (r < 0)
		return r;
	r = syscall_copy_in(t, &room, args->a[4], sizeof(room));
	if (r == 0 && room < 0)
		r = -EINVAL;
	if (r == 0) {
		size = MIN((size_t)room, sizeof(val));
		r = socket_getsockopt(f, (int)args->a[1], (int)args->a[2], val, &size);
	}
	file_put(f);
	if (r < 0)
		return r;
	room = (int32_t)size;
	if (syscall_copy_out(t, args->a[3], val, size) < 0)
		return -EFAULT;
	return syscall_copy_out(t, args->a[4], &room, sizeof(room));
}

/* ---- sendto, recvfrom ---- */

SYSCALL(sendto)
{
	unsigned flags = (unsigned)args->a[3] & ~ABI_MSG_CMSG_COMPAT;
	struct socket_msg m = { 0 };
	struct socket_addr name;
	struct uio_seg seg;
	struct file *f;
	struct uio u;
	long r = sock_file(t, (int)args->a[0], &f);

	if (r < 0)
		return r;
	r = mm_uio_init_single(t->mm, &u, &seg, UIO_FROM_USER, args->a[1], args->a[2]);
	if (r == 0 && args->a[4]) {
		r = sock_addr_in(t, args->a[4], (int)args->a[5], &name);
		m.name = &name;
	}
	if (r == 0) {
		m.data = &u;
		r = socket_sendmsg(f, &m, flags, task_vfs_begin(t));
		task_vfs_end(t);
		r = sock_sent(t, f, flags, r);
	}
	file_put(f);
	return r;
}

SYSCALL(recvfrom)
{
	unsigned flags = (unsigned)args->a[3] & ~ABI_MSG_CMSG_COMPAT;
	struct socket_addr name = { 0 };
	struct socket_msg m = { .name = args->a[4] ? &name : NULL };
	struct uio_seg seg;
	struct file *f;
	struct uio u;
	long r = sock_file(t, (int)args->a[0], &f);
	int err;

	if (r < 0)
		return r;
	r = mm_uio_init_single(t->mm, &u, &seg, UIO_TO_USER, args->a[1], args->a[2]);
	if (r == 0) {
		m.data = &u;
		r = socket_recvmsg(f, &m, flags, task_vfs_begin_file(t, f));
		task_vfs_end(t);
		/* Files that came along have nowhere to go. */
		socket_files_put(m.files);
	}
	file_put(f);
	if (r < 0)
		return r;
	err = sock_addr_out(t, args->a[4], args->a[5], &name);
	return err < 0 ? err : r;
}
