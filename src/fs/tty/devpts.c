/*
 * devpts: the file system of /dev/pts. A directory with ptmx, whose opening
 * makes a pseudo terminal, and a node for each terminal that there is.
 *
 * A node is an inode that holds its terminal; the table of numbers holds the
 * node. Terminals come and go under the names that vfs has cached:
 * devpts_revalidate() tells the names that are still right.
 *
 * The instance lives as long as anything of it: its super, its inodes, and the
 * masters that were opened through it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/pool.h"
#include "fs/tty/internal.h"
#include "host/host.h"
#include "task/task.h"

#define DEVPTS_MAGIC 0x1cd1
#define ROOT_INO 1
#define PTMX_INO 2
#define FIRST_INO 3
#define MAJOR_TTY 5 /* 0: tty, 2: ptmx */
#define MINOR_TTY 0
#define MINOR_PTMX 2
#define MAJOR_PTS 136
#define PTS_MINORS 1048576

struct devpts {
	struct super sb;
	struct refcount refs;      /* the super's, each node's, each master's */
	struct devpts_options opt; /* [I] */
	struct inode *ptmx;        /* [I] reference, until the super goes */
	struct mutex lock;
	struct pts_slot *slots; /* [l] by number */
	unsigned nslots;        /* [l] */
};

struct pts_slot {
	bool taken;
	struct pts_node *node; /* reference */
};

struct pts_node {
	struct inode inode;                  /* mode, uid, gid: under devpts.lock */
	struct devpts *devpts;               /* reference */
	struct tty *tty;                     /* reference; NULL: the root, ptmx */
	struct timespec_k ctime;             /* [l] */
	_Atomic uint64_t atime_ns, mtime_ns; /* [a] CLOCK_REALTIME */
};

const struct devpts_options devpts_defaults = {
	.uid = ~0u,
	.gid = 5,
	.mode = 0620,
	.ptmx_mode = 0666,
	.max = 4096,
};

static POOL_DEFINE(pts_node_pool, struct pts_node);

/* The instance of ptmx nodes that lie elsewhere: the first that was made. */
static struct devpts *_Atomic system_instance;

static const struct inode_ops devpts_dir_ops, devpts_node_ops;
static const struct super_ops devpts_super_ops;

static struct pts_node *node_of(struct inode *inode)
{
	return container_of(inode, struct pts_node, inode);
}

static struct devpts *devpts_of(struct super *sb)
{
	return container_of(sb, struct devpts, sb);
}

static void devpts_get(struct devpts *dp)
{
	refcount_get(&dp->refs);
}

static void devpts_put(struct devpts *dp)
{
	if (!refcount_put(&dp->refs))
		return;
	free(dp->slots);
	free(dp);
}

struct super *devpts_super(struct devpts *dp)
{
	return &dp->sb;
}

uint64_t devpts_rdev(unsigned index)
{
	return makedev(MAJOR_PTS, index);
}

/* ---- nodes ---- */

static struct timespec_k time_of(uint64_t ns)
{
	return (struct timespec_k){ (int64_t)(ns / 1000000000), (uint32_t)(ns % 1000000000) };
}

static uint64_t ns_of(const struct timespec_k *t)
{
	return (uint64_t)t->sec * 1000000000 + t->nsec;
}

static struct pts_node *node_create(struct devpts *dp, uint64_t ino, uint32_t mode, uint32_t uid,
				    uint32_t gid, uint64_t rdev)
{
	struct pts_node *n = pool_alloc(&pts_node_pool);
	uint64_t now = host_clock_ns(CLOCK_REALTIME);

	if (!n)
		return NULL;
	inode_init(&n->inode, S_ISDIR(mode) ? &devpts_dir_ops : &devpts_node_ops, &dp->sb, ino,
		   mode, uid, gid);
	n->inode.rdev = rdev;
	n->devpts = dp;
	n->ctime = time_of(now);
	atomic_init(&n->atime_ns, now);
	atomic_init(&n->mtime_ns, now);
	devpts_get(dp);
	return n;
}

