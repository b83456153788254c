/* Files about the whole sandbox: what the kernel enforces is what they say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "abi/aio.h"
#include "abi/mqueue.h"
#include "ipc/ipc.h"
#include "procfs/internal.h"
#include "task/machine.h"

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void show_meminfo(const struct subject *s, struct text *t)
{
	struct memfile_stats ms;
	uint64_t total = s->k->memory_limit >> 10, used, cached, shmem;

	memfile_get_stats(s->k->memfile, &ms);
	used = MIN(ms.used >> 10, total);
	cached = MIN((ms.allocated[MEMFILE_PAGECACHE] + ms.allocated[MEMFILE_TMPFS]) >> 10, used);
	shmem = MIN(ms.allocated[MEMFILE_TMPFS] >> 10, used);
	const struct {
		const char *name;
		uint64_t kib;
	} rows[] = {
		{ "MemTotal", total },
		{ "MemFree", total - used },
		{ "MemAvailable", total - used + cached - shmem },
		{ "Buffers", 0 },
		{ "Cached", cached },
		{ "SwapCached", 0 },
		{ "Active", used },
		{ "Inactive", 0 },
		{ "Active(anon)", used - cached },
		{ "Inactive(anon)", 0 },
		{ "Active(file)", cached },
		{ "Inactive(file)", 0 },
		{ "Unevictable", 0 },
		{ "Mlocked", 0 },
		{ "SwapTotal", 0 },
		{ "SwapFree", 0 },
		{ "Dirty", 0 },
		{ "Writeback", 0 },
		{ "AnonPages", used - cached },
		{ "Mapped", cached },
		{ "Shmem", shmem },
		{ "KReclaimable", 0 },
		{ "Slab", 0 },
		{ "SReclaimable", 0 },
		{ "SUnreclaim", 0 },
		{ "KernelStack", 0 },
		{ "PageTables", 0 },
		{ "CommitLimit", total },
		{ "Committed_AS", used },
		{ "VmallocTotal", 34359738367 },
		{ "VmallocUsed", 0 },
		{ "HugePages_Total", 0 },
		{ "HugePages_Free", 0 },
		{ "Hugepagesize", 2048 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s:", rows[i].name);
		text_add(t, "%-15s %8llu%s\n", name, (unsigned long long)rows[i].kib,
			 strncmp(rows[i].name, "HugePages_", 10) == 0 ? "" : " kB");
	}
}

/* The guest's clocks are the host's, so that is how long the machine is up. */
static void show_uptime(const struct subject *s UNUSED, struct text *t)
{
	uint64_t up = clock_ns(CLOCK_BOOTTIME) / 10000000;

	text_add(t, "%llu.%02llu %llu.%02llu\n", (unsigned long long)up / 100,
		 (unsigned long long)up % 100, (unsigned long long)up / 100,
		 (unsigned long long)up % 100);
}

static void show_loadavg(const struct subject *s, struct text *t)
{
	unsigned n = atomic_load(&s->k->ntasks);

	text_add(t, "0.00 0.00 0.00 1/%u %u\n", n, n + 1);
}

static void show_version(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "Linux version " MACHINE_RELEASE
		    " (nacre@nacre) (nacre application kernel) " MACHINE_VERSION "\n");
}

static void show_cpuinfo(const struct subject *s, struct text *t)
{
	for (unsigned i = 0; i < s->k->ncpus; i++)
		text_add(
			t,
			"processor\t: %u\nvendor_id\t: %s\ncpu family\t: 6\nmodel\t\t: 1\n"
			"model name\t: nacre virtual CPU\nstepping\t: 1\ncpu MHz\t\t: 2500.000\n"
			"cache size\t: 1024 KB\nphysical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\n"
			"cpu cores\t: %u\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\n"
			"flags\t\t: fpu tsc cx8 cmov mmx fxsr sse sse2 syscall nx lm%s%s%s%s%s%s%s\n"
			"bogomips\t: 5000.00\nclflush size\t: 64\ncache_alignment\t: 64\n"
			"address sizes\t: 48 bits physical, 48 bits virtual\n\n",
			i, __builtin_cpu_is("amd") ? "AuthenticAMD" : "GenuineIntel", s->k->ncpus,
			i, s->k->ncpus, __builtin_cpu_supports("sse3") ? " pni" : "",
			__builtin_cpu_supports("ssse3") ? " ssse3" : "",
			__builtin_cpu_supports("sse4.1") ? " sse4_1" : "",
			__builtin_cpu_supports("sse4.2") ? " sse4_2 popcnt" : "",
			__builtin_cpu_supports("avx") ? " avx" : "",
			__builtin_cpu_supports("avx2") ? " avx2" : "",
			__builtin_cpu_supports("avx512f") ? " avx512f" : "");
}

