/*
 * sendmsg, recvmsg and their plural forms: message headers and control messages.
 *
 * A header is copied in once. Control messages are foreign bytes twice over: going
 * out, they are parsed from one copy (cmsg_parse()); coming in, they are written
 * one behind the other for as long as there is room, and what does not fit is
 * reported with MSG_CTRUNC, files that were not installed being dropped:
 *
 *	struct cmsghdr   data          (aligned to 8)   struct cmsghdr ...
 *	SOL_SOCKET       SCM_RIGHTS: descriptors, SCM_CREDENTIALS: pid, uid, gid
 */
#include "abi/socket.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/socket.h"

#define CMSG_HEADER sizeof(struct abi_cmsghdr)

/* One message on its way: its header, and what its parts became. */
struct message {
	struct abi_msghdr h;
	struct socket_addr name;
	struct socket_msg m;
	struct socket_control control;
	struct uio u;
	struct uio_seg segs[ABI_UIO_MAXIOV];
};

/* ---- headers ---- */

static int message_init(struct task *t, struct message *msg, gva_t user, enum uio_dir dir)
{
	int r;

	if (syscall_copy_in(t, &msg->h, user, sizeof(msg->h)) < 0)
		return -EFAULT;
	memset(&msg->m, 0, sizeof(msg->m));
	memset(&msg->name, 0, sizeof(msg->name));
	if (!msg->h.name)
		msg->h.namelen = 0;
	if (msg->h.namelen < 0)
		return -EINVAL;
	if (msg->h.iovlen > ABI_UIO_MAXIOV)
		return -EMSGSIZE;
	r = mm_import_iovec(t->mm, msg->h.iov, (unsigned)msg->h.iovlen, msg->segs);
	if (r < 0)
		return r;
	mm_uio_init(t->mm, &msg->u, dir, msg->segs, (unsigned)msg->h.iovlen);
	msg->m.data = &msg->u;
	return 0;
}

/* ---- control messages that are sent ---- */

static int rights_add(struct task *t, const uint8_t *data, size_t size, struct socket_files **files)
{
	size_t count = size / sizeof(int32_t);
	int32_t fd;

	if (!*files)
		*files = calloc(1, sizeof(**files));
	if (!*files)
		return -ENOMEM;
	if (count > SOCKET_FILES_MAX - (*files)->count)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		struct file *f;

		memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
		f = fd_get(t, fd);
		if (!f)
			return -EBADF;
		(*files)->file[(*files)->count++] = f;
	}
	return 0;
}

/* unix(7): one's own numbers, or whatever one may become. */
static int creds_add(struct task *t, const uint8_t *data, size_t size, struct socket_msg *m)
{
	const struct cred *c = t->cred;
	struct ucred uc;

	if (size != sizeof(uc))
		return -EINVAL;
	memcpy(&uc, data, sizeof(uc));
	if (uc.uid == UINT32_MAX || uc.gid == UINT32_MAX)
		return -EINVAL;
	if (uc.pid != t->group->pid && !cred_has_cap(c, CAP_SYS_ADMIN))
		return -EPERM;
	if (uc.uid != c->uid && uc.uid != c->euid && uc.uid != c->suid &&
	    !cred_has_cap(c, CAP_SETUID))
		return -EPERM;
	if (uc.gid != c->gid && uc.gid != c->egid && uc.gid != c->sgid &&
	    !cred_has_cap(c, CAP_SETGID))
		return -EPERM;
	m->has_creds = true;
	m->creds = uc;
	return 0;
}

static int cmsg_add(struct task *t, const struct abi_cmsghdr *h, const uint8_t *data,
		    struct socket_msg *m)
{
	size_t size = h->len - CMSG_HEADER;

	if (h->level == SOL_SOCKET && h->type == SCM_RIGHTS)
		return rights_add(t, data, size, &m->files);
	if (h->level == SOL_SOCKET && h->type == SCM_CREDENTIALS)
		return creds_add(t, data, size, m);
	return socket_control_add(m->control, h->level, h->type, data, size);
}

static int cmsg_parse(struct task *t, const uint8_t *buf, size_t size, struct socket_msg *m)
{
	struct abi_cmsghdr h;
	int r;

	while (size >= CMSG_HEADER) {
		memcpy(&h, buf, sizeof(h));
		if (h.len < CMSG_HEADER || h.len > size)
			return -EINVAL;
		r = cmsg_add(t, &h, buf + CMSG_HEADER, m);
		if (r < 0)
			return r;
		if (ABI_CMSG_ALIGN(h.len) >= size)
			break;
		buf += ABI_CMSG_ALIGN(h.len);
		size -= ABI_CMSG_ALIGN(h.len);
	}
	return 0;
}

static int control_in(struct task *t, struct message *msg)
{
	size_t size = msg->h.controllen;
	uint8_t small[256], *buf = small;
	int r;

	msg->m.control = &msg->control;
	msg->control.size = 0;
	if (!msg->h.control || !size)
		return 0;
	if (size > ABI_OPTMEM_MAX)
		return -ENOBUFS;
	if (size > sizeof(small)) {
		buf = malloc(size);
		if (!buf)
			return -ENOBUFS;
	}
	r = syscall_copy_in(t, buf, msg->h.control, size);
	if (r == 0)
		r = cmsg_parse(t, buf, size, &msg->m);
	if (buf != small)
		free(buf);
	return r;
}

