/* prctl and arch_prctl: names, dumpable, no_new_privs, bounding and ambient sets,
 * timer slack, subreaper, FS and GS bases, and what is refused. */
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static void names(void)
{
	char name[17] = "", *page;

	CHECK(prctl(PR_SET_NAME, "a-name-that-is-far-too-long") == 0);
	CHECK(prctl(PR_GET_NAME, name) == 0);
	CHECK(!strcmp(name, "a-name-that-is-"));
	/* A short name at the very end of memory. */
	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	CHECK(munmap(page + 4096, 4096) == 0);
	memcpy(page + 4092, "abc", 4);
	CHECK(prctl(PR_SET_NAME, page + 4092) == 0);
	CHECK(prctl(PR_GET_NAME, name) == 0);
	CHECK(!strcmp(name, "abc"));
	CHECK_ERR(prctl(PR_SET_NAME, 1), EFAULT);
	CHECK_ERR(prctl(PR_GET_NAME, 1), EFAULT);
}

static void dumpable(void)
{
	CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK_ERR(prctl(PR_SET_DUMPABLE, 2), EINVAL);
	CHECK_ERR(prctl(PR_SET_DUMPABLE, -1), EINVAL);
}

static void death_signal(void)
{
	int sig = -1;

	CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
	CHECK(prctl(PR_GET_PDEATHSIG, &sig) == 0);
	CHECK_EQ(sig, SIGUSR1);
	CHECK_ERR(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
	CHECK(prctl(PR_SET_PDEATHSIG, 0) == 0);
}

static void no_new_privs(void)
{
	int status;
	pid_t pid;

	CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	pid = fork();
	if (!pid)
		_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void small_ones(void)
{
	int value = -1;
	int *tid_addr = NULL;

	CHECK(prctl(PR_SET_TIMERSLACK, 12345) == 0);
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 12345);
	CHECK(prctl(PR_SET_TIMERSLACK, 0) == 0);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	CHECK(prctl(PR_GET_CHILD_SUBREAPER, &value) == 0);
	CHECK_EQ(value, 1);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	CHECK(syscall(SYS_set_tid_address, &value) == syscall(SYS_gettid));
	if (prctl(PR_GET_TID_ADDRESS, &tid_addr) == 0)
		CHECK(tid_addr == &value);
	CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	CHECK_ERR(prctl(0x7fffffff, 0, 0, 0, 0), EINVAL);
	CHECK_ERR(prctl(PR_GET_PDEATHSIG, 1), EFAULT);
}

static void capability_sets(void)
{
	CHECK(prctl(PR_CAPBSET_READ, CAP_CHOWN) >= 0);
	CHECK_ERR(prctl(PR_CAPBSET_READ, 64), EINVAL);
	CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 1, 0), EINVAL);
	CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 64, 0, 0), EINVAL);
	CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0);
	CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
	/* Not inheritable: not ambient. */
	CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0), EPERM);
	CHECK(prctl(PR_GET_SECUREBITS) >= 0);
	CHECK_ERR(prctl(PR_SET_SECUREBITS, 1 << 30), EPERM);
	CHECK_ERR(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
	if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SETPCAP) != 1)
		return;
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT) != 0)
		return;
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_SYS_BOOT), 0);
	CHECK_ERR(prctl(PR_CAPBSET_DROP, 64), EINVAL);
}

static void bases(void)
{
	uint64_t fs = 0, gs = 0;

	CHECK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs) == 0);
	CHECK(fs != 0);
	CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x12345678) == 0);
	CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs) == 0);
	CHECK_EQ(gs, 0x12345678);
	CHECK(syscall(SYS_arch_prctl, ARCH_SET_FS, fs) == 0);
	CHECK_ERR(syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffff800000000000ul), EPERM);
	CHECK_ERR(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x0000800000000000ul), EPERM);
	CHECK_ERR(syscall(SYS_arch_prctl, ARCH_GET_FS, 1), EFAULT);
	CHECK_ERR(syscall(SYS_arch_prctl, 0x7777, 0), EINVAL);
}

static void anon_names(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	/* May be absent from a kernel; where it is there it checks its names. */
	if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 4096, "ok") == 0)
		CHECK_ERR(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 4096, "a[b"), EINVAL);
	else
		CHECK_EQ(errno, EINVAL);
}

/* Options of which most programs do not need more than an answer. */
static void rarely_asked(void)
{
	CHECK_EQ(prctl(PR_TASK_PERF_EVENTS_DISABLE), 0);
	CHECK_EQ(prctl(PR_TASK_PERF_EVENTS_ENABLE), 0);
	CHECK_ERR(prctl(PR_GET_SPECULATION_CTRL, 99, 0, 0, 0), ENODEV);
	CHECK_ERR(prctl(PR_SET_SPECULATION_CTRL, 99, 0, 0, 0), ENODEV);
	CHECK_ERR(prctl(PR_GET_SPECULATION_CTRL, 0, 1, 0, 0), EINVAL);
	CHECK_ERR(prctl(PR_SET_MM, PR_SET_MM_ARG_START, 0x10000, 1, 0), EINVAL);
	CHECK_ERR(prctl(PR_SET_MM, PR_SET_MM_ARG_START, 0x10000, 0, 1), EINVAL);
}

int main(void)
{
	names();
	dumpable();
	death_signal();
	small_ones();
	bases();
	anon_names();
	capability_sets();
	no_new_privs();
	rarely_asked();
	return 0;
}
