/* Links below a process that lead to the object itself. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "procfs/internal.h"

static ssize_t path_text(const struct subject *s, const struct path *p, char *buf, size_t size)
{
	char *name = malloc(4096 + 16);
	ssize_t n;

	if (!name)
		return -ENOMEM;
	n = path_name(p, s->ctx && s->ctx->root.dentry ? &s->ctx->root : NULL, name, 4096);
	if (n > 0) {
		n--; /* without the NUL */
		if (path_is_deleted(p))
			n += sprintf(name + n, " (deleted)");
		n = (ssize_t)MIN((size_t)n, size);
		memcpy(buf, name, (size_t)n);
	}
	free(name);
	return n;
}

static int fs_path(const struct subject *s, bool root, struct path *out)
{
	struct fs_context *fs = s->task ? task_fs_get(s->task) : NULL;

	if (!fs)
		return -ENOENT;
	mutex_lock(&fs->lock);
	*out = root ? fs->root : fs->cwd;
	path_get(out);
	mutex_unlock(&fs->lock);
	fs_context_put(fs);
	return 0;
}

static int follow_cwd(const struct subject *s, struct path *out)
{
	return fs_path(s, false, out);
}

int proc_task_root(const struct subject *s, struct path *out)
{
	return fs_path(s, true, out);
}

static int follow_root(const struct subject *s, struct path *out)
{
	return fs_path(s, true, out);
}

static int follow_exe(const struct subject *s, struct path *out)
{
	int r = -ENOENT;

	mutex_lock(&s->group->lock);
	if (s->group->exe) {
		*out = s->group->exe->path;
		path_get(out);
		r = 0;
	}
	mutex_unlock(&s->group->lock);
	return r;
}

static ssize_t read_link(const struct subject *s,
			 int (*follow)(const struct subject *, struct path *), char *buf,
			 size_t size)
{
	struct path p;
	ssize_t r = follow(s, &p);

	if (r < 0)
		return r;
	r = path_text(s, &p, buf, size);
	path_put(&p);
	return r;
}

static ssize_t read_cwd(const struct subject *s, char *buf, size_t size)
{
	return read_link(s, follow_cwd, buf, size);
}

static ssize_t read_root(const struct subject *s, char *buf, size_t size)
{
	return read_link(s, follow_root, buf, size);
}

static ssize_t read_exe(const struct subject *s, char *buf, size_t size)
{
	return read_link(s, follow_exe, buf, size);
}

const struct pentry proc_cwd_link = { .name = "cwd",
				      .mode = S_IFLNK | 0777,
				      .is_private = true,
				      .readlink = read_cwd,
				      .follow = follow_cwd };
const struct pentry proc_root_link = { .name = "root",
				       .mode = S_IFLNK | 0777,
				       .is_private = true,
				       .readlink = read_root,
				       .follow = follow_root };
const struct pentry proc_exe_link = { .name = "exe",
				      .mode = S_IFLNK | 0777,
				      .is_private = true,
				      .readlink = read_exe,
				      .follow = follow_exe };

/* ---- fd/ and fdinfo/ ---- */

static struct file *subject_file(const struct subject *s)
{
	struct fdtable *ft = s->task ? task_files_get(s->task) : NULL;
	struct file *f;

	if (!ft)
		return NULL;
	f = fdtable_get_file(ft, s->fd, NULL);
	fdtable_put(ft, NULL);
	return f;
}

static int find_fd(const struct subject *s, const char *name, int *number)
{
	struct subject at = *s;
	struct file *f;
	char *end;
	long fd = strtol(name, &end, 10);

	if (name[0] < '0' || name[0] > '9' || *end || fd > INT32_MAX)
		return -ENOENT;
	at.fd = (int)fd;
	f = subject_file(&at);
	if (!f)
		return -ENOENT;
	file_put(f);
	*number = (int)fd;
	return 0;
}

static int next_fd(const struct subject *s, int after, char *name, int *number)
{
	struct fdtable *ft = s->task ? task_files_get(s->task) : NULL;
	int fd;

	if (!ft)
		return -ENOENT;
	fd = fdtable_next(ft, after + 1);
	fdtable_put(ft, NULL);
	if (fd < 0)
		return -ENOENT;
	*number = fd;
	snprintf(name, 32, "%d", fd);
	return 0;
}

static int find_fd_link(const struct subject *s, const char *name, const struct pentry **entry,
			int *number)
{
	*entry = &proc_fd_link;
	return find_fd(s, name, number);
}

static int find_fdinfo(const struct subject *s, const char *name, const struct pentry **entry,
		       int *number)
{
	*entry = &proc_fdinfo_file;
	return find_fd(s, name, number);
}

static int follow_fd(const struct subject *s, struct path *out)
{
	struct file *f = subject_file(s);

	if (!f)
		return -ENOENT;
	*out = f->path;
	path_get(out);
	file_put(f);
	return 0;
}

static ssize_t read_fd(const struct subject *s, char *buf, size_t size)
{
	struct file *f = subject_file(s);
	ssize_t n;

	if (!f)
		return -ENOENT;
	n = file_describe(f, s->ctx, buf, size);
	file_put(f);
	return n;
}

/* ls shows by them what the descriptor is open for. */
static uint32_t fd_perms(const struct subject *s)
{
	struct file *f = subject_file(s);
	uint32_t perms = 0;

	if (!f)
		return 0;
	if (file_may_read(f))
		perms |= 0500;
	if (file_may_write(f))
		perms |= 0300;
	file_put(f);
	return perms;
}

static void show_fdinfo(const struct subject *s, struct text *t)
{
	struct file *f = subject_file(s);
	struct kstat st;
	char more[1024];

	if (!f)
		return;
	text_add(t, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%llu\n", (unsigned long long)f->pos,
		 atomic_load(&f->flags),
		 (unsigned long long)(f->path.mount ? mount_id(f->path.mount) : 0));
	if (f->inode)
		text_add(t, "ino:\t%llu\n", (unsigned long long)f->inode->ino);
	if (f->ops->show_fdinfo)
		text_bytes(t, more, f->ops->show_fdinfo(f, more, sizeof(more)));
	(void)st;
	file_put(f);
}

const struct pentry proc_fd_link = { .name = "fd",
				     .mode = S_IFLNK | 0700,
				     .readlink = read_fd,
				     .follow = follow_fd,
				     .perms = fd_perms };
const struct pentry proc_fdinfo_file = { .name = "fdinfo",
					 .mode = S_IFREG | 0444,
					 .show = show_fdinfo };
const struct pentry proc_fd_dir = {
	.name = "fd", .mode = S_IFDIR | 0500, .find = find_fd_link, .next = next_fd
};
const struct pentry proc_fdinfo_dir = {
	.name = "fdinfo", .mode = S_IFDIR | 0555, .find = find_fdinfo, .next = next_fd
};
