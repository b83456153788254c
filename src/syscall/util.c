/* What every family needs: arguments copied in, names looked up, results. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "abi/time.h"
#include "syscall/syscall.h"

#define NSEC_PER_SEC 1000000000ull

/* ---- copies ---- */

int syscall_copy_in(struct task *t, void *dst, gva_t src, size_t size)
{
	return mm_copy_in(t->mm, dst, src, size);
}

int syscall_copy_out(struct task *t, gva_t dst, const void *src, size_t size)
{
	return mm_copy_out(t->mm, dst, src, size);
}

static int check_tail_is_zero(struct task *t, gva_t src, size_t size)
{
	uint8_t buf[64];

	while (size > 0) {
		size_t n = MIN(size, sizeof(buf));

		if (mm_copy_in(t->mm, buf, src, n) < 0)
			return -EFAULT;
		for (size_t i = 0; i < n; i++) {
			if (buf[i])
				return -E2BIG;
		}
		src += n;
		size -= n;
	}
	return 0;
}

int syscall_copy_struct(struct task *t, void *dst, size_t size, gva_t src, size_t user_size)
{
	size_t n = MIN(size, user_size);
	int r;

	if (user_size > PAGE_SIZE)
		return -E2BIG;
	memset(dst, 0, size);
	r = check_tail_is_zero(t, src + n, user_size - n);
	return r < 0 ? r : mm_copy_in(t->mm, dst, src, n);
}

/* ---- time ---- */

int syscall_timespec(struct task *t, gva_t user, uint64_t *ns)
{
	struct abi_timespec ts;
	int r = mm_copy_in(t->mm, &ts, user, sizeof(ts));

	if (r < 0)
		return r;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	/* Beyond 292 years is for ever. */
	if (ts.sec >= INT64_MAX / (int64_t)NSEC_PER_SEC)
		*ns = INT64_MAX;
	else
		*ns = (uint64_t)ts.sec * NSEC_PER_SEC + (uint64_t)ts.nsec;
	return 0;
}

uint64_t syscall_deadline(struct task *t, uint64_t ns)
{
	uint64_t now = 0;

	if (task_clock_ns(t, CLOCK_MONOTONIC, &now) < 0 || ns >= INT64_MAX - now)
		return PARK_FOREVER;
	return now + ns;
}

int syscall_timeout(struct task *t, gva_t user, uint64_t *deadline_ns)
{
	uint64_t ns;
	int r;

	*deadline_ns = PARK_FOREVER;
	if (!user)
		return 0;
	r = syscall_timespec(t, user, &ns);
	if (r == 0)
		*deadline_ns = syscall_deadline(t, ns);
	return r;
}

/* ---- names ---- */

int syscall_path(struct task *t, gva_t user, char *buf)
{
	ssize_t n = mm_copy_in_str(t->mm, buf, user, SYSCALL_PATH_MAX);

	return n < 0 ? (int)n : 0;
}

int syscall_dirfd(struct task *t, int dirfd, const char *name, struct path *out)
{
	return fd_dir(t, dirfd, name, out);
}

int syscall_name_get(struct task *t, int dirfd, gva_t user, struct syscall_name *n)
{
	int r = syscall_path(t, user, n->text);

	return r < 0 ? r : syscall_dirfd(t, dirfd, n->text, &n->dir);
}

void syscall_name_put(struct syscall_name *n)
{
	path_put(&n->dir);
}

/* ---- places ---- */

long syscall_on_path(struct task *t, int dirfd, gva_t user, unsigned lookup, syscall_path_fn fn,
		     void *arg)
{
	struct syscall_name n UNINITIALIZED;
	struct vfs_ctx *ctx;
	struct path p;
	long r = syscall_name_get(t, dirfd, user, &n);

	if (r < 0)
		return r;
	ctx = task_vfs_begin(t);
	r = vfs_lookup(ctx, &n.dir, n.text, lookup, &p);
	if (r == 0) {
		r = fn(t, ctx, &p, arg);
		path_put(&p);
	}
	task_vfs_end(t);
	syscall_name_put(&n);
	return r;
}

long syscall_on_fd(struct task *t, int fd, bool may_be_path, syscall_path_fn fn, void *arg)
{
	struct file *f = fd_get(t, fd);
	long r = -EBADF;

	if (!f)
		return -EBADF;
	if (may_be_path || !(atomic_load_explicit(&f->flags, memory_order_relaxed) & O_PATH)) {
		r = fn(t, task_vfs_begin_file(t, f), &f->path, arg);
		task_vfs_end(t);
	}
	file_put(f);
	return r;
}

/* A name that cannot be read is left to the real copy. */
bool syscall_names_fd(struct task *t, int dirfd, gva_t user, int at_flags)
{
	char c;

	if (!(at_flags & AT_EMPTY_PATH) || dirfd == AT_FDCWD)
		return false;
	return !user || (mm_copy_in(t->mm, &c, user, 1) == 0 && c == '\0');
}

long syscall_on_at(struct task *t, int dirfd, gva_t user, int at_flags, syscall_path_fn fn,
		   void *arg)
{
	unsigned lookup = at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;

	if (syscall_names_fd(t, dirfd, user, at_flags))
		return syscall_on_fd(t, dirfd, true, fn, arg);
	if (at_flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	return syscall_on_path(t, dirfd, user, lookup, fn, arg);
}

/* ---- writes that fail ---- */

static void signal_self(struct task *t, int signo)
{
	struct ksiginfo info = {
		.signo = signo,
		.code = SI_USER,
		.pid = t->group->own_pid,
		.uid = t->cred->uid,
	};

	(void)signal_send(t, &info, 0);
}

long syscall_write_result(struct task *t, long r)
{
	if (unlikely(r == -EPIPE))
		signal_self(t, SIGPIPE);
	else if (unlikely(r == -EFBIG) && task_limit(t, RLIMIT_FSIZE_NR) != ~(uint64_t)0)
		signal_self(t, SIGXFSZ);
	return r;
}
