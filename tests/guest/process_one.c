/* Process 1, as a process of root's that one may ask about: also where it is the kernel. */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static void questions(void)
{
	struct sched_param sp;
	struct rlimit lim;
	struct timespec ts;
	clockid_t clock;
	cpu_set_t cpus;

	CHECK(sched_getaffinity(1, sizeof(cpus), &cpus) == 0);
	CHECK(CPU_COUNT(&cpus) > 0);
	CHECK(sched_getscheduler(1) >= 0);
	CHECK(sched_getparam(1, &sp) == 0);
	CHECK(sched_rr_get_interval(1, &ts) == 0);
	errno = 0;
	getpriority(PRIO_PROCESS, 1);
	CHECK_EQ(errno, 0);
	CHECK(syscall(SYS_ioprio_get, 1, 1) >= 0);
	CHECK(getpgid(1) >= 0 && getsid(1) >= 0);
	CHECK(clock_getcpuclockid(1, &clock) == 0 && clock_gettime(clock, &ts) == 0);
	CHECK_EQ(prlimit(1, RLIMIT_NOFILE, NULL, &lim), geteuid() ? -1 : 0);
}

static void of_others(void)
{
	struct sched_param sp = { 0 };
	struct rlimit lim = { 10, 10 };
	cpu_set_t cpus;
	char c;

	questions();
	CHECK_ERR(kill(1, 0), EPERM);
	CHECK_ERR(kill(1, SIGKILL), EPERM);
	CHECK_ERR(syscall(SYS_tkill, 1, SIGKILL), EPERM);
	CHECK_ERR(setpriority(PRIO_PROCESS, 1, 10), EPERM);
	CHECK_ERR(sched_setscheduler(1, SCHED_OTHER, &sp), EPERM);
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	CHECK_ERR(sched_setaffinity(1, sizeof(cpus), &cpus), EPERM);
	CHECK_ERR(prlimit(1, RLIMIT_NOFILE, &lim, NULL), EPERM);
	CHECK_ERR(prlimit(1, RLIMIT_NOFILE, NULL, &lim), EPERM);
	CHECK_ERR(syscall(SYS_ioprio_set, 1, 1, 2 << 13), EPERM);
	CHECK_ERR(syscall(SYS_kcmp, 1, getpid(), 0, 0, 0), EPERM);
	CHECK_ERR(readlink("/proc/1/exe", &c, 1), EACCES);
	CHECK_ERR(readlink("/proc/1/cwd", &c, 1), EACCES);
	CHECK_ERR(open("/proc/1/root/etc", O_RDONLY), EACCES);
	CHECK_ERR(readlink("/proc/1/ns/mnt", &c, 1), EACCES);
	CHECK_ERR(open("/proc/1/maps", O_RDONLY), EACCES);
	CHECK_ERR(open("/proc/1/environ", O_RDONLY), EACCES);
	CHECK_ERR(open("/proc/1/fd", O_RDONLY), EACCES);
	CHECK_ERR(setpgid(1, 1), ESRCH);
}

static void shown(void)
{
	char text[4096];
	struct stat st;
	FILE *f = fopen("/proc/1/status", "r");
	size_t n;

	CHECK(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	CHECK(strstr(text, "\nPid:\t1\nPPid:\t0\n"));
	CHECK(strstr(text, "\nUid:\t0\t0\t0\t0\n"));
	CHECK(strstr(text, "\nThreads:\t"));
	CHECK(strstr(text, "\nCapEff:\t"));
	fclose(f);
	CHECK(stat("/proc/1", &st) == 0 && st.st_uid == 0);
	CHECK(stat("/proc/1/task/1/status", &st) == 0);
}

int main(void)
{
	int status;
	pid_t pid;

	shown();
	questions();
	if (geteuid() != 0)
		return 0;
	CHECK_EQ(kill(1, 0), 0);
	pid = fork();
	if (pid == 0) {
		CHECK(setgroups(0, NULL) == 0);
		CHECK(setresgid(65534, 65534, 65534) == 0);
		CHECK(setresuid(65534, 65534, 65534) == 0);
		of_others();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return 0;
}