static void show_stat(const struct subject *s, struct text *t)
{
	uint64_t up = clock_ns(CLOCK_BOOTTIME), ticks = up / 10000000;
	uint64_t booted = clock_ns(CLOCK_REALTIME) - up;
	unsigned nproc = 0;
	struct thread_group *g;

	for (int32_t pid = 0; (g = pid_next_group(s->k, pid)); group_put(g)) {
		pid = g->pid;
		nproc++;
	}
	text_add(t, "cpu  0 0 0 %llu 0 0 0 0 0 0\n", (unsigned long long)(ticks * s->k->ncpus));
	for (unsigned i = 0; i < s->k->ncpus; i++)
		text_add(t, "cpu%u 0 0 0 %llu 0 0 0 0 0 0\n", i, (unsigned long long)ticks);
	text_add(
		t,
		"intr 0\nctxt 0\nbtime %llu\nprocesses %u\nprocs_running 1\nprocs_blocked 0\nsoftirq 0\n",
		(unsigned long long)(booted / 1000000000), nproc);
}

static void show_filesystems(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "nodev\ttmpfs\nnodev\tproc\nnodev\tsysfs\nnodev\toverlay\nnodev\tdevtmpfs\n"
		    "nodev\tpipefs\nnodev\tsockfs\nnodev\tmqueue\n");
}

static void show_cmdline(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "nacre\n");
}

static void show_cgroups(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n");
}

static void show_devices(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n");
	show_block_majors(t);
}

static void show_swaps(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}

/* Faults are those of the processes that live. */
static void show_vmstat(const struct subject *s, struct text *t)
{
	unsigned long minflt = 0, majflt = 0;
	uint64_t limit = s->k->memory_limit;
	struct memfile_stats ms;
	struct thread_group *g;

	for (int32_t pid = 0; (g = pid_next_group(s->k, pid)); group_put(g)) {
		struct task *task = group_any_task(g);

		pid = g->pid;
		if (task) {
			minflt += atomic_load(&task->minflt);
			majflt += atomic_load(&task->majflt);
		}
		task_put(task);
	}
	memfile_get_stats(s->k->memfile, &ms);
	text_add(t,
		 "nr_free_pages %llu\nnr_anon_pages %llu\nnr_mapped 0\nnr_file_pages %llu\n"
		 "nr_dirty 0\nnr_writeback 0\nnr_shmem %llu\npgpgin 0\npgpgout 0\npswpin 0\n"
		 "pswpout 0\npgfault %lu\npgmajfault %lu\noom_kill %lu\n",
		 (unsigned long long)(limit - MIN(ms.used, limit)) >> PAGE_SHIFT,
		 (unsigned long long)ms.used >> PAGE_SHIFT,
		 (unsigned long long)ms.allocated[MEMFILE_PAGECACHE] >> PAGE_SHIFT,
		 (unsigned long long)ms.allocated[MEMFILE_TMPFS] >> PAGE_SHIFT, minflt + majflt,
		 majflt, atomic_load(&s->k->oom_kills));
}

static void show_empty(const struct subject *s UNUSED, struct text *t UNUSED)
{
}

/* ---- links ---- */

static ssize_t link_self(const struct subject *s, char *buf, size_t size)
{
	const struct task *t = s->ctx ? s->ctx->task : NULL;
	char num[16];
	int n;

	if (!t || !proc_number(s, t->group->pid))
		return -ENOENT;
	n = snprintf(num, sizeof(num), "%d", proc_number(s, t->group->pid));
	memcpy(buf, num, MIN((size_t)n, size));
	return (ssize_t)MIN((size_t)n, size);
}

static ssize_t link_thread_self(const struct subject *s, char *buf, size_t size)
{
	const struct task *t = s->ctx ? s->ctx->task : NULL;
	char num[48];
	int n;

	if (!t || !proc_number(s, t->group->pid))
		return -ENOENT;
	n = snprintf(num, sizeof(num), "%d/task/%d", proc_number(s, t->group->pid),
		     proc_number(s, t->tid));
	memcpy(buf, num, MIN((size_t)n, size));
	return (ssize_t)MIN((size_t)n, size);
}

