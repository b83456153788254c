/* Mount namespaces and the propagation of mounts between peers, masters and slaves
 * (mount_namespaces(7)). Natively in a mount namespace of its own. */
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "mountns.h"

static void new_tmpfs(const char *at)
{
	CHECK(mount("none", at, "tmpfs", 0, NULL) == 0);
}

static void set_type(const char *at, unsigned long type)
{
	CHECK(mount(NULL, at, NULL, type, NULL) == 0);
}

/* ---- namespaces ---- */

static void mounts_alone(void)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	new_tmpfs("a");
	touch("a/inner");
	CHECK(is_there("a/inner"));
}

static void a_new_namespace_is_apart(void)
{
	struct stat before, after, child;
	char path[64];
	int status, gate[2];
	pid_t pid;

	CHECK(stat("/proc/self/ns/mnt", &before) == 0);
	in_child(mounts_alone);
	CHECK(!is_there("a/inner"));
	CHECK(stat("/proc/self/ns/mnt", &after) == 0 && before.st_ino == after.st_ino);
	CHECK(pipe(gate) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWNS) == 0);
		CHECK(write(gate[1], "x", 1) == 1);
		pause();
		_exit(0);
	}
	CHECK(read(gate[0], path, 1) == 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	CHECK(stat(path, &child) == 0);
	CHECK(child.st_ino != before.st_ino && child.st_dev == before.st_dev);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	CHECK(close(gate[0]) == 0 && close(gate[1]) == 0);
}

/* The working directory is the same place, in the copy. */
static void cwd_follows(void)
{
	char cwd[4096], want[4096];

	new_tmpfs("a");
	CHECK(mkdir("a/dir", 0755) == 0 && chdir("a/dir") == 0);
	CHECK(unshare(CLONE_NEWNS) == 0);
	snprintf(want, sizeof(want), "%s/a/dir", tmpdir);
	CHECK(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, want) == 0);
	/* It is the copy's mount that is busy. */
	CHECK_ERR(umount(tmpdir_path("a")), EBUSY);
	CHECK(chdir("../..") == 0);
	CHECK(umount("a") == 0);
}

static void joins(void)
{
	int ours = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), file;

	CHECK(ours >= 0);
	CHECK(unshare(CLONE_NEWNS) == 0);
	new_tmpfs("b");
	touch("b/new");
	CHECK_ERR(setns(ours, CLONE_NEWUTS), EINVAL);
	CHECK(setns(ours, CLONE_NEWNS) == 0);
	/* Root and working directory are the namespace's root now. */
	CHECK(chdir(tmpdir) == 0);
	CHECK(!is_there("b/new"));
	file = open("file", O_RDONLY);
	CHECK_ERR(setns(file, 0), EINVAL);
	CHECK_ERR(setns(-1, 0), EBADF);
}

/* A directory that is a mount point only elsewhere may be removed; the mount goes. */
static void removes_others_mount_points(void)
{
	int go[2], done[2], status;
	pid_t pid;
	char c;

	CHECK(pipe(go) == 0 && pipe(done) == 0 && mkdir("gone", 0755) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWNS) == 0);
		new_tmpfs("gone");
		CHECK_ERR(rmdir("gone"), EBUSY);
		CHECK_ERR(rename("gone", "other"), EBUSY);
		CHECK(write(done[1], "x", 1) == 1 && read(go[0], &c, 1) == 1);
		CHECK(!is_there("gone"));
		_exit(0);
	}
	CHECK(read(done[0], &c, 1) == 1);
	CHECK(rmdir("gone") == 0);
	CHECK(write(go[1], "x", 1) == 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	close(go[0]), close(go[1]), close(done[0]), close(done[1]);
}

/* ---- propagation ---- */

static void peers_see_each_others(void)
{
	new_tmpfs("a");
	set_type("a", MS_SHARED);
	CHECK(mount_tag("a", "shared:") > 0);
	CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0);
	CHECK_EQ(mount_tag("a", "shared:"), mount_tag("b", "shared:"));
	make_dirs("a/x", "a/y", NULL);
	new_tmpfs("a/x");
	touch("a/x/f");
	CHECK(is_there("b/x/f"));
	/* What propagated is shared too. */
	CHECK(mount_tag("a/x", "shared:") > 0);
	CHECK_EQ(mount_tag("a/x", "shared:"), mount_tag("b/x", "shared:"));
	new_tmpfs("b/y");
	touch("b/y/g");
	CHECK(is_there("a/y/g"));
	CHECK(umount("a/y") == 0);
	CHECK(!is_there("b/y/g"));
	/* A busy copy keeps all. */
	CHECK(chdir("b/x") == 0);
	CHECK_ERR(umount(tmpdir_path("a/x")), EBUSY);
	CHECK(chdir("../..") == 0);
	CHECK(umount("a/x") == 0 && !is_there("b/x/f"));
	CHECK(umount("b") == 0 && umount("a") == 0);
}

