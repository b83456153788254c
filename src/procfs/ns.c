/*
 * /proc/[pid]/ns: links to the namespaces that a process is in. There is one of
 * each kind, so that all processes show the same.
 *
 * A link leads to an inode of nsfs, whose number is what programs compare; it
 * can be opened, and says by ioctl what it is. setns(2) refuses it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "procfs/internal.h"

#define NSFS_MAGIC 0x6e736673
/* <linux/nsfs.h> */
#define NS_GET_USERNS 0xb701u
#define NS_GET_PARENT 0xb702u
#define NS_GET_NSTYPE 0xb703u
#define NS_GET_OWNER_UID 0xb704u

struct namespace
{
	struct inode inode;
	const char *name;
	unsigned number; /* as Linux numbers the first of each kind */
	int type;
	struct file *shown; /* keeps the place that the link leads to */
};

enum { NS_CGROUP, NS_IPC, NS_MNT, NS_NET, NS_PID, NS_TIME, NS_USER, NS_UTS, NS_KINDS };

static struct namespace namespaces[NS_KINDS] = {
	[NS_CGROUP] = { .name = "cgroup", .number = 4026531835u, .type = CLONE_NEWCGROUP },
	[NS_IPC] = { .name = "ipc", .number = 4026531839u, .type = CLONE_NEWIPC },
	[NS_MNT] = { .name = "mnt", .number = 4026531841u, .type = CLONE_NEWNS },
	[NS_NET] = { .name = "net", .number = 4026531840u, .type = CLONE_NEWNET },
	[NS_PID] = { .name = "pid", .number = 4026531836u, .type = CLONE_NEWPID },
	[NS_TIME] = { .name = "time", .number = 4026531834u, .type = CLONE_NEWTIME },
	[NS_USER] = { .name = "user", .number = 4026531837u, .type = CLONE_NEWUSER },
	[NS_UTS] = { .name = "uts", .number = 4026531838u, .type = CLONE_NEWUTS },
};

/* ---- the inodes ---- */

static long ns_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	const struct namespace *ns = container_of(f->inode, struct namespace, inode);
	uint32_t owner = 0;

	switch (cmd) {
	case NS_GET_NSTYPE:
		return ns->type;
	case NS_GET_OWNER_UID:
		if (ns->type != CLONE_NEWUSER)
			return -EINVAL;
		return copy_out(ctx->mem, arg, &owner, sizeof(owner));
	case NS_GET_USERNS:
	case NS_GET_PARENT:
		return -EPERM; /* the first of its kind: nothing above is in sight */
	}
	return -ENOTTY;
}

static const struct file_ops ns_file_ops = { .name = "nsfs", .ioctl = ns_ioctl };

static int ns_open(struct inode *inode UNUSED, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	if ((atomic_load(&f->flags) & O_ACCMODE) != O_RDONLY)
		return -EPERM;
	f->ops = &ns_file_ops;
	return 0;
}

static const struct inode_ops ns_inode_ops = { .open = ns_open };

static void ns_destroy(struct inode *inode UNUSED)
{
}

static int ns_statfs(struct super *sb UNUSED, struct kstatfs *out)
{
	*out = (struct kstatfs){ .type = NSFS_MAGIC, .bsize = 4096, .namelen = 255, .frsize = 4096 };
	return 0;
}

static const struct super_ops ns_super_ops = { .inode_destroy = ns_destroy, .statfs = ns_statfs };
static struct super ns_super;

int procfs_ns_init(void)
{
	struct cred *root = cred_create(0, 0);
	int r = root ? 0 : -ENOMEM;

	super_init(&ns_super, &ns_super_ops, "nsfs");
	for (int i = 0; i < NS_KINDS && r == 0; i++) {
		struct namespace *ns = &namespaces[i];

		inode_init(&ns->inode, &ns_inode_ops, &ns_super, ns->number, S_IFREG | 0444, 0, 0);
		r = file_create_anon_of(&ns->inode, &ns_file_ops, NULL, O_RDONLY, root, &ns->shown);
	}
	cred_put(root);
	return r;
}

/* ---- the links ---- */

static ssize_t ns_readlink(const struct subject *s, char *buf, size_t size)
{
	const struct namespace *ns = &namespaces[s->entry->index];
	char text[40];
	int n = snprintf(text, sizeof(text), "%s:[%u]", ns->name, ns->number);

	memcpy(buf, text, MIN((size_t)n, size));
	return (ssize_t)MIN((size_t)n, size);
}

static int ns_follow(const struct subject *s, struct path *out)
{
	*out = namespaces[s->entry->index].shown->path;
	path_get(out);
	return 0;
}

#define NS_LINK(text, which)                                                                   \
	{                                                                                      \
		.name = text, .mode = S_IFLNK | 0777, .index = which, .readlink = ns_readlink, \
		.follow = ns_follow                                                            \
	}

const struct pentry proc_ns_entries[] = {
	NS_LINK("cgroup", NS_CGROUP),
	NS_LINK("ipc", NS_IPC),
	NS_LINK("mnt", NS_MNT),
	NS_LINK("net", NS_NET),
	NS_LINK("pid", NS_PID),
	NS_LINK("pid_for_children", NS_PID),
	NS_LINK("time", NS_TIME),
	NS_LINK("time_for_children", NS_TIME),
	NS_LINK("user", NS_USER),
	NS_LINK("uts", NS_UTS),
	{ .name = NULL },
};
