/* Files about one process or thread (proc(5)). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "procfs/internal.h"
#include "task/seccomp.h"
#include "task/ptrace.h"
#include "task/tty.h"
#include "task/user.h"

static char state_letter(const struct subject *s)
{
	if (s->group == s->k->init) /* the kernel itself */
		return 'S';
	if (s->group->is_zombie || !s->task)
		return 'Z';
	switch (atomic_load(&s->task->state)) {
	case TASK_STOPPED:
		return 'T';
	case TASK_TRACED:
		return 't';
	case TASK_ZOMBIE:
	case TASK_DEAD:
		return 'Z';
	default:
		return "RSD"[waiter_state(&s->task->waiter)]; /* in its order */
	}
}

static const char *state_name(char c)
{
	switch (c) {
	case 'R':
		return "running";
	case 'S':
		return "sleeping";
	case 'D':
		return "disk sleep";
	case 'T':
		return "stopped";
	case 't':
		return "tracing stop";
	default:
		return "zombie";
	}
}

static const char *comm_of(const struct subject *s)
{
	return s->task ? s->task->comm : "?";
}

static void usage_of(const struct subject *s, struct mm_usage *u)
{
	struct mm *mm = s->task ? task_mm_get(s->task) : NULL;

	memset(u, 0, sizeof(*u));
	if (mm)
		mm_get_usage(mm, u);
	mm_put(mm);
}

static void layout_of(const struct subject *s, struct mm_layout *l)
{
	struct mm *mm = s->task ? task_mm_get(s->task) : NULL;

	memset(l, 0, sizeof(*l));
	if (mm)
		mm_get_layout(mm, l);
	mm_put(mm);
}

/* A range of the process's memory: its arguments, its environment. */
static void show_range(const struct subject *s, struct text *t, gva_t start, gva_t end)
{
	struct mm *mm = s->task ? task_mm_get(s->task) : NULL;
	char buf[4096];

	if (!mm)
		return;
	end = MIN(end, start + (1u << 21));
	while (start < end) {
		ssize_t n = mm_read_partial(mm, buf, start, MIN(sizeof(buf), end - start), true);

		if (n <= 0)
			break;
		text_bytes(t, buf, (size_t)n);
		start += (uint64_t)n;
	}
	mm_put(mm);
}

static void show_cmdline(const struct subject *s, struct text *t)
{
	struct mm_layout l;

	layout_of(s, &l);
	show_range(s, t, l.arg_start, l.arg_end);
}

static void show_environ(const struct subject *s, struct text *t)
{
	struct mm_layout l;

	layout_of(s, &l);
	show_range(s, t, l.env_start, l.env_end);
}

static void show_auxv(const struct subject *s, struct text *t)
{
	struct mm_layout l;

	layout_of(s, &l);
	text_bytes(t, l.auxv, l.auxv_count * sizeof(l.auxv[0]));
}

static void show_comm(const struct subject *s, struct text *t)
{
	text_add(t, "%.15s\n", comm_of(s));
}

static ssize_t store_comm(const struct subject *s, const char *buf, size_t size)
{
	size_t n = MIN(strcspn(buf, "\n"), (size_t)15);

	if (!s->task || !s->ctx || ((struct task *)s->ctx->task)->group != s->group)
		return -EINVAL;
	memset(s->task->comm, 0, sizeof(s->task->comm));
	memcpy(s->task->comm, buf, n);
	return (ssize_t)size;
}

/* As the scheduler counts: 20 + nice, or below zero for real time. */
static int priority_of(const struct subject *s)
{
	if (!s->task)
		return 20;
	return s->task->rt_priority ? -1 - s->task->rt_priority : 20 + s->task->nice;
}

