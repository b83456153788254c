/*
 * The outer walls around the kernel process. None of them is the boundary (the
 * stubs' and the kernel's seccomp filters and our own kernel are); each is
 * used when the host allows it and done without otherwise.
 *
 * Namespaces are tried together in a user namespace of our own, which needs no
 * privilege on most hosts; where that is refused, a privileged caller gets
 * them directly. The kernel process keeps the caller's own uid: mapped to
 * itself and to nothing else.
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
	[WALL_CAPS] = { .name = "no capabilities" },
	[WALL_SECCOMP] = { .name = "seccomp filter of the kernel process" },
};

/* Inside a fresh user namespace our own ids cannot be asked for. */
static uint32_t caller_uid, caller_gid;

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

pid_t walls_fork(void)
{
	static const int all = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
			       CLONE_NEWIPC | CLONE_NEWUTS;
	static const int tries[] = { all, all & ~CLONE_NEWNET, all & ~CLONE_NEWUSER, 0 };
	long pid = -EPERM, err = 0;

	caller_uid = host_geteuid();
	caller_gid = host_getegid();
	/* The child learns of the outcome from its own copy of walls[], so it
	 * is written before each try. */
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		walls_up(tries[i], err ? (int)-err : 0);
		pid = host_fork_into(tries[i]);
		if (pid >= 0)
			return (pid_t)pid;
		err = pid;
	}
	return (pid_t)pid;
}

/* ---- in the child ---- */

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

static void map_ids(uint32_t uid, uint32_t gid)
{
	char buf[64];

	if (!walls[WALL_USERNS].up)
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
	int r;

	for (unsigned long cap = 0; cap < 64; cap++) {
		if (host_prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break; /* past the last one, or not ours to drop */
	}
	(void)host_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	r = host_capset(0, 0, 0);
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
