/*
 * execve and execveat.
 *
 *	open the program        permissions, type, mount         \
 *	copy argv and envp      once; limits                      | errors go back
 *	loader_check            headers, scripts, interpreter     | to the caller
 *	new credentials         setuid and setgid bits           /
 *	task_exec_prepare       other threads gone, memory emptied
 *	loader_load             mappings, stack                  \  errors kill the
 *	task_exec_finish        registers, names, credentials    /  process
 *
 * The arguments are the guest's memory, which task_exec_prepare() takes away: by
 * then everything is in the kernel's own. The credentials are worked out before
 * it too, because the program must know whether it is trusted (AT_SECURE).
 */
#include "syscall/exec.h"

#include <fcntl.h>
#include <linux/securebits.h>
#include <sys/personality.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "abi/ptrace.h"
#include "abi/wait.h"
#include "loader/loader.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "task/ptrace.h"

#define POINTERS_AT_ONCE 64u
#define ADDR_NO_RANDOMIZE 0x0040000u /* personality(2) */

/* One exec on its way. */
struct exec {
	struct task *t;
	struct loader_strings argv, envp;
	struct loader_image *image;
	struct cred *cred;
	bool secure;        /* AT_SECURE */
	bool is_privileged; /* setuid or setgid bits took effect */
	bool is_readable;   /* the program, by its caller */
	struct loader_request req;
	char name[SYSCALL_PATH_MAX + 32];
};

static void exec_fini(struct exec *x)
{
	loader_image_free(x->image);
	loader_strings_free(&x->argv);
	loader_strings_free(&x->envp);
	if (x->cred)
		cred_put(x->cred);
}

/* ---- arguments ---- */

/* A string that is longer than a page, up to the longest there may be. */
static int add_long_string(struct task *t, gva_t user, struct loader_strings *s, size_t limit)
{
	char *buf = malloc(LOADER_MAX_ARG_STRLEN);
	ssize_t n;
	int r;

	if (!buf)
		return -ENOMEM;
	n = mm_copy_in_str(t->mm, buf, user, LOADER_MAX_ARG_STRLEN);
	if (n < 0)
		r = n == -ENAMETOOLONG ? -E2BIG : (int)n;
	else
		r = loader_strings_add(s, buf, (size_t)n, limit);
	free(buf);
	return r;
}

static int add_string(struct task *t, gva_t user, struct loader_strings *s, size_t limit)
{
	char buf[PAGE_SIZE] UNINITIALIZED;
	ssize_t n = mm_copy_in_str(t->mm, buf, user, sizeof(buf));

	if (n == -ENAMETOOLONG)
		return add_long_string(t, user, s, limit);
	return n < 0 ? (int)n : loader_strings_add(s, buf, (size_t)n, limit);
}

/* Pointers that lie in one page are read together: what follows the last one
 * may be no memory at all. */
static unsigned pointers_in_page(gva_t addr)
{
	uint64_t n = (PAGE_SIZE - (addr & ~PAGE_MASK)) / sizeof(uint64_t);

	return n ? (unsigned)MIN(n, (uint64_t)POINTERS_AT_ONCE) : 1;
}

static int add_strings(struct task *t, gva_t array, struct loader_strings *s, size_t limit)
{
	uint64_t p[POINTERS_AT_ONCE];
	unsigned n;
	int r;

	if (!array)
		return 0;
	for (;; array += n * sizeof(p[0])) {
		n = pointers_in_page(array);
		if (syscall_copy_in(t, p, array, n * sizeof(p[0])) < 0)
			return -EFAULT;
		for (unsigned i = 0; i < n; i++) {
			if (!p[i])
				return 0;
			r = add_string(t, p[i], s, limit);
			if (r < 0)
				return r;
		}
	}
}

/* Linux gives a program without arguments an empty one, for its safety. */
static int add_missing_argument(struct exec *x, size_t limit)
{
	return x->argv.count ? 0 : loader_strings_add(&x->argv, "", 0, limit);
}