static void slaves_hear_only(void)
{
	new_tmpfs("a");
	set_type("a", MS_SHARED);
	CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0);
	set_type("b", MS_SLAVE);
	CHECK_EQ(mount_tag("b", "shared:"), 0);
	CHECK_EQ(mount_tag("b", "master:"), mount_tag("a", "shared:"));
	make_dirs("a/x", "a/y", NULL);
	new_tmpfs("a/x");
	touch("a/x/f");
	CHECK(is_there("b/x/f"));
	CHECK_EQ(mount_tag("b/x", "master:"), mount_tag("a/x", "shared:"));
	CHECK_EQ(mount_tag("b/x", "shared:"), 0);
	new_tmpfs("b/y");
	touch("b/y/g");
	CHECK(!is_there("a/y/g"));
	/* A slave that is shared has slaves, that hear of what comes. */
	set_type("b", MS_SHARED);
	CHECK(mount_tag("b", "shared:") && mount_tag("b", "master:"));
	CHECK(mount("b", "c", NULL, MS_BIND, NULL) == 0);
	set_type("c", MS_SLAVE);
	CHECK(mkdir("a/z", 0755) == 0);
	new_tmpfs("a/z");
	touch("a/z/h");
	CHECK(is_there("b/z/h") && is_there("c/z/h"));
	CHECK(mount_tag("b/z", "shared:") && mount_tag("b/z", "master:"));
	CHECK_EQ(mount_tag("c/z", "master:"), mount_tag("b/z", "shared:"));
	CHECK(umount("a/z") == 0 && !is_there("c/z/h"));
	/* Without b, c hears of a. */
	CHECK(umount2("b", MNT_DETACH) == 0);
	CHECK_EQ(mount_tag("c", "master:"), mount_tag("a", "shared:"));
	CHECK(umount2("c", MNT_DETACH) == 0 && umount2("a", MNT_DETACH) == 0);
}

/* Slaves of a group that does not show the place hear of it all the same. */
static void passes_groups_that_do_not_show_it(void)
{
	new_tmpfs("a");
	set_type("a", MS_SHARED);
	make_dirs("a/in", "a/in/x", "a/out", NULL);
	CHECK(mount("a/out", "b", NULL, MS_BIND, NULL) == 0);
	set_type("b", MS_SLAVE);
	set_type("b", MS_SHARED);
	CHECK(mount("a", "c", NULL, MS_BIND, NULL) == 0);
	set_type("c", MS_SLAVE);
	new_tmpfs("a/in/x");
	touch("a/in/x/f");
	CHECK(is_there("c/in/x/f") && !is_there("b/x"));
	CHECK(umount2("c", MNT_DETACH) == 0);
	CHECK(umount2("b", MNT_DETACH) == 0);
	CHECK(umount2("a", MNT_DETACH) == 0);
}

static void propagates_trees(void)
{
	new_tmpfs("a");
	set_type("a", MS_SHARED);
	CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0);
	new_tmpfs("c");
	make_dirs("a/x", "c/d", NULL);
	new_tmpfs("c/d");
	touch("c/d/deep");
	CHECK(mount("c", "a/x", NULL, MS_BIND | MS_REC, NULL) == 0);
	CHECK(is_there("a/x/d/deep") && is_there("b/x/d/deep"));
	CHECK(umount2("b/x", MNT_DETACH) == 0);
	CHECK(!is_there("a/x/d/deep") && !is_there("a/x/d"));
	/* So do moves, but not out of a shared parent. */
	CHECK(mount("c", "a/x", NULL, MS_MOVE, NULL) == 0);
	CHECK(is_there("b/x/d/deep"));
	CHECK_ERR(mount("a/x", "c", NULL, MS_MOVE, NULL), EINVAL);
	CHECK(umount2("a", MNT_DETACH) == 0 && umount2("b", MNT_DETACH) == 0);
}

/* What comes by propagation goes below what lies there already. */
static void goes_below_what_is_there(void)
{
	new_tmpfs("a");
	set_type("a", MS_SHARED);
	CHECK(mkdir("a/x", 0755) == 0);
	CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0);
	set_type("b", MS_SLAVE);
	new_tmpfs("b/x");
	touch("b/x/mine");
	new_tmpfs("a/x");
	touch("a/x/theirs");
	CHECK(is_there("b/x/mine") && !is_there("b/x/theirs"));
	CHECK(umount("a/x") == 0);
	CHECK(is_there("b/x/mine"));
	CHECK(umount("b/x") == 0);
	CHECK(!is_there("b/x/mine") && !is_there("b/x/theirs"));
	CHECK(umount("b") == 0 && umount("a") == 0);
}