static void show_stat(const struct subject *s, struct text *t)
{
	struct thread_group *g = s->group;
	struct signal_view sv = { 0 };
	uint64_t ut, st, start;
	struct mm_usage u;
	struct mm_layout l;
	uint64_t tty;
	int32_t tpgid;

	usage_of(s, &u);
	layout_of(s, &l);
	group_times(g, &ut, &st);
	tty_of_group(g, &tty, &tpgid);
	if (s->task)
		signal_view(s->task, &sv);
	start = (s->task ? s->task->start_ns : s->k->boot_ns) / 10000000;
	text_add(
		t,
		"%d (%.15s) %c %d %d %d %d %d 4194304 %lu 0 %lu 0 %llu %llu %llu %llu %d %d %u 0 %llu %llu "
		"%llu 18446744073709551615 %llu %llu %llu 0 0 %llu %llu %llu %llu 0 0 0 17 0 %d %d 0 0 0 "
		"%llu %llu %llu %llu %llu %llu %llu %d\n",
		proc_number(s, s->task && s->ctx ? (s->task->tid ? s->task->tid : g->pid) : g->pid),
		comm_of(s), state_letter(s), proc_number(s, group_ppid(g)), proc_number(s, g->pgid),
		proc_number(s, g->sid), (int)tty, proc_number(s, tpgid),
		s->task ? atomic_load(&s->task->minflt) : 0,
		s->task ? atomic_load(&s->task->majflt) : 0, (unsigned long long)(ut / 10000000),
		(unsigned long long)(st / 10000000),
		(unsigned long long)(g->child_utime_ns / 10000000),
		(unsigned long long)(g->child_stime_ns / 10000000), priority_of(s),
		s->task ? s->task->nice : 0, g->ntasks, (unsigned long long)start,
		(unsigned long long)u.vsize, (unsigned long long)(u.rss >> PAGE_SHIFT),
		(unsigned long long)l.code_start, (unsigned long long)l.code_end,
		(unsigned long long)l.stack_start, (unsigned long long)sv.pending,
		(unsigned long long)sv.blocked, (unsigned long long)sv.ignored,
		(unsigned long long)sv.caught, s->task ? s->task->rt_priority : 0,
		s->task ? s->task->policy : 0, (unsigned long long)l.data_start,
		(unsigned long long)l.data_end, (unsigned long long)l.brk_start,
		(unsigned long long)l.arg_start, (unsigned long long)l.arg_end,
		(unsigned long long)l.env_start, (unsigned long long)l.env_end, g->exit_status);
}

static void show_statm(const struct subject *s, struct text *t)
{
	struct mm_usage u;

	usage_of(s, &u);
	text_add(t, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)(u.vsize >> PAGE_SHIFT),
		 (unsigned long long)(u.rss >> PAGE_SHIFT),
		 (unsigned long long)(u.rss_file >> PAGE_SHIFT),
		 (unsigned long long)(u.text >> PAGE_SHIFT),
		 (unsigned long long)(u.data >> PAGE_SHIFT));
}

static void status_memory(const struct subject *s, struct text *t)
{
	struct mm_usage u;

	usage_of(s, &u);
	text_add(t,
		 "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t%8llu kB\nVmPin:\t       0 kB\n"
		 "VmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\nRssAnon:\t%8llu kB\nRssFile:\t%8llu kB\n"
		 "RssShmem:\t%8llu kB\nVmData:\t%8llu kB\nVmStk:\t%8llu kB\nVmExe:\t%8llu kB\n"
		 "VmLib:\t       0 kB\nVmPTE:\t       0 kB\nVmSwap:\t       0 kB\n",
		 (unsigned long long)u.peak_vsize >> 10, (unsigned long long)u.vsize >> 10,
		 (unsigned long long)u.locked >> 10, (unsigned long long)u.peak_rss >> 10,
		 (unsigned long long)u.rss >> 10, (unsigned long long)(u.rss - u.rss_file) >> 10,
		 (unsigned long long)u.rss_file >> 10, (unsigned long long)u.rss_shared >> 10,
		 (unsigned long long)u.data >> 10, (unsigned long long)u.stack >> 10,
		 (unsigned long long)u.text >> 10);
}

static void status_signals(const struct subject *s, struct text *t)
{
	struct signal_view v;
	uint64_t limit = task_limit(s->task, RLIMIT_SIGPENDING_NR);

	signal_view(s->task, &v);
	text_add(t,
		 "SigQ:\t%u/%llu\nSigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\n"
		 "SigIgn:\t%016llx\nSigCgt:\t%016llx\n",
		 (unsigned)user_charged(task_uid(s->task), USER_SIGPENDING),
		 (unsigned long long)limit, (unsigned long long)v.pending,
		 (unsigned long long)v.group_pending, (unsigned long long)v.blocked,
		 (unsigned long long)v.ignored, (unsigned long long)v.caught);
}