static int exec_get_strings(struct exec *x, gva_t argv, gva_t envp)
{
	size_t limit = loader_arg_limit(task_limit(x->t, RLIMIT_STACK_NR)), used;
	int r;

	r = add_strings(x->t, argv, &x->argv, limit);
	if (r == 0)
		r = add_missing_argument(x, limit);
	if (r < 0)
		return r;
	used = loader_strings_used(&x->argv);
	return add_strings(x->t, envp, &x->envp, limit - MIN(used, limit));
}

/* ---- credentials: capabilities(7), "Transformation during execve()" ---- */

/* The ids that the program file gives away. */
static void take_file_ids(struct exec *x, struct file *f)
{
	struct inode *inode = f->inode;
	uint32_t mode = inode->mode;

	if ((mount_flags(f->path.mount) & MS_NOSUID) || x->t->no_new_privs)
		return;
	/* Not from mounts of other namespaces, nor for ids that mean nothing in ours. */
	if (!path_is_in_ns(&f->path, task_mount_ns(x->t)) ||
	    !user_ns_is_in(x->cred->user_ns, f->inode->sb->owner) ||
	    !user_ns_has_id(x->cred->user_ns, ID_UID, inode->uid) ||
	    !user_ns_has_id(x->cred->user_ns, ID_GID, inode->gid))
		return;
	if (mode & S_ISUID)
		x->cred->euid = inode->uid;
	/* Without the group's x bit, setgid means mandatory locking. */
	if ((mode & S_ISGID) && (mode & S_IXGRP))
		x->cred->egid = inode->gid;
}

static void take_caps(struct cred *c, const struct cred *old, bool ids_changed)
{
	uint32_t root = cred_root_uid(c);
	bool is_root = c->uid == root || c->euid == root;
	uint64_t effective = 0;

	if (ids_changed)
		c->cap_ambient = 0;
	c->cap_permitted = 0;
	if (is_root && !(c->securebits & SECBIT_NOROOT)) {
		c->cap_permitted = old->cap_inheritable | old->cap_bounding;
		if (c->euid == root)
			effective = c->cap_permitted;
	}
	c->cap_permitted |= c->cap_ambient;
	c->cap_effective = effective ? effective : c->cap_ambient;
	c->securebits &= ~(uint32_t)SECBIT_KEEP_CAPS;
}

/* Its tracer could make use of what it gains: it gains nothing. */
static void lose_privileges(struct exec *x, const struct cred *old)
{
	struct cred *c = x->cred;

	if (!cred_has_own_cap(old, CAP_SETUID)) {
		c->euid = c->uid;
		c->egid = c->gid;
	}
	x->is_privileged = c->euid != old->euid || c->egid != old->egid;
	c->cap_permitted &= old->cap_permitted;
	c->cap_effective &= c->cap_permitted;
}

static int exec_make_cred(struct exec *x)
{
	const struct cred *old = x->t->cred;
	struct cred *c = cred_copy(old);

	if (!c)
		return -ENOMEM;
	x->cred = c;
	take_file_ids(x, loader_image_file(x->image));
	x->is_privileged = c->euid != old->euid || c->egid != old->egid;
	take_caps(c, old, x->is_privileged);
	if ((x->is_privileged || (c->cap_permitted & ~old->cap_permitted)) &&
	    ptrace_tracer_lacks(x->t, CAP_SYS_PTRACE))
		lose_privileges(x, old);
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	x->secure = c->euid != c->uid || c->egid != c->gid ||
		    (c->uid != cred_root_uid(c) && (c->cap_permitted & ~c->cap_ambient));
	return 0;
}

/* ---- the steps ---- */

/* Everything that may fail and leave the caller as he was. */
static int exec_check(struct exec *x, const struct vfs_ctx *ctx, struct file *f)
{
	int r;

	x->is_readable = vfs_permission(ctx, f->inode, R_OK) == 0;
	x->req.ctx = ctx;
	x->req.file = f;
	x->req.filename = x->name;
	x->req.argv = &x->argv;
	x->req.envp = &x->envp;
	r = loader_check(&x->req, &x->image);
	return r < 0 ? r : exec_make_cred(x);
}

/* May others look into the process? Not into what it may not read itself, nor
 * when its ids differ: set before there is anything to see. */
