/*
 * What /proc says of the process itself: namespaces, status and stat fields that
 * calls change, access modes of fd links, uuids; and what /sys says of CPUs.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

#define NS_GET_NSTYPE 0xb703u

static char *text_of(const char *path)
{
	static char buf[4][8192];
	static int next;
	char *b = buf[next++ % 4];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, b, sizeof(buf[0]) - 1);
	CHECK(n >= 0);
	b[n] = '\0';
	close(fd);
	return b;
}

/* The text after "name:" and a tab. */
static const char *status_of(const char *name)
{
	char *s = strstr(text_of("/proc/self/status"), name);

	CHECK(s);
	s += strlen(name) + 1;
	s[strcspn(s, "\n")] = '\0';
	return s + strspn(s, "\t ");
}

/* Fields of stat count from 1; after the name there is no space. */
static long stat_field(int field)
{
	char *s = strrchr(text_of("/proc/self/stat"), ')') + 2;

	for (int i = 3; i < field; i++)
		s = strchr(s, ' ') + 1;
	return atol(s);
}

static void namespaces(void)
{
	static const struct {
		const char *name;
		int type;
	} kinds[] = { { "mnt", CLONE_NEWNS },    { "pid", CLONE_NEWPID }, { "net", CLONE_NEWNET },
		      { "user", CLONE_NEWUSER }, { "uts", CLONE_NEWUTS }, { "ipc", CLONE_NEWIPC } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		char path[64], parent[64], text[64] = "", expect[64];
		struct stat st, other;
		int fd;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i].name);
		CHECK_EQ(stat(path, &st), 0);
		CHECK(S_ISREG(st.st_mode));
		CHECK(readlink(path, text, sizeof(text) - 1) > 0);
		snprintf(expect, sizeof(expect), "%s:[%lu]", kinds[i].name, st.st_ino);
		CHECK(strcmp(text, expect) == 0);
		snprintf(parent, sizeof(parent), "/proc/%d/ns/%s", getppid(), kinds[i].name);
		if (stat(parent, &other) == 0)
			CHECK(other.st_dev == st.st_dev);
		fd = open(path, O_RDONLY);
		CHECK(fd >= 0);
		CHECK_EQ(ioctl(fd, NS_GET_NSTYPE), kinds[i].type);
		CHECK_EQ(fstat(fd, &other), 0);
		CHECK(other.st_ino == st.st_ino && other.st_dev == st.st_dev);
		close(fd);
		CHECK_ERR(open(path, O_RDWR), EPERM);
	}
}

static void status_and_stat(void)
{
	cpu_set_t set, old;

	umask(027);
	CHECK(strcmp(status_of("Umask"), "0027") == 0);
	umask(022);
	CHECK(strcmp(status_of("Umask"), "0022") == 0);
	CHECK_EQ(stat_field(18), 20 + getpriority(PRIO_PROCESS, 0)); /* as nice(1) has it */
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 5), 0);
	CHECK_EQ(stat_field(18), 25);
	CHECK_EQ(stat_field(19), 5);
	CHECK_EQ(stat_field(41), 0);
	CHECK_EQ(sched_getaffinity(0, sizeof(old), &old), 0);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set) == 0) {
		CHECK(strcmp(status_of("Cpus_allowed_list"), "0") == 0);
		CHECK_EQ(sched_setaffinity(0, sizeof(old), &old), 0);
	}
	CHECK_EQ(prctl(PR_SET_NAME, "renamed"), 0);
	CHECK(strcmp(status_of("Name"), "renamed") == 0);
}

static void slack(void)
{
	int fd = open("/proc/self/timerslack_ns", O_RDWR);

	CHECK(fd >= 0);
	CHECK_EQ(prctl(PR_SET_TIMERSLACK, 12345), 0);
	CHECK(strcmp(text_of("/proc/self/timerslack_ns"), "12345\n") == 0);
	CHECK_EQ(write(fd, "54321", 5), 5);
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 54321);
	close(fd);
}

static void fd_links(void)
{
	static const struct {
		int flags;
		mode_t mode;
	} cases[] = { { O_RDONLY, 0500 }, { O_WRONLY, 0300 }, { O_RDWR, 0700 } };
	char path[64];
	struct stat st;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int fd = open("f", O_CREAT | cases[i].flags, 0600);

		CHECK(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		CHECK_EQ(lstat(path, &st), 0);
		CHECK_EQ(st.st_mode, S_IFLNK | cases[i].mode);
		close(fd);
		CHECK_ERR(lstat(path, &st), ENOENT);
	}
	unlink("f");
}

static void memory(void)
{
	unsigned long rss = 0, anon = 0;
	char *s = text_of("/proc/self/smaps_rollup");

	CHECK(strstr(s, "[rollup]\n"));
	CHECK(sscanf(strstr(s, "\nRss:"), "\nRss: %lu kB", &rss) == 1);
	CHECK(sscanf(strstr(s, "\nAnonymous:"), "\nAnonymous: %lu kB", &anon) == 1);
	CHECK(rss > 0 && anon <= rss);
}

static void machine(void)
{
	char *a = text_of("/proc/sys/kernel/random/uuid");
	char *b = text_of("/proc/sys/kernel/random/uuid");

	CHECK_EQ(strlen(a), 37);
	CHECK_EQ(a[14], '4');
	CHECK(strchr("89ab", a[19]));
	CHECK(strcmp(a, b) != 0);
	CHECK(strcmp(text_of("/proc/sys/kernel/random/boot_id"),
		     text_of("/proc/sys/kernel/random/boot_id")) == 0);
	CHECK(strcmp(text_of("/sys/devices/system/cpu/cpu0/topology/core_id"), "0\n") == 0);
	CHECK_ERR(access("/sys/devices/system/cpu/cpu00", F_OK), ENOENT);
	CHECK_ERR(access("/sys/devices/system/cpu/cpu9999", F_OK), ENOENT);
	CHECK(strstr(text_of("/proc/vmstat"), "\npgfault "));
	CHECK_EQ(access("/proc/diskstats", R_OK), 0);
}

int main(void)
{
	namespaces();
	status_and_stat();
	slack();
	fd_links();
	memory();
	machine();
	return 0;
}
