/* sendmsg, recvmsg and their plural forms: net/message.h has headers and control
 * messages. */
#include "net/message.h"

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/socket.h"

/* ---- sending ---- */

static long send_one(struct task *t, struct file *f, gva_t user, unsigned flags)
{
	struct uio_seg segs[ABI_UIO_MAXIOV] UNINITIALIZED;
	struct message msg UNINITIALIZED;
	int r = message_init(t, &msg, segs, user, UIO_FROM_USER);

	if (r < 0)
		return r;
	message_rewind(t, &msg, 0);
	return sock_sent(t, f, flags, message_send(t, f, &msg, flags));
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

/* ---- receiving ---- */

static long recv_one(struct task *t, struct file *f, gva_t user, unsigned flags)
{
	struct uio_seg segs[ABI_UIO_MAXIOV] UNINITIALIZED;
	struct message msg UNINITIALIZED;
	int r = message_init(t, &msg, segs, user, UIO_TO_USER);

	if (r < 0)
		return r;
	message_rewind(t, &msg, 0);
	return message_recv(t, f, user, &msg, flags);
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