static uint32_t umask_of(const struct subject *s)
{
	struct fs_context *fs = s->task ? task_fs_get(s->task) : NULL;
	uint32_t umask = 022;

	if (fs) {
		mutex_lock(&fs->lock);
		umask = fs->umask;
		mutex_unlock(&fs->lock);
	}
	fs_context_put(fs);
	return umask;
}

/* The mask, and the same as a list of ranges. */
static void status_cpus(const struct subject *s, struct text *t)
{
	uint64_t mask = __atomic_load_n(&s->task->cpu_affinity, __ATOMIC_RELAXED);
	const char *comma = "";

	text_add(t, "Cpus_allowed:\t%llx\nCpus_allowed_list:\t", (unsigned long long)mask);
	for (unsigned i = 0, end; i < 64; i = end + 1) {
		for (end = i; end < 64 && mask >> end & 1; end++)
			;
		if (end == i)
			continue;
		text_add(t, "%s%u", comma, i);
		if (end - i > 1)
			text_add(t, "-%u", end - 1);
		comma = ",";
	}
	text_add(t, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
}

static const struct user_ns *reader_ns(const struct subject *s)
{
	return s->ctx ? s->ctx->cred->user_ns : &user_ns_first;
}

/* As the reader knows them. */
static void status_ids(const struct subject *s, const struct cred *c, struct text *t)
{
	const uint32_t uids[] = { c->uid, c->euid, c->suid, c->fsuid };
	const uint32_t gids[] = { c->gid, c->egid, c->sgid, c->fsgid };

	text_add(t, "Uid:");
	for (size_t i = 0; i < ARRAY_SIZE(uids); i++)
		text_add(t, "\t%u", user_ns_id_out(reader_ns(s), ID_UID, uids[i]));
	text_add(t, "\nGid:");
	for (size_t i = 0; i < ARRAY_SIZE(gids); i++)
		text_add(t, "\t%u", user_ns_id_out(reader_ns(s), ID_GID, gids[i]));
	text_add(t, "\n");
}

/* From the file system's namespace down to the task's own. */
static void status_number(const struct subject *s, struct text *t, const char *name, int32_t nr)
{
	const struct pid_ns *inner = s->group->pid_ns;

	text_add(t, "%s:", name);
	for (unsigned level = s->ns->level; level <= inner->level; level++) {
		const struct pid_ns *ns = inner;

		while (ns->level > level)
			ns = ns->parent;
		text_add(t, "\t%d", pid_number_in(ns, nr));
	}
	text_add(t, "\n");
}

static void show_status(const struct subject *s, struct text *t)
{
	struct thread_group *g = s->group;
	const struct cred *c;
	char st = state_letter(s);
	int32_t tid = s->task ? s->task->tid : g->pid;
	struct fdtable *ft;
	unsigned cap = 0;

	text_add(
		t,
		"Name:\t%.15s\nUmask:\t%04o\nState:\t%c (%s)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
		comm_of(s), umask_of(s), st, state_name(st), proc_number(s, g->pid),
		proc_number(s, tid), proc_number(s, group_ppid(g)),
		s->task ? proc_number(s, ptrace_tracer_tid(s->task)) : 0);
	if (!s->task) {
		text_add(t, "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nThreads:\t0\n");
		return;
	}
	c = task_cred_get(s->task);
	status_ids(s, c, t);
	ft = task_files_get(s->task);
	if (ft) {
		fdtable_count(ft, &cap);
		fdtable_put(ft, NULL);
	}
	text_add(t, "FDSize:\t%u\nGroups:\t", cap);
	for (uint32_t i = 0; i < c->ngroups; i++)
		text_add(t, "%u ", user_ns_id_out(reader_ns(s), ID_GID, c->groups[i]));
	text_add(t, "\n");
	status_number(s, t, "NStgid", g->pid);
	status_number(s, t, "NSpid", tid);
	status_number(s, t, "NSpgid", g->pgid);
	status_number(s, t, "NSsid", g->sid);
	status_memory(s, t);
	text_add(t, "CoreDumping:\t0\nTHP_enabled:\t1\nThreads:\t%u\n", g->ntasks);
	status_signals(s, t);
	text_add(
		t,
		"CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%016llx\n"
		"NoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%u\nSpeculation_Store_Bypass:\tvulnerable\n",
		(unsigned long long)c->cap_inheritable, (unsigned long long)c->cap_permitted,
		(unsigned long long)c->cap_effective, (unsigned long long)c->cap_bounding,
		(unsigned long long)c->cap_ambient, (int)s->task->no_new_privs,
		seccomp_mode(s->task), seccomp_count(s->task));
	status_cpus(s, t);
	text_add(t, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
		 atomic_load(&s->task->nvcsw), atomic_load(&s->task->nivcsw));
	cred_put(c);
}

/* ---- limits and the like ---- */

static void show_limits(const struct subject *s, struct text *t)
{
	static const struct {
		const char *name, *unit;
	} rows[RLIMITS] = {
		{ "Max cpu time", "seconds" },     { "Max file size", "bytes" },
		{ "Max data size", "bytes" },      { "Max stack size", "bytes" },
		{ "Max core file size", "bytes" }, { "Max resident set", "bytes" },
		{ "Max processes", "processes" },  { "Max open files", "files" },
		{ "Max locked memory", "bytes" },  { "Max address space", "bytes" },
		{ "Max file locks", "locks" },     { "Max pending signals", "signals" },
		{ "Max msgqueue size", "bytes" },  { "Max nice priority", "" },
		{ "Max realtime priority", "" },   { "Max realtime timeout", "us" },
	};

	text_add(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (int i = 0; i < RLIMITS; i++) {
		struct krlimit lim;
		char cur[24] = "unlimited", max[24] = "unlimited";

		group_get_limit(s->group, i, &lim);
		if (lim.cur != ~(uint64_t)0)
			snprintf(cur, sizeof(cur), "%llu", (unsigned long long)lim.cur);
		if (lim.max != ~(uint64_t)0)
			snprintf(max, sizeof(max), "%llu", (unsigned long long)lim.max);
		text_add(t, "%-25s %-20s %-20s %-10s\n", rows[i].name, cur, max, rows[i].unit);
	}
}

static void show_cgroup(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "0::/\n");
}

/* ---- user namespaces ---- */

static struct user_ns *user_ns_of_subject(const struct subject *s)
{
	struct ns *ns = s->task ? task_ns_get(s->task, NS_USER) : NULL;

	return ns ? user_ns_of(ns) : NULL;
}

/* index: the kind of ids. */
static void show_idmap(const struct subject *s, struct text *t)
{
	struct user_ns *u = user_ns_of_subject(s);
	struct id_extent e;

	for (unsigned i = 0;
	     u && user_ns_show_extent(u, (enum id_kind)s->entry->index, reader_ns(s), i, &e); i++)
		text_add(t, "%10u %10u %10u\n", e.inside, e.outside, e.count);
	user_ns_put(u);
}

static ssize_t store_idmap(const struct subject *s, const char *buf, size_t size)
{
	struct user_ns *u = user_ns_of_subject(s);
	int r = u ? user_ns_write_map(u, (enum id_kind)s->entry->index, buf, s->opener,
				      s->ctx->cred)
		  : -ESRCH;

	user_ns_put(u);
	return r < 0 ? r : (ssize_t)size;
}

static void show_setgroups(const struct subject *s, struct text *t)
{
	struct user_ns *u = user_ns_of_subject(s);

	if (u)
		text_add(t, "%s\n", atomic_load(&u->allows_setgroups) ? "allow" : "deny");
	user_ns_put(u);
}

static ssize_t store_setgroups(const struct subject *s, const char *buf, size_t size)
{
	struct user_ns *u = user_ns_of_subject(s);
	int r = -ESRCH;

	if (u && !cred_has_cap_in(s->opener, u, CAP_SYS_ADMIN))
		r = -EACCES;
	else if (u)
		r = size < 8 ? user_ns_write_setgroups(u, buf) : -EINVAL;
	user_ns_put(u);
	return r < 0 ? r : (ssize_t)size;
}

static void show_loginuid(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "4294967295");
}