static void devpts_inode_destroy(struct inode *inode)
{
	struct pts_node *n = node_of(inode);
	struct devpts *dp = n->devpts;

	tty_put(n->tty);
	pool_free(&pts_node_pool, n);
	devpts_put(dp);
}

static int devpts_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx UNUSED)
{
	struct pts_node *n = node_of(inode);

	mutex_lock(&n->devpts->lock);
	inode_fill_stat(inode, st);
	st->ctime = n->ctime;
	mutex_unlock(&n->devpts->lock);
	st->nlink = S_ISDIR(inode->mode) ? 2 : 1;
	st->blksize = 1024;
	st->atime = time_of(atomic_load(&n->atime_ns));
	st->mtime = time_of(atomic_load(&n->mtime_ns));
	return 0;
}

static int devpts_setattr(struct inode *inode, const struct setattr *sa,
			  const struct vfs_ctx *ctx UNUSED)
{
	struct pts_node *n = node_of(inode);
	uint64_t now = host_clock_ns(CLOCK_REALTIME);

	if (sa->valid & SETATTR_SIZE)
		return -EINVAL;
	mutex_lock(&n->devpts->lock);
	if (sa->valid & SETATTR_MODE)
		inode->mode = (inode->mode & S_IFMT) | (sa->mode & 07777);
	if (sa->valid & SETATTR_UID)
		inode->uid = sa->uid;
	if (sa->valid & SETATTR_GID)
		inode->gid = sa->gid;
	n->ctime = time_of(now);
	mutex_unlock(&n->devpts->lock);
	if (sa->valid & (SETATTR_ATIME | SETATTR_ATIME_NOW))
		atomic_store(&n->atime_ns, sa->valid & SETATTR_ATIME ? ns_of(&sa->atime) : now);
	if (sa->valid & (SETATTR_MTIME | SETATTR_MTIME_NOW))
		atomic_store(&n->mtime_ns, sa->valid & SETATTR_MTIME ? ns_of(&sa->mtime) : now);
	return 0;
}

void devpts_touch(struct file *f, bool written)
{
	struct pts_node *n;

	if (f->inode->ops != &devpts_node_ops)
		return; /* through /dev/tty */
	n = node_of(f->inode);
	atomic_store(written ? &n->mtime_ns : &n->atime_ns, host_clock_ns(CLOCK_REALTIME));
}

/* ---- numbers ---- */

static int grow_locked(struct devpts *dp, unsigned need)
{
	unsigned n = MAX(dp->nslots * 2, 16u);
	struct pts_slot *slots;

	while (n < need)
		n *= 2;
	slots = realloc(dp->slots, n * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + dp->nslots, 0, (n - dp->nslots) * sizeof(*slots));
	dp->slots = slots;
	dp->nslots = n;
	return 0;
}

static int reserve_locked(struct devpts *dp, unsigned i)
{
	int r;

	if (i >= dp->opt.max)
		return -ENOSPC;
	r = i < dp->nslots ? 0 : grow_locked(dp, i + 1);
	if (r < 0)
		return r;
	if (dp->slots[i].taken)
		return -EBUSY;
	dp->slots[i].taken = true;
	return 0;
}

int devpts_reserve(struct devpts *dp, unsigned *index)
{
	unsigned i = 0;
	int r;

	mutex_lock(&dp->lock);
	while (i < dp->nslots && dp->slots[i].taken)
		i++;
	r = reserve_locked(dp, i);
	mutex_unlock(&dp->lock);
	*index = i;
	if (r == 0)
		devpts_get(dp);
	return r;
}

/* The number becomes free; its node's reference is the caller's. */
static struct pts_node *release(struct devpts *dp, unsigned index)
{
	struct pts_node *n;

	mutex_lock(&dp->lock);
	n = dp->slots[index].node;
	dp->slots[index] = (struct pts_slot){ false, NULL };
	mutex_unlock(&dp->lock);
	return n;
}

void devpts_unreserve(struct devpts *dp, unsigned index)
{
	(void)release(dp, index);
	devpts_put(dp);
}

