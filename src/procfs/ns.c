/*
 * /proc/[pid]/ns: links to the namespaces that a task is in. A link leads to a file of
 * nsfs (vfs/nsfs.h), whose number is what programs compare.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "procfs/internal.h"
#include "vfs/nsfs.h"

#define FOR_CHILDREN 64 /* with the kind, in pentry.index */

static struct ns *ns_of(const struct subject *s)
{
	enum ns_kind kind = (enum ns_kind)(s->entry->index & ~FOR_CHILDREN);
	struct ns *ns;

	if (!s->task)
		return NULL;
	if (!(s->entry->index & FOR_CHILDREN))
		return task_active_ns_get(s->task, kind);
	ns = task_ns_get(s->task, kind);
	/* Not before its init lives. */
	if (ns && kind == NS_PID && ns != &pid_ns_first.ns && !READ_ONCE(pid_ns_of(ns)->init)) {
		ns_put(ns);
		ns = NULL;
	}
	return ns;
}

static ssize_t ns_readlink(const struct subject *s, char *buf, size_t size)
{
	struct ns *ns = ns_of(s);
	char text[40];
	int n;

	if (!ns)
		return -ENOENT;
	n = snprintf(text, sizeof(text), "%s:[%llu]", ns_kind_name(ns->ops->kind),
		     (unsigned long long)ns->ino);
	ns_put(ns);
	memcpy(buf, text, MIN((size_t)n, size));
	return (ssize_t)MIN((size_t)n, size);
}

static int ns_follow(const struct subject *s, struct path *out)
{
	struct ns *ns = ns_of(s);
	int r = ns ? nsfs_path(ns, out) : -ENOENT;

	ns_put(ns);
	return r;
}

#define NS_LINK(text, which)                                                              \
	{                                                                                 \
		.name = text, .mode = S_IFLNK | 0777, .is_private = true, .index = which, \
		.readlink = ns_readlink, .follow = ns_follow                              \
	}

const struct pentry proc_ns_entries[] = {
	NS_LINK("cgroup", NS_CGROUP),
	NS_LINK("ipc", NS_IPC),
	NS_LINK("mnt", NS_MNT),
	NS_LINK("net", NS_NET),
	NS_LINK("pid", NS_PID),
	NS_LINK("pid_for_children", NS_PID | FOR_CHILDREN),
	NS_LINK("time", NS_TIME),
	NS_LINK("time_for_children", NS_TIME | FOR_CHILDREN),
	NS_LINK("user", NS_USER),
	NS_LINK("uts", NS_UTS),
	{ .name = NULL },
};