/* ---- sending ---- */

static long send_run(struct task *t, struct file *f, struct message *msg, unsigned flags)
{
	long r;

	if (msg->h.namelen) {
		r = sock_addr_in(t, msg->h.name, MIN(msg->h.namelen, ABI_SOCKADDR_MAX), &msg->name);
		if (r < 0)
			return r;
		msg->m.name = &msg->name;
	}
	r = control_in(t, msg);
	if (r == 0) {
		r = socket_sendmsg(f, &msg->m, flags, task_vfs_begin(t));
		task_vfs_end(t);
	}
	socket_files_put(msg->m.files);
	return sock_sent(t, f, flags, r);
}

static long send_one(struct task *t, struct file *f, gva_t user, unsigned flags)
{
	struct message msg UNINITIALIZED;
	int r = message_init(t, &msg, user, UIO_FROM_USER);

	return r < 0 ? r : send_run(t, f, &msg, flags);
}

SYSCALL(sendmsg)
{
	unsigned flags = (unsigned)args->a[2];
	struct file *f;
	long r;

	if (flags & ABI_MSG_CMSG_COMPAT)
		return -EINVAL;
	r = sock_file(t, (int)args->a[0], &f);
	if (r < 0)
		return r;
	r = send_one(t, f, args->a[1], flags);
	file_put(f);
	return r;
}

static int put_count(struct task *t, gva_t mmsg, long n)
{
	uint32_t len = (uint32_t)n;

	return syscall_copy_out(t, mmsg + offsetof(struct abi_mmsghdr, len), &len, sizeof(len));
}

SYSCALL(sendmmsg)
{
	unsigned count = MIN((unsigned)args->a[2], ABI_UIO_MAXIOV), flags = (unsigned)args->a[3], i;
	struct file *f;
	long r;

	if (flags & ABI_MSG_CMSG_COMPAT)
		return -EINVAL;
	r = sock_file(t, (int)args->a[0], &f);
	if (r < 0)
		return r;
	for (i = 0; i < count; i++) {
		gva_t user = args->a[1] + i * sizeof(struct abi_mmsghdr);

		r = send_one(t, f, user, flags);
		if (r >= 0)
			r = put_count(t, user, r);
		if (r < 0)
			break;
		if (signal_is_pending(t)) {
			i++;
			break;
		}
	}
	file_put(f);
	return i ? (long)i : r;
}

/* ---- control messages that are received ---- */

/* Room for control messages in guest memory. */
struct control_out {
	struct task *t;
	gva_t at;
	uint64_t room, used;
	unsigned flags; /* MSG_CTRUNC */
};

/* Goes past a message of size bytes with its header. */
static void control_advance(struct control_out *c, uint64_t size)
{
	uint64_t space = MIN(ABI_CMSG_ALIGN(size), c->room);

	c->at += space;
	c->used += space;
	c->room -= space;
}

/* A message with data that may be cut. */
static int control_put(struct control_out *c, int level, int type, const void *data, size_t size)
{
	struct abi_cmsghdr h = { .len = CMSG_HEADER + size, .level = level, .type = type };

	if (c->room < CMSG_HEADER) {
		c->flags |= MSG_CTRUNC;
		return 0;
	}
	if (c->room < h.len) {
		c->flags |= MSG_CTRUNC;
		h.len = c->room;
	}
	if (syscall_copy_out(c->t, c->at, &h, sizeof(h)) < 0 ||
	    syscall_copy_out(c->t, c->at + CMSG_HEADER, data, h.len - CMSG_HEADER) < 0)
		return -EFAULT;
	control_advance(c, h.len);
	return 0;
}

/* Installs one file and writes its number. */
static int control_put_fd(struct control_out *c, gva_t at, struct file *f, bool cloexec)
{
	int32_t fd;

	file_get(f);
	fd = fd_install(c->t, f, 0, cloexec);
	if (fd < 0) {
		file_put(f);
		return fd;
	}
	if (syscall_copy_out(c->t, at, &fd, sizeof(fd)) < 0) {
		(void)fd_close(c->t, fd);
		return -EFAULT;
	}
	return 0;
}

/* As many files as there is room for, and as can be installed. */
static int control_put_files(struct control_out *c, const struct socket_files *files, bool cloexec)
{
	struct abi_cmsghdr h = { .level = SOL_SOCKET, .type = SCM_RIGHTS };
	unsigned max = 0, i;

	if (c->room > CMSG_HEADER)
		max = (unsigned)MIN((c->room - CMSG_HEADER) / sizeof(int32_t),
				    (uint64_t)files->count);
	for (i = 0; i < max; i++) {
		if (control_put_fd(c, c->at + CMSG_HEADER + i * sizeof(int32_t), files->file[i],
				   cloexec) < 0)
			break;
	}
	if (i < files->count)
		c->flags |= MSG_CTRUNC;
	if (!i)
		return 0;
	h.len = CMSG_HEADER + i * sizeof(int32_t);
	if (syscall_copy_out(c->t, c->at, &h, sizeof(h)) < 0)
		return -EFAULT;
	control_advance(c, h.len);
	return 0;
}

