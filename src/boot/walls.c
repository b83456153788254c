/*
 * The outer walls around the kernel process. None of them is the boundary (the
 * stubs' and the kernel's seccomp filters and our own kernel are); each is
 * used when the host allows it and done without otherwise.
 *
 * Namespaces are tried together in a user namespace of our own, which needs no
 * privilege on most hosts; where that is refused, a privileged caller gets
 * them directly.
 *
 * Ids. An ordinary caller's own uid and gid are mapped to themselves, and the files
 * of others are nobody's. Root may map all that it has itself, so that the guest sees
 * true owners; and its kernel process keeps root's capabilities over files, because
 * the guest is to read what its caller reads, and no more: the root and the binds.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "boot/internal.h"
#include "host/host.h"
#include "host/net.h"
#include "host/proc.h"

struct wall walls[WALLS] = {
	[WALL_USERNS] = { .name = "user namespace" },
	[WALL_PIDNS] = { .name = "pid namespace" },
	[WALL_MNTNS] = { .name = "mount namespace" },
	[WALL_NETNS] = { .name = "net namespace" },
	[WALL_IPCNS] = { .name = "ipc namespace" },
	[WALL_UTSNS] = { .name = "uts namespace" },
	[WALL_ROOT] = { .name = "empty root" },
	[WALL_LANDLOCK] = { .name = "Landlock" },
	[WALL_CAPS] = { .name = "no capabilities but root's over files" },
	[WALL_SECCOMP] = { .name = "seccomp filter of the kernel process" },
};

/* Inside a fresh user namespace our own ids cannot be asked for. */
static uint32_t caller_uid, caller_gid;
static enum ids { IDS_NONE, IDS_ONE, IDS_ALL } ids; /* what our user namespace has */

/* What root may do to files, as its kernel process keeps it. */
#define CAPS_OVER_FILES                                                               \
	(1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH | \
	 1ull << CAP_FOWNER | 1ull << CAP_FSETID)

static const int ns_flag[] = {
	[WALL_USERNS] = CLONE_NEWUSER, [WALL_PIDNS] = CLONE_NEWPID, [WALL_MNTNS] = CLONE_NEWNS,
	[WALL_NETNS] = CLONE_NEWNET,   [WALL_IPCNS] = CLONE_NEWIPC, [WALL_UTSNS] = CLONE_NEWUTS,
};

static void wall_missing(int w, int err, const char *what)
{
	walls[w].up = false;
	snprintf(walls[w].why, sizeof(walls[w].why), "%s%s", what, strerror(err));
}

static void walls_up(int flags, int err)
{
	for (int w = WALL_USERNS; w <= WALL_UTSNS; w++) {
		if (flags & ns_flag[w])
			walls[w].up = true;
		else
			wall_missing(w, err, "");
	}
}

/* ---- the ids of a user namespace ---- */

static int write_file(const char *path, const char *text)
{
	int fd = host_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = host_write(fd, text, strlen(text));
	host_close(fd);
	return n < 0 ? (int)n : 0;
}

static int write_proc(const char *who, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", who, file);
	return write_file(path, text);
}

/* Each id that we have ourselves, to itself. */
static int map_all(const char *who, const char *file)
{
	char path[64], map[1024] = "";
	unsigned inside, outside, count;
	size_t n = 0;
	FILE *own;

	snprintf(path, sizeof(path), "/proc/self/%s", file);
	own = fopen(path, "re");
	if (!own)
		return -errno;
	while (n < sizeof(map) && fscanf(own, "%u %u %u", &inside, &outside, &count) == 3)
		n += (size_t)snprintf(map + n, sizeof(map) - n, "%u %u %u\n", inside, inside,
				      count);
	fclose(own);
	return n >= sizeof(map) ? -E2BIG : write_proc(who, file, map);
}

static int map_one(const char *who)
{
	char map[64];
	int r;

	(void)!write_proc(who, "setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", caller_gid, caller_gid);
	r = write_proc(who, "gid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", caller_uid, caller_uid);
	return r < 0 ? r : write_proc(who, "uid_map", map);
}

/*
 * The launcher maps the child's, because it alone may map more than its own, and
 * because some hosts (AppArmor) let an ordinary caller's child do nothing with its
 * namespace. Where the launcher cannot name the child (a /proc of another pid
 * namespace), the child maps its own. Where neither can, there is no /proc that can
 * be written, and no use in the namespace: its files would be nobody's.
 */
static enum ids map_childs(pid_t pid)
{
	char who[16];

	snprintf(who, sizeof(who), "%d", pid);
	if (caller_uid == 0 && map_all(who, "gid_map") == 0 && map_all(who, "uid_map") == 0)
		return IDS_ALL;
	return map_one(who) == 0 ? IDS_ONE : IDS_NONE;
}

/* ---- the child's beginning ---- */

/* The child's side of launch_into(): its ids, or the end. */
static void await_ids(int fd)
{
	int r = -EPIPE;

	if (host_read(fd, &ids, sizeof(ids)) == (ssize_t)sizeof(ids))
		r = ids == IDS_NONE ? map_one("self") : 0;
	if (ids == IDS_NONE && r == 0)
		ids = IDS_ONE;
	if (host_write(fd, &r, sizeof(r)) < 0 || r < 0)
		host_exit(BOOT_EXIT_FAILED);
}