void devpts_remove(struct devpts *dp, unsigned index)
{
	struct pts_node *n = release(dp, index);

	if (n) {
		inode_forget_names(&n->inode);
		inode_put(&n->inode);
	}
	devpts_put(dp);
}

static int publish(struct devpts *dp, unsigned index, struct tty *tty, uint32_t uid, uint32_t gid)
{
	struct pts_node *n;

	if (dp->opt.uid != ~0u)
		uid = dp->opt.uid;
	if (dp->opt.gid != ~0u)
		gid = dp->opt.gid;
	n = node_create(dp, FIRST_INO + index, S_IFCHR | dp->opt.mode, uid, gid,
			devpts_rdev(index));
	if (!n)
		return -ENOMEM;
	tty_get(tty);
	n->tty = tty;
	mutex_lock(&dp->lock);
	dp->slots[index].node = n;
	mutex_unlock(&dp->lock);
	return 0;
}

int devpts_publish(struct devpts *dp, unsigned index, struct tty *tty, const struct cred *cred)
{
	return publish(dp, index, tty, cred->fsuid, cred->fsgid);
}

int devpts_add(struct super *sb, unsigned index, struct tty *tty, uint32_t uid, uint32_t gid)
{
	struct devpts *dp = devpts_of(sb);
	int r;

	mutex_lock(&dp->lock);
	r = reserve_locked(dp, index);
	mutex_unlock(&dp->lock);
	if (r < 0)
		return r;
	r = publish(dp, index, tty, uid, gid);
	if (r < 0)
		(void)release(dp, index);
	return r;
}

static struct inode *node_by_number(struct devpts *dp, unsigned index)
{
	struct inode *inode = NULL;

	mutex_lock(&dp->lock);
	if (index < dp->nslots && dp->slots[index].node) {
		inode = &dp->slots[index].node->inode;
		inode_get(inode);
	}
	mutex_unlock(&dp->lock);
	return inode;
}

/* ---- the directory ---- */

/* The number that a name says, canonically. */
static bool parse_number(const char *name, unsigned *index)
{
	uint64_t v = 0;

	if (name[0] == '0' && name[1])
		return false;
	for (const char *c = name; *c; c++) {
		if (*c < '0' || *c > '9' || v >= PTS_MINORS)
			return false;
		v = v * 10 + (uint64_t)(*c - '0');
	}
	*index = (unsigned)v;
	return name[0] != '\0';
}

static int devpts_lookup(struct inode *dir, const char *name, const struct vfs_ctx *ctx UNUSED,
			 struct inode **out)
{
	struct devpts *dp = devpts_of(dir->sb);
	unsigned index;

	*out = NULL;
	if (strcmp(name, "ptmx") == 0) {
		inode_get(dp->ptmx);
		*out = dp->ptmx;
		return 0;
	}
	if (parse_number(name, &index))
		*out = node_by_number(dp, index);
	return *out ? 0 : -ENOENT;
}

static bool devpts_revalidate(struct inode *dir, const char *name, struct inode *inode)
{
	struct devpts *dp = devpts_of(dir->sb);
	unsigned index;
	bool r;

	if (inode == dp->ptmx || !parse_number(name, &index))
		return true;
	mutex_lock(&dp->lock);
	r = index < dp->nslots && dp->slots[index].node && &dp->slots[index].node->inode == inode;
	mutex_unlock(&dp->lock);
	return r;
}

/* The first number from `from` on that has a node; nslots: none. */
static unsigned next_number(struct devpts *dp, unsigned from)
{
	mutex_lock(&dp->lock);
	while (from < dp->nslots && !dp->slots[from].node)
		from++;
	from = MIN(from, dp->nslots);
	mutex_unlock(&dp->lock);
	return from;
}

