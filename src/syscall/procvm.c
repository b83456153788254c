/*
 * process_vm_readv, process_vm_writev.
 *
 * Two address spaces are never held at once: bytes go through a buffer of ours, a
 * piece at a time, from one cursor to the other. What was moved before the first
 * bad address counts.
 */
#include <limits.h>
#include <stdlib.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/peer.h"
#include "syscall/syscall.h"

#define PIECE 16384u
#define IOV_INLINE 8u

/* A place in a list of ranges of one address space. */
struct cursor {
	struct mm *mm;
	struct uio_seg *segs;
	unsigned count, at;
	uint64_t done; /* of segs[at] */
	bool is_remote;
	struct uio_seg inline_segs[IOV_INLINE];
};

static int cursor_init(struct task *t, struct cursor *c, gva_t iov, uint64_t count)
{
	c->segs = c->inline_segs;
	c->count = (unsigned)count;
	c->at = 0;
	c->done = 0;
	if (count > ABI_UIO_MAXIOV)
		return -EINVAL;
	if (count > IOV_INLINE) {
		c->segs = malloc(count * sizeof(*c->segs));
		if (!c->segs)
			return -ENOMEM;
	}
	if (syscall_copy_in(t, c->segs, iov, count * sizeof(*c->segs)) < 0)
		return -EFAULT;
	for (unsigned i = 0; i < count; i++) {
		if (c->segs[i].size > SSIZE_MAX)
			return -EINVAL;
	}
	return 0;
}

static void cursor_fini(struct cursor *c)
{
	if (c->segs != c->inline_segs)
		free(c->segs);
}

/* The next range that is not empty; false at the end. */
static bool cursor_peek(struct cursor *c, gva_t *addr, uint64_t *size)
{
	while (c->at < c->count && c->done == c->segs[c->at].size) {
		c->at++;
		c->done = 0;
	}
	if (c->at == c->count)
		return false;
	*addr = c->segs[c->at].base + c->done;
	*size = c->segs[c->at].size - c->done;
	return true;
}

/* What of the piece the other process's protection allows. */
static uint64_t allowed(const struct cursor *c, gva_t addr, uint64_t size, int access)
{
	return c->is_remote ? mm_remote_extent(c->mm, addr, size, access) : size;
}

/* Bytes moved; less than there is to move only at a bad address. */
static long move_bytes(struct cursor *from, struct cursor *to)
{
	uint8_t buf[PIECE] UNINITIALIZED;
	uint64_t size, room, may;
	gva_t src, dst;
	long done = 0;
	ssize_t n, m;

	while (cursor_peek(from, &src, &size) && cursor_peek(to, &dst, &room)) {
		size = MIN(MIN(size, room), (uint64_t)sizeof(buf));
		may = MIN(allowed(from, src, size, MAP_R), allowed(to, dst, size, MAP_W));
		n = may ? mm_read_partial(from->mm, buf, src, may, false) : -EFAULT;
		m = n > 0 ? mm_write_partial(to->mm, dst, buf, (size_t)n, false) : n;
		if (m > 0) {
			done += m;
			from->done += (uint64_t)m;
			to->done += (uint64_t)m;
		}
		if (m < (ssize_t)size)
			return done ? done : -EFAULT;
	}
	return done;
}

/* The address space of process pid, with a reference. */
static int peer_mm(struct task *t, int32_t pid, struct mm **out)
{
	struct task *other = pid > 0 ? task_find(t, pid) : NULL;
	int r;

	*out = NULL;
	if (!other)
		return -ESRCH;
	r = peer_may_access(t, other);
	if (r == 0) {
		*out = task_mm_get(other);
		r = *out ? 0 : -ESRCH;
	}
	task_put(other);
	return r;
}

static long transfer(struct task *t, const struct sysargs *args, bool is_write)
{
	struct cursor local UNINITIALIZED, remote UNINITIALIZED;
	long r;

	if (args->a[5])
		return -EINVAL;
	local.mm = t->mm;
	local.is_remote = false;
	remote.is_remote = true;
	remote.segs = remote.inline_segs;
	r = cursor_init(t, &local, args->a[1], args->a[2]);
	if (r == 0)
		r = cursor_init(t, &remote, args->a[3], args->a[4]);
	if (r == 0)
		r = peer_mm(t, (int32_t)args->a[0], &remote.mm);
	if (r == 0) {
		r = is_write ? move_bytes(&local, &remote) : move_bytes(&remote, &local);
		mm_put(remote.mm);
	}
	cursor_fini(&local);
	cursor_fini(&remote);
	return r;
}

SYSCALL(process_vm_readv)
{
	return transfer(t, args, false);
}

SYSCALL(process_vm_writev)
{
	return transfer(t, args, true);
}
