/*
 * Message headers, control messages and addresses of guests: between their form and
 * net/'s. For sendmsg(2), recvmsg(2) and io_uring.
 *
 * A header is copied in once. Control messages are foreign bytes twice over: going
 * out, they are parsed from one copy (cmsg_parse()); coming in, they are written
 * one behind the other for as long as there is room, and what does not fit is
 * reported with MSG_CTRUNC, files that were not installed being dropped:
 *
 *	struct cmsghdr   data          (aligned to 8)   struct cmsghdr ...
 *	SOL_SOCKET       SCM_RIGHTS: descriptors, SCM_CREDENTIALS: pid, uid, gid
 */
#include "net/message.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/fcntl.h"

#define CMSG_HEADER sizeof(struct abi_cmsghdr)

/* ---- addresses ---- */

int sock_addr_in(struct task *t, gva_t user, int size, struct socket_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (size < 0 || size > ABI_SOCKADDR_MAX)
		return -EINVAL;
	out->size = (uint32_t)size;
	return size ? mm_copy_in(t->mm, out->bytes, user, (size_t)size) : 0;
}

int sock_addr_out(struct task *t, gva_t user, gva_t user_size, const struct socket_addr *addr)
{
	int32_t room;

	if (!user)
		return 0;
	if (mm_copy_in(t->mm, &room, user_size, sizeof(room)) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (mm_copy_out(t->mm, user, addr->bytes, MIN((uint32_t)room, addr->size)) < 0)
		return -EFAULT;
	return mm_copy_out(t->mm, user_size, &addr->size, sizeof(addr->size));
}

/* ---- headers ---- */

/* An address is read with the header: the guest may change it afterwards. */
static int name_in(struct task *t, struct message *msg)
{
	if (!msg->h.namelen)
		return 0;
	msg->m.name = &msg->name;
	return sock_addr_in(t, msg->h.name, MIN(msg->h.namelen, ABI_SOCKADDR_MAX), &msg->name);
}

int message_init(struct task *t, struct message *msg, struct uio_seg *segs, gva_t user,
		 enum uio_dir dir)
{
	int r;

	if (mm_copy_in(t->mm, &msg->h, user, sizeof(msg->h)) < 0)
		return -EFAULT;
	memset(&msg->m, 0, sizeof(msg->m));
	memset(&msg->name, 0, sizeof(msg->name));
	msg->name_room = msg->h.namelen;
	if (!msg->h.name)
		msg->h.namelen = 0;
	if (msg->h.namelen < 0)
		return -EINVAL;
	if (msg->h.iovlen > ABI_UIO_MAXIOV)
		return -EMSGSIZE;
	msg->segs = segs;
	msg->dir = dir;
	r = dir == UIO_FROM_USER ? name_in(t, msg) : 0;
	return r < 0 ? r : mm_import_iovec(t->mm, msg->h.iov, (unsigned)msg->h.iovlen, segs);
}

void message_rewind(struct task *t, struct message *msg, uint64_t done)
{
	mm_uio_init(t->mm, &msg->u, msg->dir, msg->segs, (unsigned)msg->h.iovlen);
	uio_advance(&msg->u, done);
	msg->m.data = &msg->u;
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
		if (f->ops->never_passed) {
			file_put(f);
			return -EINVAL;
		}
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
	uc.uid = cred_uid_in(c, uc.uid);
	uc.gid = cred_gid_in(c, uc.gid);
	if (uc.uid == ID_INVALID || uc.gid == ID_INVALID)
		return -EINVAL;
	if (uc.pid != t->group->own_pid &&
	    !cred_has_cap_in(c, t->group->pid_ns->ns.owner, CAP_SYS_ADMIN))
		return -EPERM;
	if (uc.uid != c->uid && uc.uid != c->euid && uc.uid != c->suid &&
	    !cred_has_own_cap(c, CAP_SETUID))
		return -EPERM;
	if (uc.gid != c->gid && uc.gid != c->egid && uc.gid != c->sgid &&
	    !cred_has_own_cap(c, CAP_SETGID))
		return -EPERM;
	m->has_creds = true;
	m->creds = uc;
	m->creds.pid = pid_in(t, uc.pid);
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
	r = mm_copy_in(t->mm, buf, msg->h.control, size);
	if (r == 0)
		r = cmsg_parse(t, buf, size, &msg->m);
	if (buf != small)
		free(buf);
	return r;
}

/* ---- sending ---- */

long message_send(struct task *t, struct file *f, struct message *msg, unsigned flags)
{
	long r = control_in(t, msg);

	if (r == 0) {
		r = socket_sendmsg(f, &msg->m, flags, task_vfs_begin(t));
		task_vfs_end(t);
	}
	socket_files_put(msg->m.files);
	msg->m.files = NULL;
	return r;
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
	if (mm_copy_out(c->t->mm, c->at, &h, sizeof(h)) < 0 ||
	    mm_copy_out(c->t->mm, c->at + CMSG_HEADER, data, h.len - CMSG_HEADER) < 0)
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
	if (mm_copy_out(c->t->mm, at, &fd, sizeof(fd)) < 0) {
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
	if (mm_copy_out(c->t->mm, c->at, &h, sizeof(h)) < 0)
		return -EFAULT;
	control_advance(c, h.len);
	return 0;
}

/* Numbers that the kernel does not know (nobody's) stay what they are. */
struct ucred creds_out(struct ucred creds)
{
	const struct task *t = task_current();

	if (t) {
		creds.pid = pid_out(task_current(), creds.pid);
		creds.uid = creds.uid == ID_INVALID ? creds.uid : cred_uid_out(t->cred, creds.uid);
		creds.gid = creds.gid == ID_INVALID ? creds.gid : cred_gid_out(t->cred, creds.gid);
	}
	return creds;
}

static int control_write(struct control_out *c, const struct socket_msg *m, bool cloexec)
{
	const struct abi_cmsghdr *h;
	size_t at = 0;
	int r = 0;

	while (r == 0 && (h = socket_control_next(m->control, &at)))
		r = control_put(c, h->level, h->type, h + 1, h->len - CMSG_HEADER);
	if (r == 0 && m->has_creds) {
		const struct ucred shown = creds_out(m->creds);

		r = control_put(c, SOL_SOCKET, SCM_CREDENTIALS, &shown, sizeof(shown));
	}
	if (r == 0 && m->files)
		r = control_put_files(c, m->files, cloexec);
	return r;
}

int message_put_control(struct task *t, const struct socket_msg *m, gva_t at, uint64_t room,
			bool cloexec, uint64_t *used, unsigned *flags)
{
	struct control_out c = { .t = t, .at = at, .room = room };
	int r = control_write(&c, m, cloexec);

	*used = c.used;
	*flags = c.flags;
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
	if (mm_copy_out(t->mm, user + offsetof(struct abi_msghdr, flags), &flags, sizeof(flags)) <
	    0)
		return -EFAULT;
	return mm_copy_out(t->mm, user + offsetof(struct abi_msghdr, controllen), &controllen,
			   sizeof(controllen));
}

long message_recv(struct task *t, struct file *f, gva_t user, struct message *msg, unsigned flags)
{
	unsigned more = 0;
	uint64_t used = 0;
	long n;
	int r;

	if (msg->h.name)
		msg->m.name = &msg->name;
	msg->m.control = &msg->control;
	n = socket_recvmsg(f, &msg->m, flags, task_vfs_begin_file(t, f));
	task_vfs_end(t);
	if (n < 0)
		return n;
	r = message_put_control(t, &msg->m, msg->h.control, msg->h.control ? msg->h.controllen : 0,
				flags & MSG_CMSG_CLOEXEC, &used, &more);
	socket_files_put(msg->m.files);
	msg->m.files = NULL;
	if (r == 0)
		r = header_out(t, user, msg, msg->m.flags | more | (flags & MSG_CMSG_CLOEXEC),
			       used);
	return r < 0 ? r : n;
}