/* Positions: 0 and 1 the dots, 2 ptmx, then 3 + number. */
static int devpts_readdir(struct file *f, dirent_fn emit, void *arg,
			  const struct vfs_ctx *ctx UNUSED)
{
	static const struct {
		const char *name;
		uint64_t ino;
		uint8_t type;
	} fixed[] = { { ".", ROOT_INO, DT_DIR },
		      { "..", ROOT_INO, DT_DIR },
		      { "ptmx", PTMX_INO, DT_CHR } };
	struct devpts *dp = devpts_of(f->inode->sb);
	char name[16];

	for (; f->pos < ARRAY_SIZE(fixed); f->pos++) {
		if (!emit(arg, fixed[f->pos].name, strlen(fixed[f->pos].name), fixed[f->pos].ino,
			  fixed[f->pos].type, f->pos + 1))
			return 0;
	}
	for (;;) {
		unsigned i = next_number(dp, (unsigned)(f->pos - ARRAY_SIZE(fixed)));
		int len;

		if (i == dp->nslots)
			return 0;
		len = snprintf(name, sizeof(name), "%u", i);
		if (!emit(arg, name, (size_t)len, FIRST_INO + i, DT_CHR, ARRAY_SIZE(fixed) + i + 1))
			return 0;
		f->pos = ARRAY_SIZE(fixed) + i + 1;
	}
}

static int64_t devpts_dir_lseek(struct file *f, int64_t off, int whence,
				const struct vfs_ctx *ctx UNUSED)
{
	if (whence == SEEK_CUR)
		off += (int64_t)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	f->pos = MIN((fileoff_t)off, (fileoff_t)PTS_MINORS + FIRST_INO);
	return (int64_t)f->pos;
}

static const struct file_ops devpts_dir_fops = {
	.name = "devpts",
	.lseek = devpts_dir_lseek,
	.readdir = devpts_readdir,
};

static int devpts_dir_open(struct inode *inode UNUSED, struct file *f,
			   const struct vfs_ctx *ctx UNUSED)
{
	f->ops = &devpts_dir_fops;
	return 0;
}

static const struct inode_ops devpts_dir_ops = {
	.lookup = devpts_lookup,
	.revalidate = devpts_revalidate,
	.getattr = devpts_getattr,
	.setattr = devpts_setattr,
	.open = devpts_dir_open,
};

static const struct inode_ops devpts_node_ops = {
	.getattr = devpts_getattr,
	.setattr = devpts_setattr,
};

/* ---- the instance ---- */

static int devpts_statfs(struct super *sb, struct kstatfs *out)
{
	out->type = DEVPTS_MAGIC;
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = 255;
	out->fsid = sb->dev;
	return 0;
}

static size_t devpts_show_options(struct super *sb, char *buf, size_t size)
{
	const struct devpts_options *opt = &devpts_of(sb)->opt;
	char uid[24] = "", gid[24] = "";

	if (opt->uid != ~0u)
		snprintf(uid, sizeof(uid), "uid=%u,", opt->uid);
	if (opt->gid != ~0u)
		snprintf(gid, sizeof(gid), "gid=%u,", opt->gid);
	snprintf(buf, size, "%s%smode=%03o,ptmxmode=%03o", uid, gid, opt->mode, opt->ptmx_mode);
	return strlen(buf);
}

static void devpts_destroy(struct super *sb)
{
	struct devpts *dp = devpts_of(sb);

	inode_put(dp->ptmx);
	devpts_put(dp);
}

static const struct super_ops devpts_super_ops = {
	.inode_destroy = devpts_inode_destroy,
	.statfs = devpts_statfs,
	.destroy = devpts_destroy,
	.show_options = devpts_show_options,
};

int devpts_create(const struct devpts_options *opt, struct super **out)
{
	struct devpts *dp = calloc(1, sizeof(*dp)), *none = NULL;
	struct pts_node *root, *ptmx;

	*out = NULL;
	if (!dp)
		return -ENOMEM;
	super_init(&dp->sb, &devpts_super_ops, "devpts");
	dp->sb.flags = SUPER_NO_NEGATIVE;
	refcount_init(&dp->refs, 1);
	dp->opt = *opt;
	mutex_init(&dp->lock, LOCK_INODE);
	root = node_create(dp, ROOT_INO, S_IFDIR | 0755, 0, 0, 0);
	ptmx = node_create(dp, PTMX_INO, S_IFCHR | opt->ptmx_mode, 0, 0,
			   makedev(MAJOR_TTY, MINOR_PTMX));
	if (!root || !ptmx) {
		if (root)
			inode_put(&root->inode);
		if (ptmx)
			inode_put(&ptmx->inode);
		devpts_put(dp);
		return -ENOMEM;
	}
	dp->sb.root = &root->inode;
	dp->ptmx = &ptmx->inode;
	if (atomic_compare_exchange_strong(&system_instance, &none, dp))
		devpts_get(dp); /* for ever */
	*out = &dp->sb;
	return 0;
}