static void exec_set_dumpable(const struct exec *x)
{
	struct thread_group *g = x->t->group;
	const struct cred *c = x->cred;
	bool dumpable = c->euid == c->uid && c->egid == c->gid && !x->is_privileged &&
			x->is_readable;

	mutex_lock(&g->lock);
	g->dumpable = dumpable;
	mutex_unlock(&g->lock);
}

/* Maps the program into the empty address space. */
static int exec_load(struct exec *x, const struct vfs_ctx *ctx)
{
	struct task *t = x->t;
	const struct cred *c = x->cred;
	const struct loader_ids ids = { cred_uid_out(c, c->uid), cred_uid_out(c, c->euid),
					cred_gid_out(c, c->gid), cred_gid_out(c, c->egid),
					x->secure };
	struct loader_result res = { 0 };
	int r;

	x->req.ctx = ctx;
	exec_set_dumpable(x);
	r = loader_load(t->mm, x->image, &x->req, &ids, &res);
	if (r < 0)
		return r;
	task_exec_finish(t, res.entry, res.stack, res.exe, res.comm, x->cred);
	x->cred = NULL;
	file_put(res.exe);
	return 0;
}

/* Another thread, gone by now, has seen to it that no privileges are gained (TSYNC of
 * seccomp(2)) after they were counted in. */
static int exec_lose_privileges(struct exec *x)
{
	if (!x->is_privileged || !x->t->no_new_privs)
		return 0;
	cred_put(x->cred);
	x->cred = NULL;
	return exec_make_cred(x);
}

static long exec_run(struct exec *x)
{
	struct task *t = x->t;
	int r = task_exec_prepare(t);

	if (r < 0)
		return r;
	r = exec_lose_privileges(x);
	if (r == 0) {
		r = exec_load(x, task_vfs_begin(t));
		task_vfs_end(t);
	}
	/* There is no program to go back to. */
	if (r < 0)
		task_exit_group(t, ABI_WAIT_SIGNALED(SIGSEGV, 0));
	return 0;
}

/* ---- the calls ---- */

/* The program's name as AT_EXECFN and scripts see it. */
static void exec_set_name(struct exec *x, int dirfd, const char *text)
{
	if (dirfd == AT_FDCWD || *text == '/')
		snprintf(x->name, sizeof(x->name), "%s", text);
	else if (*text)
		snprintf(x->name, sizeof(x->name), "/dev/fd/%d/%s", dirfd, text);
	else
		snprintf(x->name, sizeof(x->name), "/dev/fd/%d", dirfd);
	x->req.is_fd_exec = dirfd != AT_FDCWD && *text != '/';
	x->req.close_on_exec_fd = x->req.is_fd_exec && fd_get_cloexec(x->t, dirfd) == 1;
}

static int exec_open(const struct vfs_ctx *ctx, const struct syscall_name *n, int at_flags,
		     struct file **out)
{
	unsigned lookup = at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;

	*out = NULL;
	if (!*n->text && (at_flags & AT_EMPTY_PATH) && n->dir.dentry)
		return loader_open_path(ctx, &n->dir, out);
	return loader_open(ctx, &n->dir, n->text, lookup, out);
}

/* Opens and judges the program; the rest needs no names. */
static int exec_begin(struct exec *x, const struct syscall_name *n, int at_flags, gva_t argv,
		      gva_t envp)
{
	struct vfs_ctx *ctx = task_vfs_begin(x->t);
	struct file *f;
	int r = exec_open(ctx, n, at_flags, &f);

	if (r < 0)
		goto out_ctx;
	r = exec_get_strings(x, argv, envp);
	if (r == 0 && !(at_flags & AT_EXECVE_CHECK))
		r = exec_check(x, ctx, f);
	file_put(f);
out_ctx:
	task_vfs_end(x->t);
	return r;
}