/* Whether the child has ids now; if not, it is gone. */
static int give_ids(pid_t pid, int fd)
{
	int r = -EPIPE, wstatus;

	ids = map_childs(pid);
	if (host_write(fd, &ids, sizeof(ids)) < 0 ||
	    host_read(fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
		r = -EPIPE;
	if (r < 0)
		(void)!waitpid(pid, &wstatus, 0);
	return r;
}

/* As walls_fork(), into these namespaces. *ids_err: no ids could be had. */
static pid_t fork_into(int flags, int *ids_err)
{
	int pair[2], r;
	pid_t pid;

	if (!(flags & CLONE_NEWUSER))
		return host_fork_into(flags);
	r = host_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
	if (r < 0)
		return r;
	pid = host_fork_into(flags);
	host_close(pair[pid != 0]);
	if (pid == 0)
		await_ids(pair[1]);
	else if (pid > 0)
		*ids_err = give_ids(pid, pair[0]);
	host_close(pair[pid == 0]);
	return pid > 0 && *ids_err < 0 ? *ids_err : pid;
}

pid_t walls_fork(void)
{
	static const int all = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
			       CLONE_NEWIPC | CLONE_NEWUTS;
	static const int tries[] = { all, all & ~CLONE_NEWNET, all & ~CLONE_NEWUSER, 0 };
	int err = 0, ids_err = 0;
	pid_t pid = -EPERM;

	caller_uid = host_geteuid();
	caller_gid = host_getegid();
	/* The child learns of the outcome from its own copy of walls[], so it
	 * is written before each try. */
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		if (ids_err && (tries[i] & CLONE_NEWUSER))
			continue;
		walls_up(tries[i], -err);
		if (ids_err)
			wall_missing(WALL_USERNS, -ids_err, "/proc cannot be written: ");
		pid = fork_into(tries[i], &ids_err);
		if (pid >= 0)
			break;
		err = pid;
	}
	return pid;
}

/* ---- in the child ---- */

/* A tmpfs with nothing in it, on whatever directory there is. */
static int mount_empty(void)
{
	static const char *const places[] = { "/tmp", "/usr", "/proc" };
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < ARRAY_SIZE(places); i++) {
		r = host_mount("none", places[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			       "size=4k,mode=555");
		if (r == 0)
			r = host_chdir(places[i]);
	}
	return r;
}

/* It becomes the root, and what was there goes. */
static int mounted_root(void)
{
	int r;

	if (!walls[WALL_MNTNS].up)
		return -EPERM;
	r = host_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r == 0)
		r = mount_empty();
	if (r < 0)
		return r;
	/* Where the old root cannot be moved (it is the initramfs), the empty directory
	 * becomes the root by chroot alone. */
	if (host_pivot_root(".", ".") == 0)
		r = host_umount2(".", MNT_DETACH);
	else
		r = host_chroot(".");
	return r < 0 ? r : host_chdir("/");
}

/* For those who may chroot but not mount, as root in a container: the directory of a
 * process in /proc is empty once the process is dead. So one is made that shares our
 * root, and ends there. */
static int dead_root(void)
{
	int r, wstatus;
	pid_t pid = host_fork_into(CLONE_FS);

	if (pid == 0) {
		r = host_chroot("/proc/self/fdinfo");
		host_exit(r < 0 || host_chdir("/") < 0);
	}
	if (pid < 0)
		return pid;
	while (waitpid(pid, &wstatus, 0) != pid)
		;
	return wstatus == 0 ? 0 : -EPERM;
}

static int empty_root(void)
{
	int r = mounted_root();

	return r < 0 && dead_root() == 0 ? 0 : r;
}

static void drop_capabilities(void)
{
	uint64_t keep = 0;
	int r;

	if (ids == IDS_ALL || (!walls[WALL_USERNS].up && caller_uid == 0))
		keep = CAPS_OVER_FILES;
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (keep >> cap & 1)
			continue;
		if (host_prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break; /* past the last one, or not ours to drop */
	}
	(void)host_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	r = host_capset(keep, keep, 0);
	walls[WALL_CAPS].up = r == 0;
	if (r < 0)
		wall_missing(WALL_CAPS, -r, "");
}

void walls_enter(const struct launch *l)
{
	int r;

	r = empty_root();
	walls[WALL_ROOT].up = r == 0;
	if (r < 0)
		wall_missing(WALL_ROOT, -r, "");
	r = landlock_enter(l);
	walls[WALL_LANDLOCK].up = r == 0;
	if (r < 0)
		wall_missing(WALL_LANDLOCK, -r, "");
	drop_capabilities();
}

/* Walls that are missing for one reason are named together. */
bool walls_describe_missing(char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (int w = 0; w < WALLS && n < size; w++) {
		bool same = false;

		if (walls[w].up)
			continue;
		for (int next = w + 1; next < WALLS && !same; next++) {
			if (walls[next].up)
				continue;
			same = strcmp(walls[w].why, walls[next].why) == 0;
			break;
		}
		n += (size_t)snprintf(buf + n, size - n, "%s%s%s%s", walls[w].name,
				      same ? ", " : " (", same ? "" : walls[w].why,
				      same ? "" : "), ");
	}
	if (n >= 2 && n < size)
		buf[n - 2] = '\0';
	return n > 0;
}
