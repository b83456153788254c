/* The part of /sys that programs look at. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "procfs/internal.h"

static void show_cpus(const struct subject *s, struct text *t)
{
	if (s->k->ncpus == 1)
		text_add(t, "0\n");
	else
		text_add(t, "0-%u\n", s->k->ncpus - 1);
}

static void show_thp(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "always [madvise] never\n");
}

static void show_hpage(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "2097152\n");
}

static void show_zero(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "0\n");
}

static void show_cpumap(const struct subject *s, struct text *t)
{
	text_add(t, "%llx\n", s->k->ncpus >= 64 ? ~0ull : (1ull << s->k->ncpus) - 1);
}

static void show_node_meminfo(const struct subject *s, struct text *t)
{
	unsigned long long kib = s->k->memory_limit >> 10;

	text_add(t, "Node 0 MemTotal:       %llu kB\nNode 0 MemFree:        %llu kB\n", kib, kib);
}

#define RO (S_IFREG | 0444)
#define DIR_ (S_IFDIR | 0555)

static const struct pentry empty[] = { { .name = NULL } };

static const struct pentry thp_entries[] = {
	{ .name = "enabled", .mode = RO, .show = show_thp },
	{ .name = "defrag", .mode = RO, .show = show_thp },
	{ .name = "hpage_pmd_size", .mode = RO, .show = show_hpage },
	{ .name = NULL },
};

static const struct pentry mm_entries[] = {
	{ .name = "transparent_hugepage", .mode = DIR_, .children = thp_entries },
	{ .name = NULL },
};

static const struct pentry kernel_entries[] = {
	{ .name = "mm", .mode = DIR_, .children = mm_entries },
	{ .name = NULL },
};

/* cpuN: one socket, a core each. */
static void show_cpu_number(const struct subject *s, struct text *t)
{
	text_add(t, "%d\n", s->fd);
}

static void show_cpu_bit(const struct subject *s, struct text *t)
{
	text_add(t, "%llx\n", 1ull << (s->fd & 63));
}

static void show_one(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "1\n");
}

static const struct pentry topology_entries[] = {
	{ .name = "core_id", .mode = RO, .show = show_cpu_number },
	{ .name = "physical_package_id", .mode = RO, .show = show_zero },
	{ .name = "die_id", .mode = RO, .show = show_zero },
	{ .name = "core_siblings", .mode = RO, .show = show_cpumap },
	{ .name = "core_siblings_list", .mode = RO, .show = show_cpus },
	{ .name = "package_cpus", .mode = RO, .show = show_cpumap },
	{ .name = "package_cpus_list", .mode = RO, .show = show_cpus },
	{ .name = "thread_siblings", .mode = RO, .show = show_cpu_bit },
	{ .name = "thread_siblings_list", .mode = RO, .show = show_cpu_number },
	{ .name = "core_cpus", .mode = RO, .show = show_cpu_bit },
	{ .name = "core_cpus_list", .mode = RO, .show = show_cpu_number },
	{ .name = NULL },
};

static const struct pentry one_cpu_entries[] = {
	{ .name = "online", .mode = RO, .show = show_one },
	{ .name = "topology", .mode = DIR_, .children = topology_entries },
	{ .name = NULL },
};

static const struct pentry one_cpu = { .name = "cpu", .mode = DIR_, .children = one_cpu_entries };

static int find_cpu(const struct subject *s, const char *name, const struct pentry **entry,
		    int *number)
{
	char expect[32];
	long n = strncmp(name, "cpu", 3) == 0 ? strtol(name + 3, NULL, 10) : -1;

	if (n < 0 || n >= (long)s->k->ncpus)
		return -ENOENT;
	snprintf(expect, sizeof(expect), "cpu%ld", n);
	if (strcmp(expect, name) != 0)
		return -ENOENT;
	*entry = &one_cpu;
	*number = (int)n;
	return 0;
}

static int next_cpu(const struct subject *s, int after, char *name, int *number)
{
	if (after + 1 >= (int)s->k->ncpus)
		return -ENOENT;
	*number = after + 1;
	snprintf(name, 32, "cpu%d", *number);
	return 0;
}

static const struct pentry cpu_entries[] = {
	{ .name = "online", .mode = RO, .show = show_cpus },
	{ .name = "possible", .mode = RO, .show = show_cpus },
	{ .name = "present", .mode = RO, .show = show_cpus },
	{ .name = NULL },
};

static const struct pentry node0_entries[] = {
	{ .name = "cpumap", .mode = RO, .show = show_cpumap },
	{ .name = "cpulist", .mode = RO, .show = show_cpus },
	{ .name = "meminfo", .mode = RO, .show = show_node_meminfo },
	{ .name = NULL },
};

static const struct pentry node_entries[] = {
	{ .name = "online", .mode = RO, .show = show_zero },
	{ .name = "possible", .mode = RO, .show = show_zero },
	{ .name = "has_cpu", .mode = RO, .show = show_zero },
	{ .name = "node0", .mode = DIR_, .children = node0_entries },
	{ .name = NULL },
};

static const struct pentry system_entries[] = {
	{ .name = "cpu", .mode = DIR_, .children = cpu_entries, .find = find_cpu, .next = next_cpu },
	{ .name = "node", .mode = DIR_, .children = node_entries },
	{ .name = NULL },
};

static const struct pentry devices_entries[] = {
	{ .name = "system", .mode = DIR_, .children = system_entries },
	{ .name = "virtual", .mode = DIR_, .children = sys_virtual_entries },
	{ .name = NULL },
};

static const struct pentry fs_entries[] = {
	{ .name = "cgroup", .mode = DIR_, .children = empty },
	{ .name = NULL },
};

const struct pentry sys_root_entries[] = {
	{ .name = "block", .mode = DIR_, .find = sys_find_block, .next = sys_next_disk },
	{ .name = "bus", .mode = DIR_, .children = empty },
	{ .name = "class", .mode = DIR_, .children = sys_class_entries },
	{ .name = "dev", .mode = DIR_, .children = sys_dev_entries },
	{ .name = "devices", .mode = DIR_, .children = devices_entries },
	{ .name = "fs", .mode = DIR_, .children = fs_entries },
	{ .name = "kernel", .mode = DIR_, .children = kernel_entries },
	{ .name = NULL },
};