static long exec_at(struct task *t, int dirfd, gva_t path, gva_t argv, gva_t envp, int at_flags)
{
	struct syscall_name n UNINITIALIZED;
	int32_t old_tid = t->own_tid;
	struct exec *x;
	long r = syscall_name_get(t, dirfd, path, &n);

	if (r < 0)
		return r;
	task_exec_begin(t);
	x = calloc(1, sizeof(*x));
	r = -ENOMEM;
	if (x) {
		x->t = t;
		x->req.no_aslr = t->personality & ADDR_NO_RANDOMIZE;
		exec_set_name(x, dirfd, n.text);
		r = exec_begin(x, &n, at_flags, argv, envp);
	}
	syscall_name_put(&n);
	if (r == 0 && !(at_flags & AT_EXECVE_CHECK))
		r = exec_run(x);
	task_exec_end(t);
	if (r == 0 && !t->exiting && !(at_flags & AT_EXECVE_CHECK))
		ptrace_event(t, ABI_PTRACE_EVENT_EXEC, (uint64_t)old_tid);
	if (x)
		exec_fini(x);
	free(x);
	return r;
}

SYSCALL(execve)
{
	return exec_at(t, AT_FDCWD, args->a[0], args->a[1], args->a[2], 0);
}

SYSCALL(execveat)
{
	int flags = (int)args->a[4];

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK))
		return -EINVAL;
	return exec_at(t, (int)args->a[0], args->a[1], args->a[2], args->a[3], flags);
}

/* ---- the first program ---- */

static int add_own_strings(struct loader_strings *s, char *const list[], size_t limit)
{
	int r = 0;

	for (size_t i = 0; r == 0 && list && list[i]; i++)
		r = loader_strings_add(s, list[i], strlen(list[i]), limit);
	return r;
}

static int first_strings(struct exec *x, char *const argv[], char *const envp[])
{
	size_t limit = loader_arg_limit(task_limit(x->t, RLIMIT_STACK_NR)), used;
	int r = add_own_strings(&x->argv, argv, limit);

	if (r == 0)
		r = add_missing_argument(x, limit);
	if (r < 0)
		return r;
	used = loader_strings_used(&x->argv);
	return add_own_strings(&x->envp, envp, limit - MIN(used, limit));
}

static const char *search_path(char *const envp[])
{
	for (size_t i = 0; envp && envp[i]; i++) {
		if (!strncmp(envp[i], "PATH=", 5))
			return envp[i] + 5;
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* Opens x->name. */
static int first_open(struct exec *x, const struct vfs_ctx *ctx, struct file **out)
{
	return loader_open(ctx, NULL, x->name, LOOKUP_FOLLOW, out);
}

/* As execvp(3): the first that can be run; -EACCES if one was there that cannot. */
static int first_search(struct exec *x, const struct vfs_ctx *ctx, const char *name,
			const char *search, struct file **out)
{
	bool denied = false;
	int r, n;

	for (const char *dir = search;; dir++) {
		size_t len = strcspn(dir, ":");

		n = snprintf(x->name, sizeof(x->name), "%.*s%s%s", (int)len, dir, len ? "/" : "",
			     name);
		r = n < (int)sizeof(x->name) ? first_open(x, ctx, out) : -ENAMETOOLONG;
		if (r == 0)
			return 0;
		denied |= r == -EACCES;
		dir += len;
		if (!*dir)
			return denied ? -EACCES : -ENOENT;
	}
}

static int first_begin(struct exec *x, const struct vfs_ctx *ctx, const char *path,
		       char *const envp[])
{
	struct file *f;
	int r;

	if (strlen(path) >= SYSCALL_PATH_MAX)
		return -ENAMETOOLONG;
	if (*path && !strchr(path, '/')) {
		r = first_search(x, ctx, path, search_path(envp), &f);
	} else {
		snprintf(x->name, sizeof(x->name), "%s", path);
		r = first_open(x, ctx, &f);
	}
	if (r < 0)
		return r;
	r = exec_check(x, ctx, f);
	if (r == 0)
		r = exec_load(x, ctx);
	file_put(f);
	return r;
}

int exec_first(struct task *t, const char *path, char *const argv[], char *const envp[])
{
	struct exec *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->t = t;
	r = first_strings(x, argv, envp);
	if (r == 0) {
		r = first_begin(x, task_vfs_begin(t), path, envp);
		task_vfs_end(t);
	}
	exec_fini(x);
	free(x);
	return r;
}
