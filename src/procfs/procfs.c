/*
 * The inodes of /proc and /sys. They are made by lookups and die with their
 * dentries; names below a process are looked up anew each time
 * (SUPER_NO_DCACHE), because processes come and go.
 *
 * An inode remembers numbers (pid, tid, fd), not objects: whoever uses it
 * resolves them, and gets -ESRCH or -ENOENT when they are gone.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/pool.h"
#include "procfs/internal.h"

struct pnode {
	struct inode inode;
	const struct pentry *entry;
	struct kernel *k;
	int32_t pid, tid; /* 0: none */
	int fd;
};

POOL_DEFINE(pnode_pool, struct pnode);

static struct pnode *pnode_of(struct inode *inode)
{
	return container_of(inode, struct pnode, inode);
}

/* ---- text ---- */

static bool text_reserve(struct text *t, size_t more)
{
	size_t cap = t->capacity ? t->capacity : 1024;
	char *grown;

	if (t->failed)
		return false;
	while (cap - t->size < more)
		cap *= 2;
	if (cap == t->capacity)
		return true;
	grown = realloc(t->buf, cap);
	if (!grown) {
		t->failed = true;
		return false;
	}
	t->buf = grown;
	t->capacity = cap;
	return true;
}

void text_bytes(struct text *t, const void *buf, size_t size)
{
	if (!text_reserve(t, size))
		return;
	memcpy(t->buf + t->size, buf, size);
	t->size += size;
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !text_reserve(t, (size_t)n + 1))
		return;
	va_start(ap, fmt);
	vsnprintf(t->buf + t->size, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->size += (size_t)n;
}

/* ---- subjects ---- */

int32_t proc_number(const struct subject *s, int32_t nr)
{
	return pid_number_in(s->ns, nr);
}

static int subject_get(struct pnode *n, const struct vfs_ctx *ctx, struct subject *s)
{
	*s = (struct subject){
		.k = n->k, .ns = n->inode.sb->priv, .fd = n->fd, .entry = n->entry, .ctx = ctx
	};
	if (!n->pid)
		return 0;
	s->group = pid_find_group(n->k, n->pid);
	if (!s->group)
		return -ESRCH;
	s->task = n->tid ? pid_find_task(n->k, n->tid) : group_any_task(s->group);
	if (!s->task && n->tid) {
		group_put(s->group);
		return -ESRCH;
	}
	return 0;
}

static void subject_put(struct subject *s)
{
	task_put(s->task);
	group_put(s->group);
}

/* ---- open files ---- */

static ssize_t make_text(struct pnode *n, const struct vfs_ctx *ctx, struct text **out)
{
	struct text *t = calloc(1, sizeof(*t));
	struct subject s;
	int r = t ? subject_get(n, ctx, &s) : -ENOMEM;

	if (r < 0) {
		free(t);
		return r;
	}
	if (n->entry->show)
		n->entry->show(&s, t);
	subject_put(&s);
	if (t->failed) {
		free(t->buf);
		free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

static void text_free(struct text *t)
{
	if (t)
		free(t->buf);
	free(t);
}

static ssize_t proc_pread(struct pnode *n, struct uio *u, fileoff_t *pos, struct io *io, bool write)
{
	struct subject s;
	ssize_t r = subject_get(n, io->ctx, &s);

	if (r < 0)
		return r;
	r = write ? n->entry->pwrite(&s, u, *pos) : n->entry->pread(&s, u, *pos);
	subject_put(&s);
	if (r > 0)
		*pos += (fileoff_t)r;
	return r;
}

static ssize_t proc_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct pnode *n = pnode_of(f->inode);
	struct text *t = f->priv;
	ssize_t r;

	if (n->entry->pread)
		return proc_pread(n, u, pos, io, false);
	if (!t || *pos == 0) {
		struct text *fresh;

		r = make_text(n, io->ctx, &fresh);
		if (r < 0)
			return r;
		text_free(t);
		f->priv = t = fresh;
	}
	if (*pos >= t->size)
		return 0;
	r = uio_write(u, t->buf + *pos, t->size - *pos);
	if (r > 0)
		*pos += (fileoff_t)r;
	return r;
}

static ssize_t proc_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct pnode *n = pnode_of(f->inode);
	struct subject s;
	char buf[4096];
	ssize_t got, r;

	if (n->entry->pwrite)
		return proc_pread(n, u, pos, io, true);
	if (!n->entry->store)
		return -EIO;
	if (u->remaining >= sizeof(buf))
		return -EINVAL;
	got = uio_read(u, buf, sizeof(buf) - 1);
	if (got < 0)
		return got;
	buf[got] = '\0';
	r = subject_get(n, io->ctx, &s);
	if (r < 0)
		return r;
	s.opener = f->cred;
	r = n->entry->store(&s, buf, (size_t)got);
	subject_put(&s);
	return r;
}