/* One "name=number" of mount(2)'s data. */
static int parse_option(const char *word, struct devpts_options *opt)
{
	const char *value = strchr(word, '=');
	size_t len = value ? (size_t)(value - word) : strlen(word);
	unsigned long v;
	char *end;

	if (!value)
		return strcmp(word, "newinstance") == 0 ? 0 : -EINVAL;
#define IS(name) (len == sizeof(name) - 1 && memcmp(word, name, len) == 0)
	v = strtoul(value + 1, &end, IS("mode") || IS("ptmxmode") ? 8 : 10);
	if (!value[1] || *end || v > UINT32_MAX - 1)
		return -EINVAL;
	if (IS("uid"))
		opt->uid = (uint32_t)v;
	else if (IS("gid"))
		opt->gid = (uint32_t)v;
	else if (IS("mode"))
		opt->mode = (uint32_t)v & 0777;
	else if (IS("ptmxmode"))
		opt->ptmx_mode = (uint32_t)v & 0777;
	else if (IS("max") && v <= devpts_defaults.max)
		opt->max = (unsigned)v;
	else
		return -EINVAL;
#undef IS
	return 0;
}

int devpts_parse(const char *text, struct devpts_options *opt)
{
	char copy[256], *rest = copy, *word;
	int r = 0;

	*opt = (struct devpts_options){
		.uid = ~0u, .gid = ~0u, .mode = 0600, .ptmx_mode = 0, .max = devpts_defaults.max
	};
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	while (r == 0 && (word = strsep(&rest, ","))) {
		if (*word)
			r = parse_option(word, opt);
	}
	return r;
}

/* ---- the devices ---- */

static int open_pts(struct inode *inode, struct file *f, const struct vfs_ctx *ctx)
{
	struct tty *tty;
	int r;

	if (inode->ops != &devpts_node_ops)
		return -EIO; /* the number alone names no terminal */
	tty = node_of(inode)->tty;
	r = tty->ops->open(tty, f, ctx);
	if (r == 0 && ctx->task && !(atomic_load(&f->flags) & O_NOCTTY) && file_may_read(f))
		tty_opened(ctx->task, tty);
	return r;
}

static int open_ptmx(struct file *f, const struct vfs_ctx *ctx)
{
	struct devpts *dp = f->inode->ops == &devpts_node_ops ? devpts_of(f->inode->sb)
							      : atomic_load(&system_instance);

	return dp ? pty_open_master(dp, f, ctx) : -ENODEV;
}

static int open_tty(struct file *f, const struct vfs_ctx *ctx)
{
	struct tty *tty = ctx->task ? tty_of_task(ctx->task) : NULL;
	int r = tty ? tty->ops->open(tty, f, ctx) : -ENXIO;

	tty_put(tty);
	return r;
}

static int open_by_number(struct inode *inode, struct file *f, const struct vfs_ctx *ctx)
{
	switch (minor(inode->rdev)) {
	case MINOR_TTY:
		return open_tty(f, ctx);
	case MINOR_PTMX:
		return open_ptmx(f, ctx);
	}
	return -ENXIO;
}

void tty_register_devices(void)
{
	static const struct chrdev_ops tty_driver = { open_by_number };
	static const struct chrdev_ops pts_driver = { open_pts };

	vfs_register_chrdev(MAJOR_TTY, 0, MINOR_PTMX + 1, &tty_driver);
	vfs_register_chrdev(MAJOR_PTS, 0, PTS_MINORS, &pts_driver);
}
