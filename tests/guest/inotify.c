/*
 * inotify: what each call tells, in which order, to a watched directory and to a
 * watched file; masks and flags; the queue. What is printed is compared with what
 * Linux prints.
 *
 * nacre:
 * nacre: --no-overlay
 * nacre: --bind {cwd}:{cwd},cache=exclusive,forcecache
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "tmpdir.h"
#include "waitfor.h"

static int in;
static struct {
	int wd;
	const char *name;
} watches[16];

static const char *wd_name(int wd)
{
	for (int i = 0; i < 16; i++) {
		if (watches[i].wd == wd)
			return watches[i].name;
	}
	return wd == -1 ? "queue" : "?";
}

static int watch(const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(in, path, mask);

	CHECK(wd > 0);
	for (int i = 0; i < 16; i++) {
		if (!watches[i].name || watches[i].wd == wd) {
			watches[i].wd = wd;
			watches[i].name = path;
			break;
		}
	}
	return wd;
}

static const char *mask_name(uint32_t mask)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ IN_ACCESS, "ACCESS" },
		{ IN_MODIFY, "MODIFY" },
		{ IN_ATTRIB, "ATTRIB" },
		{ IN_CLOSE_WRITE, "CLOSE_WRITE" },
		{ IN_CLOSE_NOWRITE, "CLOSE_NOWRITE" },
		{ IN_OPEN, "OPEN" },
		{ IN_MOVED_FROM, "MOVED_FROM" },
		{ IN_MOVED_TO, "MOVED_TO" },
		{ IN_CREATE, "CREATE" },
		{ IN_DELETE, "DELETE" },
		{ IN_DELETE_SELF, "DELETE_SELF" },
		{ IN_MOVE_SELF, "MOVE_SELF" },
		{ IN_UNMOUNT, "UNMOUNT" },
		{ IN_Q_OVERFLOW, "Q_OVERFLOW" },
		{ IN_IGNORED, "IGNORED" },
		{ IN_ISDIR, "ISDIR" },
	};
	static char buf[256];

	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (mask & names[i].bit) {
			strcat(buf, buf[0] ? "|" : "");
			strcat(buf, names[i].name);
			mask &= ~names[i].bit;
		}
	}
	CHECK(mask == 0);
	return buf;
}

/* Prints what waits, under a heading. Cookies are numbered anew. */
static void show(const char *what)
{
	_Alignas(struct inotify_event) static char buf[65536];
	uint32_t cookie = 0;
	ssize_t n;

	printf("%s\n", what);
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		for (char *at = buf; at < buf + n;) {
			struct inotify_event *e = (struct inotify_event *)at;

			CHECK(e->len % sizeof(*e) == 0);
			CHECK(!!e->cookie == !!(e->mask & (IN_MOVED_FROM | IN_MOVED_TO)));
			if (e->mask & IN_MOVED_FROM)
				cookie = e->cookie;
			printf("  %s: %s%s%s%s\n", wd_name(e->wd), mask_name(e->mask),
			       e->len ? " " : "", e->len ? e->name : "",
			       e->cookie && e->cookie == cookie ? " (same)" : "");
			at += sizeof(*e) + e->len;
		}
	}
	CHECK(n == -1 && errno == EAGAIN);
}

/* ---- what calls tell ---- */

static void files(void)
{
	struct timespec times[2] = { { 1000, 0 }, { 2000, 0 } };
	char buf[100];
	int fd, other;

	fd = open("d/f", O_RDWR | O_CREAT, 0644);
	show("create");
	watch("d/f", IN_ALL_EVENTS);
	CHECK_EQ(write(fd, "hello", 5), 5);
	CHECK_EQ(write(fd, "more", 4), 4);
	show("write, twice");
	CHECK_EQ(pread(fd, buf, 100, 0), 9);
	CHECK_EQ(pread(fd, buf, 100, 1000), 0);
	show("read; at the end");
	CHECK_EQ(ftruncate(fd, 3), 0);
	show("ftruncate");
	CHECK_EQ(truncate("d/f", 100), 0);
	show("truncate");
	CHECK_EQ(fallocate(fd, 0, 0, 200), 0);
	show("fallocate");
	CHECK_EQ(fchmod(fd, 0600), 0);
	show("fchmod");
	CHECK_EQ(futimens(fd, times), 0);
	show("futimens");
	times[0].tv_nsec = UTIME_OMIT;
	CHECK_EQ(futimens(fd, times), 0);
	times[0].tv_nsec = 0;
	times[1].tv_nsec = UTIME_OMIT;
	show("futimens, mtime");
	CHECK_EQ(futimens(fd, times), 0);
	show("futimens, atime");
	CHECK_EQ(chown("d/f", -1, -1), 0);
	show("chown to nobody");
	if (fsetxattr(fd, "user.x", "y", 1, 0) == 0)
		CHECK_EQ(fremovexattr(fd, "user.x"), 0);
	show("xattrs");
	other = open("out", O_RDWR | O_CREAT, 0644);
	CHECK_EQ(sendfile(other, fd, &(off_t){ 0 }, 50), 50);
	show("sendfile from it");
	CHECK(copy_file_range(other, &(loff_t){ 0 }, fd, &(loff_t){ 0 }, 10, 0) == 10);
	show("copy_file_range to it");
	close(other);
	CHECK_EQ(close(fd), 0);
	show("close");
	fd = open("d/f", O_RDONLY);
	CHECK_EQ(read(fd, buf, 10), 10);
	CHECK_EQ(close(dup(fd)), 0);
	show("open to read, read, dup, close");
	CHECK_EQ(close(fd), 0);
	show("the last close");
	fd = open("d/f", O_WRONLY | O_TRUNC);
	show("open to truncate");
	close(fd);
	fd = open("d/f", O_PATH);
	close(fd);
	show("O_PATH");
}

