/*
 * The file system of message queues: one directory, whose names are given by open(2)
 * and mq_open(2) alike; the latter may say how large a queue is to be.
 *
 * Locks: root.lock, the names (a leaf but for nothing).
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>

#include "abi/mqueue.h"
#include "base/pool.h"
#include "fs/mqueue/internal.h"
#include "host/host.h"
#include "task/user.h"

#define MQUEUE_MAGIC 0x19800202
#define QUEUE_SIZE 80 /* what stat(2) says of a queue, and of each name (dots too): */
#define NAME_SIZE 20
#define NAME_LIMIT 255
/* What Linux counts for each message beside its bytes, and for each priority. */
#define MSG_OVERHEAD 48u
#define PRIO_OVERHEAD 48u
#define ROOT_INO 1
#define MSGQUEUE_DEFAULT 819200u

struct mq_name {
	struct list link; /* [l] */
	uint64_t place;   /* [I] in readdir: rises */
	struct mqueue *q; /* reference */
	char name[NAME_LIMIT + 1];
};

/* That of one IPC namespace. [l] lock */
struct mqueue_fs {
	struct super sb;
	struct refcount refs;                  /* the super's, and its queues' */
	struct inode root;                     /* mode, uid, gid: [l] */
	struct path hidden;                    /* [I] where mq_open(2) starts */
	struct mutex lock;                     /* LOCK_FILE */
	struct list names;                     /* [l] by place */
	uint64_t next_place, nnames;           /* [l] */
	struct timespec_k atime, mtime, ctime; /* [l] */
	atomic_uint nqueues;                   /* [a] with those that have no name any more */
	atomic_ulong next_ino;
};

static POOL_DEFINE(mqueue_pool, struct mqueue);

static const struct inode_ops dir_ops, queue_ops;

static struct mqueue_fs *fs_of(const struct inode *inode)
{
	return container_of(inode->sb, struct mqueue_fs, sb);
}

static bool is_root(const struct inode *inode)
{
	return inode == &fs_of(inode)->root;
}

/* Its queues may outlive its mounts. */
static void fs_put(struct mqueue_fs *fs)
{
	if (refcount_put(&fs->refs))
		kmem_free(fs);
}

static struct mqueue *queue_of(struct inode *inode)
{
	return container_of(inode, struct mqueue, inode);
}

struct timespec_k mqueue_now(void)
{
	uint64_t ns = host_clock_ns(CLOCK_REALTIME);

	return (struct timespec_k){ (int64_t)(ns / 1000000000), (uint32_t)(ns % 1000000000) };
}

/* ---- a new queue ---- */

static int check_attr(const struct mqueue_attr *a, const struct cred *c)
{
	bool is_free = cred_has_cap(c, CAP_SYS_RESOURCE);

	if (a->maxmsg <= 0 || a->msgsize <= 0 ||
	    a->maxmsg > (is_free ? MQUEUE_MSGS_HARD : ABI_MQ_MSG_MAX) ||
	    a->msgsize > (is_free ? MQUEUE_MSG_SIZE_HARD : ABI_MQ_MSGSIZE_MAX))
		return -EINVAL;
	return 0;
}

static uint64_t bytes_of(const struct mqueue_attr *a)
{
	return (uint64_t)a->maxmsg * ((uint64_t)a->msgsize + MSG_OVERHEAD) +
	       (uint64_t)MIN(a->maxmsg, (int64_t)ABI_MQ_PRIO_MAX) * PRIO_OVERHEAD;
}

static int count_queue(struct mqueue_fs *fs, const struct cred *c)
{
	unsigned limit = cred_has_cap(c, CAP_SYS_RESOURCE) ? MQUEUE_QUEUES_HARD : ABI_MQ_QUEUES_MAX;

	if (atomic_fetch_add(&fs->nqueues, 1) < limit)
		return 0;
	atomic_fetch_sub(&fs->nqueues, 1);
	return -ENOSPC;
}

