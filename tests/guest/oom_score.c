/*
 * /proc/[pid]/oom_score and oom_score_adj: values, limits, inheritance, privilege.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "lib/check.h"

static void put(const char *path, const char *text, int err)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = write(fd, text, strlen(text));
	if (err)
		CHECK(n == -1 && errno == err);
	else
		CHECK(n == (ssize_t)strlen(text));
	close(fd);
}

static long get(const char *path)
{
	char buf[32] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, buf, sizeof(buf) - 1);
	CHECK(n > 0 && buf[n - 1] == '\n');
	close(fd);
	return strtol(buf, NULL, 10);
}

static const char adj[] = "/proc/self/oom_score_adj", score[] = "/proc/self/oom_score",
		  old[] = "/proc/self/oom_adj";

/* Two thirds of a thousand, of adj and of the share of all memory in thousandths: for
 * this small process next to none. */
static void scores_follow_from_adj(void)
{
	static const long adjs[] = { 0, 500, 999, 1000 };
	char text[8];

	for (size_t i = 0; i < sizeof(adjs) / sizeof(adjs[0]); i++) {
		long base = (1000 + adjs[i]) * 2 / 3;

		snprintf(text, sizeof(text), "%ld\n", adjs[i]);
		put(adj, text, 0);
		CHECK_EQ(get(adj), adjs[i]);
		/* Less by the rounding of the memory to whole units of adj. */
		CHECK(get(score) >= base - 10 && get(score) <= base + 30);
	}
	put(adj, "0", 0);
}

static void the_old_file_has_other_units(void)
{
	static const struct {
		const char *old;
		long value;
	} of[] = { { "15", 1000 }, { "14", 823 }, { "1", 58 }, { "0", 0 } };

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		put(adj, "0", 0);
		put(old, of[i].old, 0);
		CHECK_EQ(get(adj), of[i].value);
	}
	put(adj, "500", 0);
	CHECK_EQ(get(old), 8);
	put(adj, "1000", 0);
	CHECK_EQ(get(old), 15);
	put(old, "16", EINVAL);
	put(old, "-18", EINVAL);
	put(adj, "0", 0);
}

static void nonsense_is_refused(void)
{
	put(adj, "1001", EINVAL);
	put(adj, "-1001", EINVAL);
	put(adj, "many", EINVAL);
	put(adj, "", EINVAL);
	put(adj, " ", EINVAL);
	put(adj, "1 2", EINVAL);
	put(adj, "1x", EINVAL);
	put(adj, "99999999999", ERANGE);
	CHECK(get(adj) == 0);
}

static void numbers_may_have_a_base_and_spaces(void)
{
	int fd;

	put(adj, " 0x10 \n", 0);
	CHECK_EQ(get(adj), 16);
	put(adj, "010", 0);
	CHECK_EQ(get(adj), 8);
	put(adj, "+7", 0);
	CHECK_EQ(get(adj), 7);
	/* No more than 12 bytes are looked at. */
	fd = open(adj, O_WRONLY);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "9           8", 13), 12);
	CHECK_EQ(get(adj), 9);
	close(fd);
	put(adj, "0", 0);
}

static void it_is_inherited(void)
{
	int status;
	pid_t pid;

	put(adj, "300", 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(get(adj) == 300 ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	put(adj, "0", 0);
}

static int raise_it(void *arg)
{
	put(adj, arg, 0);
	_exit(0);
}

static void run_clone(unsigned long flags, char *value)
{
	static char stack[65536] __attribute__((aligned(16)));
	int status;
	pid_t pid = clone(raise_it, stack + sizeof(stack), (int)(flags | SIGCHLD), value);

	CHECK(pid >= 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void processes_with_the_same_memory_share_it(void)
{
	run_clone(CLONE_VM, "100");
	CHECK_EQ(get(adj), 100);
	/* But not for a child that is about to run another program. */
	run_clone(CLONE_VM | CLONE_VFORK, "200");
	CHECK_EQ(get(adj), 100);
	put(adj, "0", 0);
}

static void lowering_needs_privilege(void)
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		int fd = open(adj, O_WRONLY), fd2 = open(adj, O_WRONLY);
		int fd_old = open(old, O_WRONLY);

		/* A container may have taken the capability from root. */
		if (write(fd, "-1000", 5) == -1 && errno == EACCES)
			_exit(0);
		CHECK(get(score) == 0);
		put(adj, "100", 0);
		CHECK(setresuid(65534, 65534, 65534) == 0);
		/* The process is not dumpable any more: by the descriptors of before. */
		CHECK(write(fd, "200", 3) == 3);
		CHECK(write(fd2, "99", 2) == -1 && errno == EACCES);
		CHECK(write(fd2, "100", 3) == 3);
		/* By the old file never below what it is. */
		CHECK(write(fd2, "300", 3) == 3);
		CHECK(write(fd_old, "4", 1) == -1 && errno == EACCES);
		CHECK(write(fd_old, "6", 1) == 1);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(void)
{
	scores_follow_from_adj();
	the_old_file_has_other_units();
	nonsense_is_refused();
	numbers_may_have_a_base_and_spaces();
	processes_with_the_same_memory_share_it();
	it_is_inherited();
	lowering_needs_privilege();
	return 0;
}