static int64_t proc_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx UNUSED)
{
	if (whence == SEEK_CUR)
		off += (int64_t)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0 && !pnode_of(f->inode)->entry->pread)
		return -EINVAL;
	f->pos = (fileoff_t)off;
	return off;
}

static void proc_release(struct file *f)
{
	text_free(f->priv);
}

static const struct file_ops proc_file_fops = {
	.name = "proc",
	.release = proc_release,
	.read = proc_read,
	.write = proc_write,
	.lseek = proc_lseek,
};

/* ---- directories ---- */

static uint64_t proc_ino(const struct pentry *e, int32_t pid, int32_t tid, int fd)
{
	uint64_t h = (uint64_t)(uintptr_t)e * 0x9e3779b97f4a7c15ull;

	h ^= ((uint64_t)(uint32_t)pid << 32 | (uint32_t)tid) * 0xff51afd7ed558ccdull;
	h ^= (uint64_t)(uint32_t)fd * 0xc4ceb9fe1a85ec53ull;
	return (h >> 20) | 1;
}

static bool emit_dot(struct file *f, dirent_fn emit, void *arg)
{
	while (f->pos < 2) {
		if (!emit(arg, f->pos == 0 ? "." : "..", f->pos == 0 ? 1 : 2, f->inode->ino, DT_DIR,
			  f->pos + 1))
			return false;
		f->pos++;
	}
	return true;
}

/* Positions: 0, 1 the dots; then 2 + index of fixed names; then, from
 * DYNAMIC_BASE, the number of the made-up name before. */
#define DYNAMIC_BASE 4096

static int emit_entries(struct file *f, const struct subject *s, dirent_fn emit, void *arg)
{
	struct pnode *n = pnode_of(f->inode);
	const struct pentry *e = n->entry->children;
	size_t count = 0;
	char name[32];
	int number;

	while (e && e[count].name)
		count++;
	for (; f->pos - 2 < count; f->pos++) {
		const struct pentry *c = &e[f->pos - 2];

		if (!emit(arg, c->name, strlen(c->name), proc_ino(c, n->pid, n->tid, 0),
			  (uint8_t)((c->mode & S_IFMT) >> 12), f->pos + 1))
			return 0;
	}
	if (!n->entry->next)
		return 0;
	if (f->pos < DYNAMIC_BASE)
		f->pos = DYNAMIC_BASE;
	while (n->entry->next(s, (int)(f->pos - DYNAMIC_BASE) - 1, name, &number) == 0) {
		if (!emit(arg, name, strlen(name), proc_ino(n->entry, n->pid, number, 1),
			  DT_UNKNOWN, DYNAMIC_BASE + (uint64_t)number + 1))
			return 0;
		f->pos = DYNAMIC_BASE + (uint64_t)number + 1;
	}
	return 0;
}

static int proc_readdir(struct file *f, dirent_fn emit, void *arg, const struct vfs_ctx *ctx)
{
	struct subject s;
	int r;

	if (!emit_dot(f, emit, arg))
		return 0;
	r = subject_get(pnode_of(f->inode), ctx, &s);
	if (r < 0)
		return -ENOENT;
	r = emit_entries(f, &s, emit, arg);
	subject_put(&s);
	return r;
}

static const struct file_ops proc_dir_fops = {
	.name = "proc directory",
	.lseek = proc_lseek,
	.readdir = proc_readdir,
};

static int proc_lookup(struct inode *dir, const char *name, const struct vfs_ctx *ctx,
		       struct inode **out)
{
	struct pnode *n = pnode_of(dir);
	const struct pentry *e = n->entry->children;
	struct subject s;
	int number = 0, r = subject_get(n, ctx, &s);

	if (r < 0)
		return -ENOENT;
	s.fd = n->fd;
	r = -ENOENT;
	for (; e && e->name && r < 0; e++) {
		if (strcmp(e->name, name) == 0) {
			r = pnode_create(dir->sb, e, &s, out);
			if (r == 0 && n->tid)
				pnode_of(*out)->tid = n->tid;
			goto out;
		}
	}
	if (n->entry->find) {
		r = n->entry->find(&s, name, &e, &number);
		if (r == 0)
			r = pnode_create(dir->sb, e, &s, out);
		if (r == 0) {
			struct pnode *c = pnode_of(*out);

			/* What the number is depends on the directory. */
			if (e == &proc_pid_dir)
				c->pid = number;
			else if (e == &proc_tid_dir)
				c->tid = number;
			else
				c->fd = number;
			if (n->tid)
				c->tid = n->tid;
			c->inode.ino = proc_ino(e, c->pid, c->tid, c->fd);
		}
	}
out:
	subject_put(&s);
	return r;
}

