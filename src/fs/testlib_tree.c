#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fs/testlib_tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfile/memfile.h"

#define TEXT_MAX 4096

int tree_init(struct tree *t)
{
	memset(t, 0, sizeof(*t));
	waiter_init(&t->waiter);
	t->cred = cred_create(0, 0);
	t->ctx = (struct vfs_ctx){ .cred = t->cred,
				   .waiter = &t->waiter,
				   .fsize_limit = ~(uint64_t)0 };
	strcpy(t->scratch, "/tmp/nacre-test-XXXXXX");
	umask(022);
	if (!mkdtemp(t->scratch) || chmod(t->scratch, 0755) < 0)
		return -1;
	return memfile_create((uint64_t)64 << 20, &t->mf) < 0 || vfs_create(&t->vfs) < 0 ? -1 : 0;
}

int tree_mount(struct tree *t, struct super *sb)
{
	int r = vfs_mount(vfs_first_ns(t->vfs), NULL, sb, MS_RELATIME, NULL);

	if (r < 0)
		return r;
	vfs_root(vfs_first_ns(t->vfs), &t->ctx.root);
	t->ctx.cwd = t->ctx.root;
	return 0;
}

int tree_fini(struct tree *t)
{
	struct memfile_stats stats;
	char command[128];

	path_put(&t->ctx.root);
	vfs_destroy(t->vfs);
	cred_put(t->cred);
	memfile_get_stats(t->mf, &stats);
	memfile_destroy(t->mf);
	snprintf(command, sizeof(command), "rm -rf %s", t->scratch);
	if (system(command) != 0)
		return -1;
	return stats.allocated[MEMFILE_TMPFS] == 0 ? 0 : -1;
}

const char *tree_host(const struct tree *t, const char *name)
{
	static _Thread_local char path[4][512];
	static _Thread_local unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", t->scratch, name);
	return p;
}

void tree_host_write(const struct tree *t, const char *name, const char *text)
{
	FILE *f = fopen(tree_host(t, name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

const char *tree_host_read(const struct tree *t, const char *name)
{
	static char text[TEXT_MAX];
	FILE *f = fopen(tree_host(t, name), "r");
	size_t n;

	if (!f)
		return NULL;
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

int tree_try_open(struct tree *t, const char *name, unsigned flags)
{
	struct file *f;
	int r = vfs_open(&t->ctx, NULL, name, flags, 0644, 0, &f);

	if (r == 0)
		file_put(f);
	return r;
}

struct file *tree_open(struct tree *t, const char *name, unsigned flags)
{
	struct file *f;
	int r = vfs_open(&t->ctx, NULL, name, flags, 0644, 0, &f);

	if (r < 0)
		fail_msg("open %s: %d", name, r);
	return f;
}

static ssize_t transfer(struct tree *t, struct file *f, void *buf, size_t n, int64_t off,
			enum uio_dir dir)
{
	struct io io = { .ctx = &t->ctx, .nonblock = atomic_load(&f->flags) & O_NONBLOCK };
	fileoff_t pos = (fileoff_t)off;
	struct uio_seg seg;
	struct uio u;

	uio_init_kernel(&u, &seg, dir, buf, n);
	return dir == UIO_TO_USER ? file_read(f, &u, off < 0 ? NULL : &pos, &io)
				  : file_write(f, &u, off < 0 ? NULL : &pos, &io);
}

ssize_t tree_put(struct tree *t, struct file *f, const void *buf, size_t n, int64_t off)
{
	return transfer(t, f, (void *)(uintptr_t)buf, n, off, UIO_FROM_USER);
}

ssize_t tree_get(struct tree *t, struct file *f, void *buf, size_t n, int64_t off)
{
	return transfer(t, f, buf, n, off, UIO_TO_USER);
}

int tree_write(struct tree *t, const char *name, const char *text)
{
	struct file *f;
	ssize_t n;
	int r = vfs_open(&t->ctx, NULL, name, O_CREAT | O_TRUNC | O_WRONLY, 0644, 0, &f);

	if (r < 0)
		return r;
	n = tree_put(t, f, text, strlen(text), -1);
	file_put(f);
	return n < 0 ? (int)n : 0;
}

const char *tree_read(struct tree *t, const char *name)
{
	static char text[TEXT_MAX];
	struct file *f;
	ssize_t n;
	int r = vfs_open(&t->ctx, NULL, name, O_RDONLY, 0, 0, &f);

	if (r < 0) {
		snprintf(text, sizeof(text), "%d", r);
		return text;
	}
	n = tree_get(t, f, text, sizeof(text) - 1, -1);
	file_put(f);
	if (n < 0)
		snprintf(text, sizeof(text), "%zd", n);
	else
		text[n] = '\0';
	return text;
}

int tree_stat(struct tree *t, const char *name, struct kstat *st)
{
	struct path p;
	int r = vfs_lookup(&t->ctx, NULL, name, 0, &p);

	if (r < 0)
		return r;
	r = vfs_getattr(&t->ctx, &p, st);
	path_put(&p);
	return r;
}

struct names {
	char *name[256];
	size_t count;
};

static bool collect(void *arg, const char *name, size_t len, uint64_t ino UNUSED,
		    uint8_t type UNUSED, uint64_t next UNUSED)
{
	struct names *l = arg;

	assert_int_equal(len, strlen(name));
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
		assert_true(l->count < 256);
		l->name[l->count++] = strdup(name);
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *tree_list(struct tree *t, const char *name)
{
	static char text[TEXT_MAX];
	struct file *f = tree_open(t, name, O_RDONLY | O_DIRECTORY);
	struct names l = { .count = 0 };

	assert_int_equal(file_readdir(f, collect, &l, &t->ctx), 0);
	file_put(f);
	qsort(l.name, l.count, sizeof(l.name[0]), compare);
	text[0] = '\0';
	for (size_t i = 0; i < l.count; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, l.name[i]);
		free(l.name[i]);
	}
	return text;
}