static void show_filter(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "00000033\n");
}

static void show_personality(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "00000000\n");
}

static void show_io(const struct subject *s UNUSED, struct text *t)
{
	text_add(
		t,
		"rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
}

static void show_wchan(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "0");
}

static void show_slack(const struct subject *s, struct text *t)
{
	if (s->task)
		text_add(t, "%llu\n", (unsigned long long)READ_ONCE(s->task->timer_slack_ns));
}

/* The call that it sleeps or is traced in; -1: none. What it says of one that wakes meanwhile is anything. */
static void show_syscall(const struct subject *s, struct text *t)
{
	char state = state_letter(s);
	const struct guest_regs *r;
	int64_t nr;

	if (!s->task || state == 'Z' || state == 'R') {
		text_add(t, "running\n");
		return;
	}
	r = &s->task->regs;
	nr = state == 'T' ? -1 : READ_ONCE(s->task->sysno);
	text_add(t, "%lld", (long long)nr);
	if (nr != -1)
		text_add(t, " 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx",
			 (unsigned long long)READ_ONCE(r->rdi),
			 (unsigned long long)READ_ONCE(r->rsi),
			 (unsigned long long)READ_ONCE(r->rdx),
			 (unsigned long long)READ_ONCE(r->r10),
			 (unsigned long long)READ_ONCE(r->r8),
			 (unsigned long long)READ_ONCE(r->r9));
	text_add(t, " 0x%llx 0x%llx\n", (unsigned long long)READ_ONCE(r->rsp),
		 (unsigned long long)READ_ONCE(r->rip));
}