/* ---- the rest of an inode ---- */

static bool same_ids(const struct cred *mine, const struct cred *c)
{
	return mine->fsuid == c->euid && mine->fsuid == c->suid && mine->fsuid == c->uid &&
	       mine->fsgid == c->egid && mine->fsgid == c->sgid && mine->fsgid == c->gid;
}

/* ptrace(2), "ptrace access mode checking", as for /proc: PTRACE_MODE_READ_FSCREDS. */
static bool may_trace(const struct cred *mine, const struct subject *s)
{
	const struct cred *theirs = task_cred_get(s->task);
	bool is_privileged = cred_has_cap_in(mine, theirs->user_ns, CAP_SYS_PTRACE);
	bool ok = same_ids(mine, theirs) && mine->user_ns == theirs->user_ns &&
		  !(theirs->cap_permitted & ~mine->cap_effective);

	cred_put(theirs);
	mutex_lock(&s->group->lock);
	ok = ok && s->group->dumpable;
	mutex_unlock(&s->group->lock);
	return ok || is_privileged;
}

static int check_private(const struct subject *s)
{
	const struct task *t = s->ctx ? s->ctx->task : NULL;

	if (!s->entry->is_private || !s->task || !t || t->group == s->group)
		return 0;
	return may_trace(s->ctx->cred, s) ? 0 : -EACCES;
}

static ssize_t proc_readlink(struct inode *inode, char *buf, size_t size, const struct vfs_ctx *ctx)
{
	struct pnode *n = pnode_of(inode);
	struct subject s;
	ssize_t r = subject_get(n, ctx, &s);

	if (r < 0)
		return -ENOENT;
	r = check_private(&s);
	if (r == 0)
		r = n->entry->readlink(&s, buf, size);
	subject_put(&s);
	return r;
}

static int proc_follow(struct inode *inode, const struct vfs_ctx *ctx, struct path *out)
{
	struct pnode *n = pnode_of(inode);
	struct subject s;
	int r = subject_get(n, ctx, &s);

	if (r < 0)
		return -ENOENT;
	r = check_private(&s);
	if (r == 0)
		r = n->entry->follow(&s, out);
	subject_put(&s);
	return r;
}

static int proc_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx)
{
	struct pnode *n = pnode_of(inode);
	struct timespec now;
	struct subject s;

	inode_fill_stat(inode, st);
	if (n->entry->perms && subject_get(n, ctx, &s) == 0) {
		st->mode = (st->mode & S_IFMT) | n->entry->perms(&s);
		subject_put(&s);
	}
	clock_gettime(CLOCK_REALTIME, &now);
	st->atime = st->mtime = st->ctime =
		(struct timespec_k){ now.tv_sec, (uint32_t)now.tv_nsec };
	if (S_ISLNK(inode->mode) && n->entry->follow)
		st->size = 64;
	return 0;
}

static int proc_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx)
{
	struct subject s;
	int r;

	if (pnode_of(inode)->entry->is_private && subject_get(pnode_of(inode), ctx, &s) == 0) {
		r = check_private(&s);
		subject_put(&s);
		if (r < 0)
			return r;
	}
	f->ops = S_ISDIR(inode->mode) ? &proc_dir_fops : &proc_file_fops;
	return 0;
}

/* Truncating a /proc file is what shells do before they write to it. */
static int proc_setattr(struct inode *inode UNUSED, const struct setattr *sa,
			const struct vfs_ctx *ctx UNUSED)
{
	return sa->valid & ~(SETATTR_SIZE | SETATTR_KILL_PRIV | SETATTR_MTIME_NOW | SETATTR_MTIME)
		       ? -EPERM
		       : 0;
}

static const struct inode_ops proc_dir_ops = {
	.lookup = proc_lookup,
	.getattr = proc_getattr,
	.setattr = proc_setattr,
	.open = proc_open,
};
static const struct inode_ops proc_file_ops = {
	.getattr = proc_getattr,
	.setattr = proc_setattr,
	.open = proc_open,
};
static const struct inode_ops proc_link_ops = { .readlink = proc_readlink,
						.getattr = proc_getattr };
static const struct inode_ops proc_magic_ops = {
	.readlink = proc_readlink,
	.follow = proc_follow,
	.getattr = proc_getattr,
};