static int charge(struct mqueue *q, const struct mqueue_attr *a, const struct vfs_ctx *ctx)
{
	uint64_t limit = ctx->task ? task_limit(ctx->task, RLIMIT_MSGQUEUE_NR) : MSGQUEUE_DEFAULT;
	int r = check_attr(a, ctx->cred);

	if (r < 0)
		return r;
	q->charged = bytes_of(a);
	q->charged_uid = ctx->cred->uid;
	return user_charge(q->charged_uid, USER_MSGQUEUE, q->charged, limit) ? 0 : -EMFILE;
}

static int queue_create(struct mqueue_fs *fs, uint32_t mode, const struct vfs_ctx *ctx,
			struct mqueue **out)
{
	const struct mqueue_attr defaults = { ABI_MQ_MSG_MAX, ABI_MQ_MSGSIZE_MAX };
	const struct mqueue_attr *a = ctx->create_arg ? ctx->create_arg : &defaults;
	struct mqueue *q;
	int r = count_queue(fs, ctx->cred);

	if (r < 0)
		return r;
	q = pool_alloc(&mqueue_pool);
	r = q ? charge(q, a, ctx) : -ENOMEM;
	if (r < 0) {
		pool_free(&mqueue_pool, q);
		atomic_fetch_sub(&fs->nqueues, 1);
		return r;
	}
	inode_init(&q->inode, &queue_ops, &fs->sb, atomic_fetch_add(&fs->next_ino, 1), mode,
		   ctx->cred->fsuid, ctx->cred->fsgid);
	refcount_get(&fs->refs);
	mqueue_setup(q, a->maxmsg, a->msgsize);
	q->nlink = 1;
	q->size = QUEUE_SIZE;
	q->atime = q->mtime = q->ctime = mqueue_now();
	*out = q;
	return 0;
}

static void destroy(struct inode *inode)
{
	struct mqueue *q = queue_of(inode);
	struct mqueue_fs *fs = fs_of(inode);

	if (is_root(inode))
		return;
	mqueue_teardown(q);
	user_uncharge(q->charged_uid, USER_MSGQUEUE, q->charged);
	pool_free(&mqueue_pool, q);
	atomic_fetch_sub(&fs->nqueues, 1);
	fs_put(fs);
}

/* ---- names ---- */

static struct mq_name *find_locked(struct mqueue_fs *fs, const char *name)
{
	list_for_each(n, &fs->names, struct mq_name, link) {
		if (strcmp(n->name, name) == 0)
			return n;
	}
	return NULL;
}

static int dir_lookup(struct inode *dir, const char *name, const struct vfs_ctx *ctx UNUSED,
		      struct inode **out)
{
	struct mqueue_fs *fs = fs_of(dir);
	struct mq_name *n;

	mutex_lock(&fs->lock);
	n = find_locked(fs, name);
	if (n)
		inode_get(&n->q->inode);
	*out = n ? &n->q->inode : NULL;
	mutex_unlock(&fs->lock);
	return n ? 0 : -ENOENT;
}

static int dir_create(struct inode *dir, const char *name, uint32_t mode, const struct vfs_ctx *ctx,
		      struct inode **out)
{
	struct mq_name *n = kmem_zalloc(sizeof(*n));
	struct mqueue_fs *fs = fs_of(dir);
	int r;

	if (!n)
		return -ENOMEM;
	r = queue_create(fs, mode, ctx, &n->q);
	if (r < 0) {
		kmem_free(n);
		return r;
	}
	inode_get(&n->q->inode); /* the caller's */
	memcpy(n->name, name, strlen(name) + 1);
	mutex_lock(&fs->lock);
	n->place = fs->next_place++;
	list_push_back(&fs->names, &n->link);
	fs->nnames++;
	fs->mtime = fs->ctime = mqueue_now();
	mutex_unlock(&fs->lock);
	*out = &n->q->inode;
	return 0;
}

static int dir_unlink(struct inode *dir, const char *name, struct inode *victim,
		      const struct vfs_ctx *ctx UNUSED)
{
	struct mqueue *q = queue_of(victim);
	struct mqueue_fs *fs = fs_of(dir);
	struct mq_name *n;

	mutex_lock(&fs->lock);
	n = find_locked(fs, name);
	if (n) {
		list_del(&n->link);
		fs->nnames--;
		fs->mtime = fs->ctime = mqueue_now();
	}
	mutex_unlock(&fs->lock);
	if (!n)
		return -ENOENT;
	mutex_lock(&q->lock);
	q->nlink = 0;
	q->ctime = mqueue_now();
	mutex_unlock(&q->lock);
	inode_put(victim);
	kmem_free(n);
	return 0;
}