/* Only a task's own. */
static ssize_t store_slack(const struct subject *s, const char *buf, size_t size)
{
	struct task *t = s->ctx ? s->ctx->task : NULL;
	char *end;
	unsigned long long v = strtoull(buf, &end, 10);

	if (end == buf)
		return -EINVAL;
	if (!t || t != s->task)
		return -EPERM;
	WRITE_ONCE(t->timer_slack_ns, v ? v : 50000);
	return (ssize_t)size;
}

static void show_sched(const struct subject *s, struct text *t)
{
	text_add(t, "%s (%d, #threads: %u)\n", comm_of(s), proc_number(s, s->group->pid),
		 s->group->ntasks);
}

/* ---- mounts ---- */

enum mounts_as { AS_MOUNTS, AS_MOUNTINFO, AS_MOUNTSTATS };

struct mounts_arg {
	struct text *t;
	enum mounts_as as;
};

static void mount_options(const struct mount_info *mi, struct text *t)
{
	static const struct {
		unsigned flag;
		const char *name;
	} names[] = { { 2, ",nosuid" },
		      { 4, ",nodev" },
		      { 8, ",noexec" },
		      { 1024, ",noatime" },
		      { 1u << 21, ",relatime" } };

	text_add(t, "%s", mi->flags & 1 ? "ro" : "rw");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (mi->flags & names[i].flag)
			text_add(t, "%s", names[i].name);
	}
}

/* mountinfo's optional fields (proc_pid_mountinfo(5)). */
static void mount_relations(const struct mount_info *mi, struct text *t)
{
	if (mi->group)
		text_add(t, " shared:%u", mi->group);
	if (mi->master)
		text_add(t, " master:%u", mi->master);
	if (mi->from && mi->from != mi->master)
		text_add(t, " propagate_from:%u", mi->from);
	if (mi->is_unbindable)
		text_add(t, " unbindable");
}