static int control_write(struct control_out *c, const struct socket_msg *m, bool cloexec)
{
	const struct abi_cmsghdr *h;
	size_t at = 0;
	int r = 0;

	while (r == 0 && (h = socket_control_next(m->control, &at)))
		r = control_put(c, h->level, h->type, h + 1, h->len - CMSG_HEADER);
	if (r == 0 && m->has_creds)
		r = control_put(c, SOL_SOCKET, SCM_CREDENTIALS, &m->creds, sizeof(m->creds));
	if (r == 0 && m->files)
		r = control_put_files(c, m->files, cloexec);
	return r;
}

/* ---- receiving ---- */

/* What recvmsg changes of the guest's header. */
static int header_out(struct task *t, gva_t user, const struct message *msg, unsigned flags,
		      uint64_t controllen)
{
	if (msg->h.name &&
	    sock_addr_out(t, msg->h.name, user + offsetof(struct abi_msghdr, namelen), &msg->name) <
		    0)
		return -EFAULT;
	if (syscall_copy_out(t, user + offsetof(struct abi_msghdr, flags), &flags, sizeof(flags)) <
	    0)
		return -EFAULT;
	return syscall_copy_out(t, user + offsetof(struct abi_msghdr, controllen), &controllen,
				sizeof(controllen));
}

static long recv_run(struct task *t, struct file *f, gva_t user, struct message *msg,
		     unsigned flags)
{
	struct control_out c = { .t = t,
				 .at = msg->h.control,
				 .room = msg->h.control ? msg->h.controllen : 0 };
	long n;
	int r;

	if (msg->h.name)
		msg->m.name = &msg->name;
	msg->m.control = &msg->control;
	n = socket_recvmsg(f, &msg->m, flags, task_vfs_begin_file(t, f));
	task_vfs_end(t);
	if (n < 0)
		return n;
	r = control_write(&c, &msg->m, flags & MSG_CMSG_CLOEXEC);
	socket_files_put(msg->m.files);
	if (r == 0)
		r = header_out(t, user, msg, msg->m.flags | c.flags | (flags & MSG_CMSG_CLOEXEC),
			       c.used);
	return r < 0 ? r : n;
}

static long recv_one(struct task *t, struct file *f, gva_t user, unsigned flags)
{
	struct message msg UNINITIALIZED;
	int r = message_init(t, &msg, user, UIO_TO_USER);

	return r < 0 ? r : recv_run(t, f, user, &msg, flags);
}

SYSCALL(recvmsg)
{
	unsigned flags = (unsigned)args->a[2];
	struct file *f;
	long r;

	if (flags & ABI_MSG_CMSG_COMPAT)
		return -EINVAL;
	r = sock_file(t, (int)args->a[0], &f);
	if (r < 0)
		return r;
	r = recv_one(t, f, args->a[1], flags);
	file_put(f);
	return r;
}

/* Until count messages are there, the time is over, or one would have to wait
 * (after the first, with MSG_WAITFORONE). How many came, or the first's error. */
static long recv_many(struct task *t, struct file *f, gva_t user, unsigned count, unsigned flags,
		      uint64_t deadline_ns)
{
	unsigned i = 0;
	long r = 0;

	while (i < count) {
		gva_t at = user + i * sizeof(struct abi_mmsghdr);

		r = recv_one(t, f, at, flags & ~(unsigned)MSG_WAITFORONE);
		if (r >= 0)
			r = put_count(t, at, r);
		if (r < 0)
			break;
		i++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (syscall_deadline(t, 0) >= deadline_ns)
			break;
	}
	return i ? (long)i : r;
}

static int put_time_left(struct task *t, gva_t user, uint64_t deadline_ns)
{
	uint64_t now = syscall_deadline(t, 0), left = deadline_ns > now ? deadline_ns - now : 0;
	const int64_t ts[2] = { (int64_t)(left / 1000000000), (int64_t)(left % 1000000000) };

	return user ? syscall_copy_out(t, user, ts, sizeof(ts)) : 0;
}

SYSCALL(recvmmsg)
{
	unsigned count = MIN((unsigned)args->a[2], ABI_UIO_MAXIOV), flags = (unsigned)args->a[3];
	uint64_t deadline_ns;
	struct file *f;
	long r;

	if (flags & ABI_MSG_CMSG_COMPAT)
		return -EINVAL;
	r = syscall_timeout(t, args->a[4], &deadline_ns);
	if (r < 0)
		return r;
	r = sock_file(t, (int)args->a[0], &f);
	if (r < 0)
		return r;
	r = recv_many(t, f, args->a[1], count, flags, deadline_ns);
	file_put(f);
	if (r > 0 && put_time_left(t, args->a[4], deadline_ns) < 0)
		return -EFAULT;
	return r;
}