static ssize_t fixed_link(const char *text, char *buf, size_t size)
{
	size_t n = MIN(strlen(text), size);

	memcpy(buf, text, n);
	return (ssize_t)n;
}

static ssize_t link_mounts(const struct subject *s UNUSED, char *buf, size_t size)
{
	return fixed_link("self/mounts", buf, size);
}

static ssize_t link_net(const struct subject *s UNUSED, char *buf, size_t size)
{
	return fixed_link("self/net", buf, size);
}

/* ---- /proc/sys ---- */

#define VALUE(fn, fmt, ...)                                            \
	static void fn(const struct subject *s UNUSED, struct text *t) \
	{                                                              \
		text_add(t, fmt "\n", ##__VA_ARGS__);                  \
	}

VALUE(show_ostype, "Linux")
VALUE(show_osrelease, MACHINE_RELEASE)
VALUE(show_sysversion, MACHINE_VERSION)
VALUE(show_ngroups, "65536")
VALUE(show_cap_last, "%d", CAP_COUNT - 1)
VALUE(show_overflow, "65534")
VALUE(show_zero, "0")
VALUE(show_one, "1")
VALUE(show_map_count, "65530")
VALUE(show_mmap_min, "65536")
VALUE(show_swappiness, "60")
VALUE(show_nr_open, "1048576")
VALUE(show_pipe_max, "1048576")
VALUE(show_somaxconn, "4096")
VALUE(show_watches, "65536")
VALUE(show_instances, "128")
VALUE(show_queued_events, "16384")
VALUE(show_ratio, "50")
VALUE(show_core_pattern, "core")
VALUE(show_shmmax, "%llu", (unsigned long long)SHM_SIZE_MAX)
VALUE(show_shmmni, "%d", SHM_SEGMENTS)
VALUE(show_sem, "%d\t%d\t%d\t%d", SEM_PER_SET, SEM_ALL, SEM_OPS, SEM_SETS)
VALUE(show_msgmax, "%d", MSG_SIZE_MAX)
VALUE(show_msgmnb, "%d", MSG_QUEUE_BYTES)
VALUE(show_msgmni, "%d", MSG_QUEUES)
VALUE(show_dirty_ratio, "20")
VALUE(show_aio_max, "%u", ABI_AIO_MAX_NR)
VALUE(show_mq_msgs, "%d", ABI_MQ_MSG_MAX)
VALUE(show_mq_size, "%d", ABI_MQ_MSGSIZE_MAX)
VALUE(show_mq_queues, "%u", ABI_MQ_QUEUES_MAX)

static void show_file_max(const struct subject *s UNUSED, struct text *t)
{
	unsigned open, max;

	vfs_get_files(&open, &max);
	text_add(t, "%u\n", max);
}

static void show_file_nr(const struct subject *s UNUSED, struct text *t)
{
	unsigned open, max;

	vfs_get_files(&open, &max);
	text_add(t, "%u\t0\t%u\n", open, max);
}

static void show_pipe_pages(const struct subject *s, struct text *t)
{
	text_add(t, "%llu\n", (unsigned long long)(s->k->pipe_memory >> PAGE_SHIFT));
}

/* The reader's. */
static struct uts_ns *uts_of(const struct subject *s)
{
	return s->ctx && s->ctx->task ? task_uts(s->ctx->task) : &uts_ns_first;
}

/* index: 0 the host's name, 1 the domain's. */
static char *uts_name(struct uts_ns *uts, int index)
{
	return index ? uts->domainname : uts->hostname;
}

static void show_uts(const struct subject *s, struct text *t)
{
	struct uts_ns *uts = uts_of(s);

	mutex_lock(&uts->lock);
	text_add(t, "%s\n", uts_name(uts, s->entry->index));
	mutex_unlock(&uts->lock);
}

/* A line, or part of one, cut to what there is room for. */
static ssize_t store_uts(const struct subject *s, const char *buf, size_t size)
{
	struct uts_ns *uts = uts_of(s);
	size_t n = MIN(strcspn(buf, "\n"), (size_t)UTS_NAME_MAX);
	char *name = uts_name(uts, s->entry->index);

	if (!s->ctx || !cred_has_cap_in(s->ctx->cred, uts->ns.owner, CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&uts->lock);
	memset(name, 0, UTS_NAME_MAX + 1);
	memcpy(name, buf, n);
	mutex_unlock(&uts->lock);
	return (ssize_t)size;
}

static void show_pid_max(const struct subject *s, struct text *t)
{
	text_add(t, "%d\n", s->k->pid_max);
}

static void show_threads_max(const struct subject *s, struct text *t)
{
	text_add(t, "%u\n", s->k->tasks_max);
}

static void show_uuid(const struct subject *s UNUSED, struct text *t)
{
	uint8_t b[16];

	machine_random(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	text_add(t, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n", b[0],
		 b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
		 b[14], b[15]);
}

static void show_boot_id(const struct subject *s, struct text *t)
{
	uint64_t r = s->k->boot_ns * 0x9e3779b97f4a7c15ull;

	text_add(t, "%08x-%04x-4%03x-8%03x-%012llx\n", (unsigned)(r >> 32),
		 (unsigned)(r >> 16) & 0xffff, (unsigned)(r >> 4) & 0xfff, (unsigned)r & 0xfff,
		 (unsigned long long)(r >> 16));
}

#define SECCOMP_LOGGED "kill_process kill_thread trap errno user_notif trace log"

static void show_seccomp_avail(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, SECCOMP_LOGGED " allow\n");
}

static void show_seccomp_logged(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, SECCOMP_LOGGED "\n");
}

#define RO (S_IFREG | 0444)
#define RW (S_IFREG | 0644)
#define DIR_ (S_IFDIR | 0555)

static const struct pentry random_entries[] = {
	{ .name = "boot_id", .mode = RO, .show = show_boot_id },
	{ .name = "uuid", .mode = RO, .show = show_uuid },
	{ .name = "entropy_avail", .mode = RO, .show = show_somaxconn },
	{ .name = NULL },
};

static const struct pentry seccomp_entries[] = {
	{ .name = "actions_avail", .mode = RO, .show = show_seccomp_avail },
	{ .name = "actions_logged", .mode = RO, .show = show_seccomp_logged },
	{ .name = NULL },
};

static const struct pentry kernel_entries[] = {
	{ .name = "ostype", .mode = RO, .show = show_ostype },
	{ .name = "osrelease", .mode = RO, .show = show_osrelease },
	{ .name = "version", .mode = RO, .show = show_sysversion },
	{ .name = "hostname", .mode = RW, .index = 0, .show = show_uts, .store = store_uts },
	{ .name = "domainname", .mode = RW, .index = 1, .show = show_uts, .store = store_uts },
	{ .name = "pid_max", .mode = RO, .show = show_pid_max },
	{ .name = "threads-max", .mode = RO, .show = show_threads_max },
	{ .name = "ngroups_max", .mode = RO, .show = show_ngroups },
	{ .name = "cap_last_cap", .mode = RO, .show = show_cap_last },
	{ .name = "overflowuid", .mode = RO, .show = show_overflow },
	{ .name = "overflowgid", .mode = RO, .show = show_overflow },
	{ .name = "core_pattern", .mode = RO, .show = show_core_pattern },
	{ .name = "randomize_va_space", .mode = RO, .show = show_one },
	{ .name = "seccomp", .mode = DIR_, .children = seccomp_entries },
	{ .name = "shmmax", .mode = RO, .show = show_shmmax },
	{ .name = "shmall", .mode = RO, .show = show_shmmax },
	{ .name = "shmmni", .mode = RO, .show = show_shmmni },
	{ .name = "shm_rmid_forced", .mode = RO, .show = show_zero },
	{ .name = "sem", .mode = RO, .show = show_sem },
	{ .name = "msgmax", .mode = RO, .show = show_msgmax },
	{ .name = "msgmnb", .mode = RO, .show = show_msgmnb },
	{ .name = "msgmni", .mode = RO, .show = show_msgmni },
	{ .name = "random", .mode = DIR_, .children = random_entries },
	{ .name = NULL },
};

static const struct pentry vm_entries[] = {
	{ .name = "overcommit_memory", .mode = RO, .show = show_zero },
	{ .name = "overcommit_ratio", .mode = RO, .show = show_ratio },
	{ .name = "max_map_count", .mode = RO, .show = show_map_count },
	{ .name = "mmap_min_addr", .mode = RO, .show = show_mmap_min },
	{ .name = "swappiness", .mode = RO, .show = show_swappiness },
	{ .name = "dirty_ratio", .mode = RO, .show = show_dirty_ratio },
	{ .name = NULL },
};

static const struct pentry inotify_entries[] = {
	{ .name = "max_user_watches", .mode = RO, .show = show_watches },
	{ .name = "max_user_instances", .mode = RO, .show = show_instances },
	{ .name = "max_queued_events", .mode = RO, .show = show_queued_events },
	{ .name = NULL },
};

static const struct pentry mqueue_entries[] = {
	{ .name = "msg_default", .mode = RO, .show = show_mq_msgs },
	{ .name = "msg_max", .mode = RO, .show = show_mq_msgs },
	{ .name = "msgsize_default", .mode = RO, .show = show_mq_size },
	{ .name = "msgsize_max", .mode = RO, .show = show_mq_size },
	{ .name = "queues_max", .mode = RO, .show = show_mq_queues },
	{ .name = NULL },
};

static const struct pentry fs_entries[] = {
	{ .name = "file-max", .mode = RO, .show = show_file_max },
	{ .name = "file-nr", .mode = RO, .show = show_file_nr },
	{ .name = "nr_open", .mode = RO, .show = show_nr_open },
	{ .name = "pipe-user-pages-soft", .mode = RO, .show = show_pipe_pages },
	{ .name = "pipe-user-pages-hard", .mode = RO, .show = show_zero },
	{ .name = "pipe-max-size", .mode = RO, .show = show_pipe_max },
	{ .name = "inotify", .mode = DIR_, .children = inotify_entries },
	{ .name = "mqueue", .mode = DIR_, .children = mqueue_entries },
	{ .name = "aio-max-nr", .mode = RO, .show = show_aio_max },
	{ .name = NULL },
};

static void show_ns_max(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "%d\n", NS_COUNT_MAX);
}