static int show_mount(const struct mount_info *mi, void *arg)
{
	struct mounts_arg *a = arg;

	switch (a->as) {
	case AS_MOUNTINFO:
		text_add(a->t, "%llu %llu %u:%u %s %s ", (unsigned long long)mi->id,
			 (unsigned long long)mi->parent_id, (unsigned)(mi->sb->dev >> 8) & 0xfff,
			 (unsigned)mi->sb->dev & 0xff, mi->root, mi->point);
		mount_options(mi, a->t);
		mount_relations(mi, a->t);
		text_add(a->t, " - %s %s rw\n", mi->sb->type, mi->sb->source);
		break;
	case AS_MOUNTS:
		text_add(a->t, "%s %s %s ", mi->sb->source, mi->point, mi->sb->type);
		mount_options(mi, a->t);
		text_add(a->t, " 0 0\n");
		break;
	case AS_MOUNTSTATS:
		text_add(a->t, "device %s mounted on %s with fstype %s\n", mi->sb->source,
			 mi->point, mi->sb->type);
		break;
	}
	return 0;
}

/* What its process sees from its root. */
static void show_mounts_as(const struct subject *s, struct text *t, enum mounts_as as)
{
	struct mounts_arg a = { t, as };
	struct ns *ns = s->task ? task_ns_get(s->task, NS_MNT) : NULL;
	struct path root;

	if (ns && proc_task_root(s, &root) == 0) {
		(void)vfs_for_each_mount(mount_ns_of(ns), &root, show_mount, &a);
		path_put(&root);
	}
	ns_put(ns);
}

static void show_mounts(const struct subject *s, struct text *t)
{
	show_mounts_as(s, t, AS_MOUNTS);
}

static void show_mountinfo(const struct subject *s, struct text *t)
{
	show_mounts_as(s, t, AS_MOUNTINFO);
}

static void show_mountstats(const struct subject *s, struct text *t)
{
	show_mounts_as(s, t, AS_MOUNTSTATS);
}

#define RO (S_IFREG | 0444)
#define RW (S_IFREG | 0644)
#define DIR_ (S_IFDIR | 0555)

/* ---- task/ ---- */

static int find_tid(const struct subject *s, const char *name, const struct pentry **entry,
		    int *number)
{
	char *end;
	long tid = strtol(name, &end, 10);
	struct task *t;
	int r = -ENOENT;

	if (name[0] < '1' || name[0] > '9' || *end || tid > INT32_MAX)
		return -ENOENT;
	t = pid_find_task(s->k, pid_from_ns(s->ns, (int32_t)tid));
	if (t && t->group == s->group) {
		*entry = &proc_tid_dir;
		*number = t->tid;
		r = 0;
	}
	task_put(t);
	return r;
}

static int next_tid(const struct subject *s, int after, char *name, int *number)
{
	struct task *t = group_next_task(s->group, after < 0 ? 0 : after);

	if (!t)
		return -ENOENT;
	*number = t->tid;
	snprintf(name, 32, "%d", proc_number(s, t->tid));
	task_put(t);
	return 0;
}

