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

#include "boot/internal.h"
#include "host/host.h"
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
static bool ids_are_mapped; /* by the launcher: all of them */

/* What root may do to files, as its kernel process keeps it. */
#define CAPS_OVER_FILES                                                               \
	(1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH | \
	 1ull << CAP_FOWNER | 1ull << CAP_FSETID)

static const int ns_flag[] = {
	[WALL_USERNS] = CLONE_NEWUSER, [WALL_PIDNS] = CLONE_NEWPID, [WALL_MNTNS] = CLONE_NEWNS,
	[WALL_NETNS] = CLONE_NEWNET,   [WALL_IPCNS] = CLONE_NEWIPC, [WALL_UTSNS] = CLONE_NEWUTS,
};

static void wall_missing(int w, int err)
{
	walls[w].up = false;
	snprintf(walls[w].why, sizeof(walls[w].why), "%s", strerror(err));
}

static void walls_up(int flags, int err)
{
	for (int w = WALL_USERNS; w <= WALL_UTSNS; w++) {
		if (flags & ns_flag[w])
			walls[w].up = true;
		else
			wall_missing(w, err);
	}
}

/* ---- ids of a caller who may map any ---- */

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

/* Each id that we have ourselves, to itself. */
static int map_all(pid_t pid, const char *file)
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
	if (n >= sizeof(map))
		return -E2BIG;
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return write_file(path, map);
}

/* The child waits for one byte: whether its ids are mapped. */
static void tell_child(pid_t pid, int fd)
{
	bool mapped = walls[WALL_USERNS].up && caller_uid == 0 && map_all(pid, "gid_map") == 0 &&
		      map_all(pid, "uid_map") == 0;

	(void)!host_write(fd, mapped ? "y" : "n", 1);
}

static void hear_parent(int fd)
{
	char c = 'n';

	ids_are_mapped = host_read(fd, &c, 1) == 1 && c == 'y';
}

pid_t walls_fork(void)
{
	static const int all = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
			       CLONE_NEWIPC | CLONE_NEWUTS;
	static const int tries[] = { all, all & ~CLONE_NEWNET, all & ~CLONE_NEWUSER, 0 };
	long pid = -EPERM, err = 0;
	int told[2], r = host_pipe2(told, O_CLOEXEC);

	if (r < 0)
		return r;
	caller_uid = host_geteuid();
	caller_gid = host_getegid();
	/* The child learns of the outcome from its own copy of walls[], so it
	 * is written before each try. */
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		walls_up(tries[i], err ? (int)-err : 0);
		pid = host_fork_into(tries[i]);
		if (pid >= 0)
			break;
		err = pid;
	}
	if (pid > 0)
		tell_child((pid_t)pid, told[1]);
	host_close(told[1]);
	if (pid == 0)
		hear_parent(told[0]);
	host_close(told[0]);
	return (pid_t)pid;
}

/* ---- in the child ---- */

static void map_ids(uint32_t uid, uint32_t gid)
{
	char buf[64];

	if (!walls[WALL_USERNS].up || ids_are_mapped)
		return;
	(void)!write_file("/proc/self/setgroups", "deny");
	snprintf(buf, sizeof(buf), "%u %u 1", uid, uid);
	(void)!write_file("/proc/self/uid_map", buf);
	snprintf(buf, sizeof(buf), "%u %u 1", gid, gid);
	(void)!write_file("/proc/self/gid_map", buf);
}

/* A tmpfs with nothing in it becomes the root, and what was there goes. */
static int empty_root(void)
{
	int r;

	if (!walls[WALL_MNTNS].up)
		return -EPERM;
	r = host_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r == 0)
		r = host_mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			       "size=4k,mode=555");
	if (r == 0)
		r = host_chdir("/tmp");
	if (r < 0)
		return r;
	/* Where the old root is no mount point (a chroot), the empty directory
	 * becomes the root by chroot alone. */
	if (host_pivot_root(".", ".") == 0)
		r = host_umount2(".", MNT_DETACH);
	else
		r = host_chroot(".");
	return r < 0 ? r : host_chdir("/");
}

static void drop_capabilities(void)
{
	uint64_t keep = 0;
	int r;

	if (ids_are_mapped || (!walls[WALL_USERNS].up && caller_uid == 0))
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
		wall_missing(WALL_CAPS, -r);
}

void walls_enter(const struct launch *l)
{
	int r;

	map_ids(caller_uid, caller_gid);
	r = empty_root();
	walls[WALL_ROOT].up = r == 0;
	if (r < 0)
		wall_missing(WALL_ROOT, -r);
	r = landlock_enter(l);
	walls[WALL_LANDLOCK].up = r == 0;
	if (r < 0)
		wall_missing(WALL_LANDLOCK, -r);
	drop_capabilities();
}

bool walls_describe_missing(char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (int w = 0; w < WALLS; w++) {
		if (walls[w].up)
			continue;
		n += (size_t)snprintf(buf + n, n < size ? size - n : 0, "%s%s (%s)", n ? ", " : "",
				      walls[w].name, walls[w].why);
	}
	return n > 0;
}