#define NS_LIMIT(kind)                                                             \
	{                                                                          \
		.name = "max_" kind "_namespaces", .mode = RO, .show = show_ns_max \
	}

static const struct pentry user_entries[] = {
	NS_LIMIT("cgroup"), NS_LIMIT("ipc"),  NS_LIMIT("mnt"), NS_LIMIT("net"),  NS_LIMIT("pid"),
	NS_LIMIT("time"),   NS_LIMIT("user"), NS_LIMIT("uts"), { .name = NULL },
};

static const struct pentry sysctl_entries[] = {
	{ .name = "kernel", .mode = DIR_, .children = kernel_entries },
	{ .name = "vm", .mode = DIR_, .children = vm_entries },
	{ .name = "fs", .mode = DIR_, .children = fs_entries },
	{ .name = "net", .mode = DIR_, .children = sys_net_entries },
	{ .name = "user", .mode = DIR_, .children = user_entries },
	{ .name = NULL },
};

const struct pentry proc_root_entries[] = {
	{ .name = "self", .mode = S_IFLNK | 0777, .readlink = link_self },
	{ .name = "thread-self", .mode = S_IFLNK | 0777, .readlink = link_thread_self },
	{ .name = "mounts", .mode = S_IFLNK | 0777, .readlink = link_mounts },
	{ .name = "net", .mode = S_IFLNK | 0777, .readlink = link_net },
	{ .name = "meminfo", .mode = RO, .show = show_meminfo },
	{ .name = "uptime", .mode = RO, .show = show_uptime },
	{ .name = "loadavg", .mode = RO, .show = show_loadavg },
	{ .name = "version", .mode = RO, .show = show_version },
	{ .name = "cpuinfo", .mode = RO, .show = show_cpuinfo },
	{ .name = "stat", .mode = RO, .show = show_stat },
	{ .name = "filesystems", .mode = RO, .show = show_filesystems },
	{ .name = "cmdline", .mode = RO, .show = show_cmdline },
	{ .name = "cgroups", .mode = RO, .show = show_cgroups },
	{ .name = "devices", .mode = RO, .show = show_devices },
	{ .name = "swaps", .mode = RO, .show = show_swaps },
	{ .name = "partitions", .mode = RO, .show = show_partitions },
	{ .name = "diskstats", .mode = RO, .show = show_diskstats },
	{ .name = "vmstat", .mode = RO, .show = show_vmstat },
	{ .name = "locks", .mode = RO, .show = show_empty },
	{ .name = "modules", .mode = RO, .show = show_empty },
	{ .name = "sys", .mode = DIR_, .children = sysctl_entries },
	{ .name = "sysvipc", .mode = DIR_, .children = proc_sysvipc_entries },
	{ .name = NULL },
};