/* ---- attributes ---- */

static int mq_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx UNUSED)
{
	struct mqueue *q = queue_of(inode);
	struct mqueue_fs *fs = fs_of(inode);

	if (is_root(inode)) {
		mutex_lock(&fs->lock);
		inode_fill_stat(inode, st);
		st->size = (2 + fs->nnames) * NAME_SIZE;
		st->nlink = 2;
		st->atime = fs->atime;
		st->mtime = fs->mtime;
		st->ctime = fs->ctime;
		mutex_unlock(&fs->lock);
	} else {
		mutex_lock(&q->lock);
		inode_fill_stat(inode, st);
		st->size = q->size;
		st->nlink = q->nlink;
		st->atime = q->atime;
		st->mtime = q->mtime;
		st->ctime = q->ctime;
		mutex_unlock(&q->lock);
	}
	st->blksize = PAGE_SIZE;
	return 0;
}

static void set_ids_locked(struct inode *inode, const struct setattr *sa)
{
	if (sa->valid & SETATTR_MODE)
		inode->mode = (inode->mode & S_IFMT) | (sa->mode & 07777);
	if (sa->valid & SETATTR_UID)
		inode->uid = sa->uid;
	if (sa->valid & SETATTR_GID)
		inode->gid = sa->gid;
}

static void set_times_locked(const struct setattr *sa, struct timespec_k *atime,
			     struct timespec_k *mtime, struct timespec_k *ctime)
{
	struct timespec_k now = mqueue_now();

	if (sa->valid & (SETATTR_ATIME | SETATTR_ATIME_NOW))
		*atime = sa->valid & SETATTR_ATIME ? sa->atime : now;
	if (sa->valid & (SETATTR_MTIME | SETATTR_MTIME_NOW))
		*mtime = sa->valid & SETATTR_MTIME ? sa->mtime : now;
	*ctime = now;
}

static int mq_setattr(struct inode *inode, const struct setattr *sa,
		      const struct vfs_ctx *ctx UNUSED)
{
	struct mqueue *q = queue_of(inode);
	struct mqueue_fs *fs = fs_of(inode);

	if (is_root(inode)) {
		mutex_lock(&fs->lock);
		set_ids_locked(inode, sa);
		set_times_locked(sa, &fs->atime, &fs->mtime, &fs->ctime);
		mutex_unlock(&fs->lock);
		return 0;
	}
	mutex_lock(&q->lock);
	set_ids_locked(inode, sa);
	set_times_locked(sa, &q->atime, &q->mtime, &q->ctime);
	if (sa->valid & SETATTR_SIZE)
		q->size = sa->size;
	mutex_unlock(&q->lock);
	return 0;
}

/* ---- the directory as a file ---- */

struct entry {
	uint64_t place, ino;
	char name[NAME_LIMIT + 1];
};

/* A copy of the first name from that place on. */
static bool next_name(struct mqueue_fs *fs, uint64_t from, struct entry *out)
{
	bool found = false;

	mutex_lock(&fs->lock);
	list_for_each(n, &fs->names, struct mq_name, link) {
		if (n->place < from)
			continue;
		memcpy(out->name, n->name, sizeof(out->name));
		out->place = n->place;
		out->ino = n->q->inode.ino;
		found = true;
		break;
	}
	mutex_unlock(&fs->lock);
	return found;
}

/* Positions: the dots, then the places, which start at 2. */
static int dir_readdir(struct file *f, dirent_fn emit, void *arg, const struct vfs_ctx *ctx UNUSED)
{
	struct entry e;

	for (; f->pos < 2; f->pos++) {
		if (!emit(arg, "..", f->pos + 1, ROOT_INO, DT_DIR, f->pos + 1))
			return 0;
	}
	while (next_name(fs_of(f->inode), f->pos, &e)) {
		if (!emit(arg, e.name, strlen(e.name), e.ino, DT_REG, e.place + 1))
			return 0;
		f->pos = e.place + 1;
	}
	return 0;
}