static void types_and_errors(void)
{
	new_tmpfs("a");
	CHECK_ERR(mount(NULL, "a", NULL, MS_SHARED | MS_PRIVATE, NULL), EINVAL);
	CHECK_ERR(mount(NULL, "a", NULL, MS_SHARED | MS_RDONLY, NULL), EINVAL);
	CHECK(mkdir("a/dir", 0755) == 0);
	CHECK_ERR(mount(NULL, "a/dir", NULL, MS_SHARED, NULL), EINVAL);
	set_type("a", MS_UNBINDABLE);
	CHECK_ERR(mount("a", "b", NULL, MS_BIND, NULL), EINVAL);
	set_type("a", MS_SLAVE); /* of nobody: stays as it is */
	CHECK_ERR(mount("a", "b", NULL, MS_BIND, NULL), EINVAL);
	set_type("a", MS_PRIVATE);
	CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0 && umount("b") == 0);
	/* A recursive bind leaves unbindable ones out. */
	new_tmpfs("a/dir");
	touch("a/dir/f");
	set_type("a/dir", MS_UNBINDABLE);
	CHECK(mount("a", "b", NULL, MS_BIND | MS_REC, NULL) == 0);
	CHECK(is_there("b/dir") && !is_there("b/dir/f"));
	CHECK(umount("b") == 0);
	/* They may not be moved to where they would propagate. */
	new_tmpfs("c");
	CHECK(mkdir("c/to", 0755) == 0);
	set_type("c", MS_SHARED);
	CHECK_ERR(mount("a", "c/to", NULL, MS_MOVE, NULL), EINVAL);
	set_type("a", MS_REC | MS_PRIVATE);
	CHECK(mount("a", "c/to", NULL, MS_MOVE, NULL) == 0);
	CHECK(mount_tag("c/to", "shared:") && mount_tag("c/to/dir", "shared:"));
	CHECK(umount2("c", MNT_DETACH) == 0);
}

static void sees_what_propagates(void)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	new_tmpfs("a/x");
	touch("a/x/from_child");
}

static void hears_only(void)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	set_type("a", MS_SLAVE);
	new_tmpfs("a/y");
	touch("a/y/from_child");
}

static void propagates_between_namespaces(void)
{
	new_tmpfs("a");
	set_type("a", MS_SHARED);
	make_dirs("a/x", "a/y", NULL);
	in_child(sees_what_propagates);
	CHECK(is_there("a/x/from_child"));
	in_child(hears_only);
	CHECK(!is_there("a/y/from_child"));
	CHECK(umount("a/x") == 0 && umount("a") == 0);
}

/* ---- flags ---- */

static void expires(void)
{
	new_tmpfs("a");
	CHECK_ERR(umount2("a", MNT_EXPIRE | MNT_DETACH), EINVAL);
	CHECK_ERR(umount2("a", MNT_EXPIRE | MNT_FORCE), EINVAL);
	CHECK_ERR(umount2("a", MNT_EXPIRE), EAGAIN);
	CHECK(!is_there("a/used")); /* a use takes the mark away */
	CHECK_ERR(umount2("a", MNT_EXPIRE), EAGAIN);
	CHECK(umount2("a", MNT_EXPIRE) == 0);
	CHECK_ERR(umount2("a", MNT_EXPIRE), EINVAL);
}

static void binds_are_remounted_alone(void)
{
	new_tmpfs("a");
	CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0);
	CHECK(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOEXEC, NULL) == 0);
	CHECK_ERR(open("b/f", O_CREAT | O_WRONLY, 0600), EROFS);
	touch("a/f");
	CHECK(is_there("b/f"));
	CHECK(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND, NULL) == 0);
	CHECK(unlink("b/f") == 0);
	CHECK(umount("b") == 0 && umount("a") == 0);
}

static void nofollow(void)
{
	new_tmpfs("a");
	CHECK(symlink("a", "link") == 0);
	CHECK_ERR(umount2("link", UMOUNT_NOFOLLOW), EINVAL);
	CHECK(umount2("link", 0) == 0);
	CHECK(unlink("link") == 0);
}

int main(void)
{
	mountns_enter();
	tmpdir_enter();
	make_dirs("a", "b", "c", NULL);
	touch("file");
	a_new_namespace_is_apart();
	in_child(cwd_follows);
	in_child(joins);
	CHECK(umount("a") == 0);
	removes_others_mount_points();
	peers_see_each_others();
	slaves_hear_only();
	passes_groups_that_do_not_show_it();
	propagates_trees();
	goes_below_what_is_there();
	types_and_errors();
	propagates_between_namespaces();
	expires();
	binds_are_remounted_alone();
	nofollow();
	return 0;
}