static const struct inode_ops *ops_for(const struct pentry *e)
{
	if (S_ISDIR(e->mode))
		return &proc_dir_ops;
	if (S_ISLNK(e->mode))
		return e->follow ? &proc_magic_ops : &proc_link_ops;
	return &proc_file_ops;
}

int pnode_create(struct super *sb, const struct pentry *e, const struct subject *s,
		 struct inode **out)
{
	struct pnode *n = pool_alloc(&pnode_pool);
	uint32_t uid = 0, gid = 0;

	if (!n)
		return -ENOMEM;
	n->entry = e;
	n->k = s->k;
	n->pid = s->group ? s->group->pid : 0;
	n->fd = s->fd;
	if (s->task) {
		const struct cred *c = task_cred_get(s->task);

		uid = c->euid;
		gid = c->egid;
		cred_put(c);
	}
	inode_init(&n->inode, ops_for(e), sb, proc_ino(e, n->pid, n->tid, n->fd), e->mode, uid,
		   gid);
	*out = &n->inode;
	return 0;
}

/* ---- supers ---- */

static void proc_inode_destroy(struct inode *inode)
{
	pool_free(&pnode_pool, pnode_of(inode));
}

static int proc_statfs(struct super *sb, struct kstatfs *out)
{
	*out = (struct kstatfs){
		.type = strcmp(sb->type, "proc") == 0 ? 0x9fa0 : 0x62656572,
		.bsize = 4096,
		.namelen = 255,
		.frsize = 4096,
	};
	return 0;
}

static void proc_destroy(struct super *sb)
{
	struct pid_ns *ns = sb->priv;

	ns_put(&ns->ns);
	free(sb);
}

static const struct super_ops proc_super_ops = {
	.inode_destroy = proc_inode_destroy,
	.statfs = proc_statfs,
	.destroy = proc_destroy,
};

static int create(struct kernel *k, const char *type, const struct pentry *root, struct super **out)
{
	struct super *sb = calloc(1, sizeof(*sb));
	const struct task *t = task_current();
	struct subject s = { .k = k };
	int r;

	*out = NULL;
	if (!sb)
		return -ENOMEM;
	super_init(sb, &proc_super_ops, type);
	sb->flags |= SUPER_NO_DCACHE | SUPER_NO_NEGATIVE | SUPER_REVEALS;
	r = pnode_create(sb, root, &s, &sb->root);
	if (r < 0) {
		free(sb);
		return r;
	}
	sb->root->ino = 1;
	sb->priv = pid_ns_of(ns_get(t ? &t->group->pid_ns->ns : &pid_ns_first.ns));
	*out = sb;
	return 0;
}

/* ---- the roots ---- */

static int find_pid(const struct subject *s, const char *name, const struct pentry **entry,
		    int *number)
{
	char *end;
	long pid = strtol(name, &end, 10);
	struct thread_group *g;
	struct task *t;

	if (name[0] < '1' || name[0] > '9' || *end || pid <= 0 || pid > INT32_MAX)
		return -ENOENT;
	pid = pid_from_ns(s->ns, (int32_t)pid);
	g = pid_find_group(s->k, (int32_t)pid);
	if (!g) {
		/* A thread's number leads to its process, though listings hide it. */
		t = pid_find_task(s->k, (int32_t)pid);
		if (!t)
			return -ENOENT;
		g = t->group;
		group_get(g);
		task_put(t);
	}
	*entry = &proc_pid_dir;
	*number = g->pid;
	group_put(g);
	return 0;
}

static int next_pid(const struct subject *s, int after, char *name, int *number)
{
	struct thread_group *g = pid_ns_next_group(s->ns, after < 0 ? 0 : after, number);

	if (!g)
		return -ENOENT;
	snprintf(name, 32, "%d", *number);
	group_put(g);
	return 0;
}

/* The process of an open /proc/[pid]. */
static struct thread_group *group_of(const struct file *f)
{
	struct pnode *n = pnode_of(f->inode);

	if (f->ops != &proc_dir_fops || n->entry != &proc_pid_dir)
		return NULL;
	return pid_find_group(n->k, n->pid);
}

int procfs_create(struct kernel *k, struct super **out)
{
	static const struct pentry root = {
		.mode = S_IFDIR | 0555,
		.children = proc_root_entries,
		.find = find_pid,
		.next = next_pid,
	};

	task_group_of_proc = group_of;
	return create(k, "proc", &root, out);
}

int sysfs_create(struct kernel *k, struct super **out)
{
	static const struct pentry root = { .mode = S_IFDIR | 0555, .children = sys_root_entries };

	return create(k, "sysfs", &root, out);
}