static int64_t dir_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx UNUSED)
{
	if (whence == SEEK_CUR)
		off += (int64_t)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	f->pos = (fileoff_t)off;
	return off;
}

static const struct file_ops dir_fops = {
	.name = "mqueue",
	.lseek = dir_lseek,
	.readdir = dir_readdir,
};

static int mq_open_inode(struct inode *inode, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	f->ops = is_root(inode) ? &dir_fops : &mqueue_file_ops;
	f->priv = is_root(inode) ? NULL : queue_of(inode);
	return 0;
}

static const struct inode_ops dir_ops = {
	.lookup = dir_lookup,
	.create = dir_create,
	.unlink = dir_unlink,
	.getattr = mq_getattr,
	.setattr = mq_setattr,
	.open = mq_open_inode,
};

static const struct inode_ops queue_ops = {
	.getattr = mq_getattr,
	.setattr = mq_setattr,
	.open = mq_open_inode,
};

/* ---- the instance ---- */

static int mq_statfs(struct super *sb UNUSED, struct kstatfs *out)
{
	out->type = MQUEUE_MAGIC;
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = NAME_LIMIT;
	return 0;
}

/* No name can be reached any more. */
static void mq_destroy(struct super *sb)
{
	struct mqueue_fs *fs = container_of(sb, struct mqueue_fs, sb);

	list_for_each_safe(n, tmp, &fs->names, struct mq_name, link) {
		list_del(&n->link);
		inode_put(&n->q->inode);
		kmem_free(n);
	}
	fs_put(fs);
}

static const struct super_ops super_ops = {
	.inode_destroy = destroy,
	.statfs = mq_statfs,
	.destroy = mq_destroy,
};

/* ---- one of each IPC namespace ---- */

static int part_create(void **out)
{
	struct mqueue_fs *fs = kmem_zalloc(sizeof(*fs));
	int r;

	*out = NULL;
	if (!fs)
		return -ENOMEM;
	refcount_init(&fs->refs, 1);
	super_init(&fs->sb, &super_ops, "mqueue");
	inode_init(&fs->root, &dir_ops, &fs->sb, ROOT_INO, S_IFDIR | 01777, 0, 0);
	fs->sb.root = &fs->root;
	mutex_init(&fs->lock, LOCK_FILE);
	list_init(&fs->names);
	fs->next_place = 2;
	fs->next_ino = ROOT_INO + 1;
	fs->atime = fs->mtime = fs->ctime = mqueue_now();
	r = vfs_mount_hidden(&fs->sb, &fs->hidden);
	if (r < 0) {
		super_put(&fs->sb);
		return r;
	}
	*out = fs;
	return 0;
}

static void part_destroy(void *part)
{
	struct mqueue_fs *fs = part;
	struct path hidden = fs->hidden;

	path_put(&hidden); /* the last reference of a super that nobody mounted */
}

int mqueue_init(void)
{
	static const struct ipc_part_ops ops = { .create = part_create, .destroy = part_destroy };

	return ipc_ns_register(IPC_MQUEUE, &ops);
}

static struct mqueue_fs *fs_of_task(struct task *t)
{
	return task_ipc_part(t, IPC_MQUEUE);
}

int mqueue_create(struct super **out)
{
	*out = &fs_of_task(task_current())->sb;
	super_get(*out);
	return 0;
}

/* ---- mq_open(2), mq_unlink(2) ---- */

/* One component: whatever else leads out of the directory is refused. */
static int check_name(const char *name)
{
	if (!*name)
		return -ENOENT;
	if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EACCES;
	return 0;
}

int mqueue_open(struct vfs_ctx *ctx, const char *name, unsigned flags, uint32_t mode,
		const struct mqueue_attr *attr, struct file **out)
{
	int r = check_name(name);

	if (r < 0)
		return r;
	ctx->create_arg = attr;
	r = vfs_open(ctx, &fs_of_task(ctx->task)->hidden, name, flags, mode, 0, out);
	ctx->create_arg = NULL;
	return r;
}

int mqueue_unlink(const struct vfs_ctx *ctx, const char *name)
{
	int r = check_name(name);

	return r < 0 ? r : vfs_unlink(ctx, &fs_of_task(ctx->task)->hidden, name);
}