#define COMMON_ENTRIES                                                                             \
	{ .name = "cmdline", .mode = RO, .show = show_cmdline },                                   \
		{ .name = "comm", .mode = RW, .show = show_comm, .store = store_comm },            \
		{ .name = "environ",                                                               \
		  .mode = S_IFREG | 0400,                                                          \
		  .is_private = true,                                                              \
		  .show = show_environ },                                                          \
		{ .name = "auxv", .mode = S_IFREG | 0400, .is_private = true, .show = show_auxv }, \
		{ .name = "stat", .mode = RO, .show = show_stat },                                 \
		{ .name = "statm", .mode = RO, .show = show_statm },                               \
		{ .name = "status", .mode = RO, .show = show_status },                             \
		{ .name = "maps", .mode = RO, .is_private = true, .show = proc_show_maps },        \
		{ .name = "smaps", .mode = RO, .is_private = true, .show = proc_show_smaps },      \
		{ .name = "smaps_rollup",                                                          \
		  .mode = RO,                                                                      \
		  .is_private = true,                                                              \
		  .show = proc_show_rollup },                                                      \
		{ .name = "pagemap",                                                               \
		  .mode = S_IFREG | 0400,                                                          \
		  .is_private = true,                                                              \
		  .pread = proc_pagemap },                                                         \
		{ .name = "clear_refs", .mode = S_IFREG | 0200, .store = proc_clear_refs },        \
		{ .name = "mem",                                                                   \
		  .is_private = true,                                                              \
		  .mode = S_IFREG | 0600,                                                          \
		  .pread = proc_mem_read,                                                          \
		  .pwrite = proc_mem_write },                                                      \
		{ .name = "limits", .mode = RO, .show = show_limits },                             \
		{ .name = "oom_score", .mode = RO, .show = show_oom_score },                       \
		{ .name = "oom_adj", .mode = RW, .show = show_oom_adj, .store = store_oom_adj },   \
		{ .name = "oom_score_adj",                                                         \
		  .mode = RW,                                                                      \
		  .show = show_oom_score_adj,                                                      \
		  .store = store_oom_score_adj },                                                  \
		{ .name = "cgroup", .mode = RO, .show = show_cgroup },                             \
		{ .name = "uid_map",                                                               \
		  .mode = RW,                                                                      \
		  .index = ID_UID,                                                                 \
		  .show = show_idmap,                                                              \
		  .store = store_idmap },                                                          \
		{ .name = "gid_map",                                                               \
		  .mode = RW,                                                                      \
		  .index = ID_GID,                                                                 \
		  .show = show_idmap,                                                              \
		  .store = store_idmap },                                                          \
		{ .name = "setgroups",                                                             \
		  .mode = RW,                                                                      \
		  .show = show_setgroups,                                                          \
		  .store = store_setgroups },                                                      \
		{ .name = "loginuid", .mode = RO, .show = show_loginuid },                         \
		{ .name = "sessionid", .mode = RO, .show = show_loginuid },                        \
		{ .name = "personality", .mode = RO, .show = show_personality },                   \
		{ .name = "io", .mode = RO, .show = show_io },                                     \
		{ .name = "wchan", .mode = RO, .show = show_wchan },                               \
		{ .name = "syscall",                                                               \
		  .mode = S_IFREG | 0400,                                                          \
		  .is_private = true,                                                              \
		  .show = show_syscall },                                                          \
		{ .name = "sched", .mode = RO, .show = show_sched },                               \
		{ .name = "mounts", .mode = RO, .show = show_mounts },                             \
		{ .name = "mountinfo", .mode = RO, .show = show_mountinfo },                       \
		{ .name = "mountstats", .mode = S_IFREG | 0400, .show = show_mountstats },         \
		{ .name = "ns", .mode = DIR_, .children = proc_ns_entries },                       \
	{                                                                                          \
		.name = "net", .mode = DIR_, .children = proc_net_entries                          \
	}

/* The fixed part is a table; the links and directories with parts elsewhere
 * are found by name. */
static const struct pentry pid_entries[] = {
	COMMON_ENTRIES,
	{ .name = "coredump_filter", .mode = RW, .show = show_filter },
	{ .name = "timerslack_ns", .mode = RW, .show = show_slack, .store = store_slack },
	{ .name = NULL },
};

static const struct pentry tid_entries[] = { COMMON_ENTRIES, { .name = NULL } };

const struct pentry proc_task_dir = {
	.name = "task", .mode = DIR_, .find = find_tid, .next = next_tid
};

static const struct pentry *const linked[] = {
	&proc_cwd_link, &proc_root_link,  &proc_exe_link,
	&proc_fd_dir,   &proc_fdinfo_dir, &proc_task_dir,
};

static int find_linked(const struct subject *s UNUSED, const char *name,
		       const struct pentry **entry, int *number)
{
	for (size_t i = 0; i < ARRAY_SIZE(linked); i++) {
		if (strcmp(linked[i]->name, name) == 0) {
			*entry = linked[i];
			*number = 0;
			return 0;
		}
	}
	return -ENOENT;
}

static int next_linked(const struct subject *s UNUSED, int after, char *name, int *number)
{
	int i = after + 1;

	if (i < 0 || i >= (int)ARRAY_SIZE(linked))
		return -ENOENT;
	strcpy(name, linked[i]->name);
	*number = i;
	return 0;
}

const struct pentry proc_pid_dir = {
	.name = "pid",
	.mode = DIR_,
	.children = pid_entries,
	.find = find_linked,
	.next = next_linked,
};
const struct pentry proc_tid_dir = {
	.name = "tid",
	.mode = DIR_,
	.children = tid_entries,
	.find = find_linked,
	.next = next_linked,
};