static void names(void)
{
	struct sockaddr_un sa = { AF_UNIX, "d/sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	CHECK_EQ(mkdir("d/sub", 0755), 0);
	CHECK_EQ(symlink("f", "d/sym"), 0);
	CHECK_EQ(mkfifo("d/fifo", 0644), 0);
	CHECK_EQ(link("d/f", "d/hard"), 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	show("mkdir, symlink, mkfifo, link, bind");
	CHECK_EQ(rename("d/sym", "d/sym2"), 0);
	show("rename inside");
	CHECK_EQ(rename("d/sym2", "out2"), 0);
	CHECK_EQ(rename("out2", "d/back"), 0);
	show("rename out and in");
	CHECK_EQ(rename("d/sub", "d/sub2"), 0);
	show("rename of a directory");
	watch("d/sub2", IN_ALL_EVENTS);
	CHECK_EQ(rename("d/sub2", "d/sub3"), 0);
	show("rename of a watched directory");
	CHECK_EQ(rmdir("d/sub3"), 0);
	show("rmdir of a watched directory");
	CHECK_EQ(unlink("d/hard"), 0);
	show("unlink of one of two names");
	CHECK_EQ(rename("d/f", "d/g"), 0);
	show("rename of a watched file");
	close(open("d/h", O_WRONLY | O_CREAT, 0644));
	show("another");
	CHECK_EQ(rename("d/h", "d/g"), 0);
	show("rename over a watched file");
	CHECK_EQ(syscall(316 /* renameat2 */, AT_FDCWD, "d/g", AT_FDCWD, "d/back", 2), 0);
	show("exchange");
	CHECK_EQ(unlink("d/sock") | unlink("d/fifo") | unlink("d/back") | unlink("d/g"), 0);
	show("unlink");
}

static void removed_while_open(void)
{
	int fd = open("d/o", O_RDWR | O_CREAT, 0644);

	watch("d/o", IN_ALL_EVENTS);
	show("open");
	CHECK_EQ(unlink("d/o"), 0);
	show("unlink while open");
	CHECK_EQ(write(fd, "x", 1), 1);
	show("write to it");
	CHECK_EQ(close(fd), 0);
	show("the last close of a removed file");
	fd = open("d/o", O_RDWR | O_CREAT | O_EXCL, 0644);
	watch("d", IN_ALL_EVENTS | IN_EXCL_UNLINK);
	CHECK_EQ(unlink("d/o"), 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	close(fd);
	show("IN_EXCL_UNLINK");
	watch("d", IN_ALL_EVENTS);
}

static void listings(void)
{
	char buf[4096];
	int fd = open("d", O_RDONLY | O_DIRECTORY);

	CHECK(syscall(217 /* getdents64 */, fd, buf, sizeof(buf)) > 0);
	CHECK(syscall(217, fd, buf, sizeof(buf)) == 0);
	close(fd);
	show("a listing");
	CHECK_EQ(chmod("d", 0700), 0);
	show("chmod of the directory");
}

static void programs(void)
{
	int status, fd = open("d/prog", O_WRONLY | O_CREAT, 0755);

	CHECK_EQ(write(fd, "#!/bin/true\n", 12), 12);
	close(fd);
	watch("d", IN_CREATE);
	show("a script");
	watch("d", IN_OPEN | IN_CLOSE);
	if (fork() == 0) {
		execl("d/prog", "d/prog", NULL);
		_exit(1);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	unlink("d/prog");
	watch("d", IN_ALL_EVENTS);
}

/* ---- masks, flags, errors ---- */

static void flags(void)
{
	int wd, other = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), fd;

	fd = open("d/x", O_WRONLY | O_CREAT, 0644);
	show("x");
	wd = watch("d/x", IN_OPEN);
	CHECK_EQ(inotify_add_watch(in, "d/x", IN_MODIFY), wd);
	close(open("d/x", O_RDONLY));
	show("a mask replaced");
	CHECK_EQ(inotify_add_watch(in, "d/x", IN_OPEN | IN_MASK_ADD), wd);
	close(open("d/x", O_RDONLY));
	show("a mask added to");
	CHECK_ERR(inotify_add_watch(in, "d/x", IN_OPEN | IN_MASK_CREATE), EEXIST);
	CHECK_ERR(inotify_add_watch(in, "d/x", IN_OPEN | IN_MASK_CREATE | IN_MASK_ADD), EINVAL);
	CHECK_EQ(inotify_rm_watch(in, wd), 0);
	CHECK_ERR(inotify_rm_watch(in, wd), EINVAL);
	CHECK_ERR(inotify_rm_watch(fd, 1), EINVAL);
	CHECK_ERR(inotify_rm_watch(-1, 1), EBADF);
	show("taken away");
	watch("d/x", IN_ATTRIB | IN_ONESHOT);
	CHECK_EQ(chmod("d/x", 0600) | chmod("d/x", 0644), 0);
	show("IN_ONESHOT");
	CHECK_ERR(inotify_add_watch(in, "d/x", 0), EINVAL);
	CHECK_ERR(inotify_add_watch(in, "d/x", IN_ONLYDIR | IN_OPEN), ENOTDIR);
	CHECK_ERR(inotify_add_watch(in, "d/none", IN_OPEN), ENOENT);
	CHECK_ERR(inotify_add_watch(in, (char *)1, IN_OPEN), EFAULT);
	CHECK_ERR(inotify_add_watch(fd, "d", IN_OPEN), EINVAL);
	CHECK_ERR(inotify_add_watch(-1, "d", IN_OPEN), EBADF);
	CHECK_ERR(inotify_init1(1), EINVAL);
	CHECK_EQ(symlink("x", "d/s"), 0);
	show("symlink");
	wd = inotify_add_watch(other, "d/s", IN_ALL_EVENTS | IN_DONT_FOLLOW);
	CHECK_EQ(wd, 1);
	CHECK_EQ(inotify_add_watch(other, "d/x", IN_ALL_EVENTS), 2);
	CHECK_EQ(inotify_add_watch(other, "d/s", IN_ALL_EVENTS), 2);
	unlink("d/s");
	unlink("d/x");
	close(fd);
	close(other);
	show("removed");
}

static void the_queue(void)
{
	struct pollfd p = { in, POLLIN, 0 };
	char buf[64];
	int n, status;
	pid_t self = getpid();

	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_ERR(read(in, buf, 64), EAGAIN);
	close(open("d/abcdefgh", O_WRONLY | O_CREAT, 0644));
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	CHECK_EQ(ioctl(in, FIONREAD, &n), 0);
	CHECK_EQ(n, 3 * 32);
	CHECK_ERR(read(in, buf, 31), EINVAL);
	CHECK_EQ(read(in, buf, 40), 32);
	CHECK_EQ(read(in, buf, 64), 64);
	CHECK_EQ(poll(&p, 1, 0), 0);
	/* Blocking: a child makes it happen. */
	CHECK_EQ(fcntl(in, F_SETFL, 0), 0);
	if (fork() == 0) {
		wait_asleep(self, SYS_read);
		_exit(unlink("d/abcdefgh"));
	}
	CHECK_EQ(read(in, buf, 64), 32);
	CHECK_EQ(fcntl(in, F_SETFL, O_NONBLOCK), 0);
	wait(&status);
	CHECK_EQ(status, 0);
	show("nothing left");
}

static void overflow(void)
{
	uint32_t seen = 0, last = 0;
	_Alignas(struct inotify_event) char buf[4096];
	int a = open("d/a", O_RDWR | O_CREAT, 0644);
	ssize_t n;

	for (int i = 0; i < 10000; i++) {
		CHECK_EQ(write(a, "x", 1), 1);
		CHECK_EQ(fchmod(a, 0600 + i % 2), 0);
	}
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		for (char *at = buf; at < buf + n; seen++) {
			struct inotify_event *e = (struct inotify_event *)at;

			last = e->mask;
			at += sizeof(*e) + e->len;
		}
	}
	printf("overflow: %u events, the last is %s\n", seen, mask_name(last));
	close(a);
	unlink("d/a");
	show("and then");
}

int main(void)
{
	tmpdir_enter();
	in = inotify_init1(IN_NONBLOCK);
	CHECK(in >= 0);
	CHECK_EQ(mkdir("d", 0755), 0);
	watch("d", IN_ALL_EVENTS);
	files();
	names();
	removed_while_open();
	listings();
	programs();
	show("a program");
	flags();
	the_queue();
	overflow();
	CHECK_EQ(rmdir("d"), 0);
	show("the watched directory");
	return 0;
}
