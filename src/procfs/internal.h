/* What the files of procfs/ share. */
#pragma once

#include "procfs/procfs.h"

/* Text that grows. */
struct text {
	char *buf;
	size_t size, capacity;
	bool failed;
};

void text_add(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_bytes(struct text *t, const void *buf, size_t size);

struct pentry;

/* What an entry is asked about: the kernel, and a process and thread (with
 * references held by the inode's user) for entries below a pid. */
struct subject {
	struct kernel *k;
	const struct pid_ns *ns; /* whose numbers are shown */
	struct thread_group *group;
	struct task *task;
	int fd;
	const struct pentry *entry; /* the one that is asked */
	const struct vfs_ctx *ctx;  /* of the reader; may be NULL */
	const struct cred *opener;  /* of the file, for store() */
};

/* One name in a directory of the tree. */
struct pentry {
	const char *name;
	uint32_t mode; /* S_IF* and permissions */
	int index;     /* tells entries apart that share their functions */
	/* Opened or followed only by who might trace the process: else -EACCES. */
	bool is_private;
	void (*show)(const struct subject *s, struct text *t);
	/* Writes to the file: the whole text of one write. */
	ssize_t (*store)(const struct subject *s, const char *buf, size_t size);
	const struct pentry *children; /* of a directory, ends with name NULL */
	/* Directories whose names are made up as they are asked for. */
	int (*find)(const struct subject *s, const char *name, const struct pentry **entry,
		    int *number);
	int (*next)(const struct subject *s, int after, char *name, int *number);
	/* Links: the text, and the object itself. */
	ssize_t (*readlink)(const struct subject *s, char *buf, size_t size);
	int (*follow)(const struct subject *s, struct path *out);
	/* Permissions that depend on what it is about; NULL: those of mode. */
	uint32_t (*perms)(const struct subject *s);
	/* Files that are not text (mem, pagemap): positioned reads and writes. */
	ssize_t (*pread)(const struct subject *s, struct uio *u, uint64_t off);
	ssize_t (*pwrite)(const struct subject *s, struct uio *u, uint64_t off);
};

extern const struct pentry proc_root_entries[];    /* root.c */
extern const struct pentry sys_root_entries[];     /* sysfs.c */
extern const struct pentry proc_net_entries[];     /* net.c */
extern const struct pentry sys_net_entries[];      /* sysnet.c */
extern const struct pentry proc_ns_entries[];      /* ns.c */
extern const struct pentry proc_sysvipc_entries[]; /* sysvipc.c */
extern const struct pentry proc_pid_dir, proc_tid_dir, proc_fd_link, proc_fdinfo_file;
extern const struct pentry proc_task_dir, proc_fd_dir, proc_fdinfo_dir;
extern const struct pentry proc_cwd_link, proc_root_link, proc_exe_link; /* links.c */

/* disks.c */
extern const struct pentry sys_virtual_entries[], sys_class_entries[], sys_dev_entries[];
int sys_find_block(const struct subject *s, const char *name, const struct pentry **entry,
		   int *number);
int sys_next_disk(const struct subject *s, int after, char *name, int *number);
void show_partitions(const struct subject *s, struct text *t);
void show_diskstats(const struct subject *s, struct text *t);
void show_block_majors(struct text *t); /* for /proc/devices */

/* oom.c */
void show_oom_score(const struct subject *s, struct text *t);
void show_oom_score_adj(const struct subject *s, struct text *t);
void show_oom_adj(const struct subject *s, struct text *t);
ssize_t store_oom_score_adj(const struct subject *s, const char *buf, size_t size);
ssize_t store_oom_adj(const struct subject *s, const char *buf, size_t size);

/* memory.c: what /proc/[pid] shows of an address space. */
void proc_show_maps(const struct subject *s, struct text *t);
void proc_show_smaps(const struct subject *s, struct text *t);
void proc_show_rollup(const struct subject *s, struct text *t);
ssize_t proc_pagemap(const struct subject *s, struct uio *u, uint64_t off);
ssize_t proc_clear_refs(const struct subject *s, const char *buf, size_t size);
ssize_t proc_mem_read(const struct subject *s, struct uio *u, uint64_t off);
ssize_t proc_mem_write(const struct subject *s, struct uio *u, uint64_t off);

/* The root of the subject's task: references. -ENOENT: it has left. (links.c) */
int proc_task_root(const struct subject *s, struct path *out) MUST_CHECK;

/* The number as the file system's namespace has it, 0: none. */
int32_t proc_number(const struct subject *s, int32_t nr);

/* Makes the inode of an entry. */
int pnode_create(struct super *sb, const struct pentry *e, const struct subject *s,
		 struct inode **out) MUST_CHECK;
