/* uname, host names, sysinfo, getcpu, personality, and calls that only root may
 * make. */
#include <sched.h>
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "check.h"

static void names(void)
{
	struct utsname u;

	CHECK(uname(&u) == 0);
	CHECK(!strcmp(u.sysname, "Linux"));
	CHECK(!strcmp(u.machine, "x86_64"));
	CHECK(u.release[0] >= '1' && u.release[0] <= '9');
	CHECK(strlen(u.nodename) > 0);
	CHECK_ERR(syscall(SYS_uname, 1), EFAULT);
}

static void set_names(void)
{
	char long_name[66];

	memset(long_name, 'x', sizeof(long_name));
	if (geteuid() != 0) {
		CHECK_ERR(sethostname("x", 1), EPERM);
		CHECK_ERR(setdomainname("x", 1), EPERM);
		return;
	}
	/* These fail whatever the privilege: the name of the machine stays. */
	errno = 0;
	CHECK(sethostname(long_name, 65) == -1 && (errno == EINVAL || errno == EPERM));
	errno = 0;
	CHECK(setdomainname(long_name, 65) == -1 && (errno == EINVAL || errno == EPERM));
	errno = 0;
	CHECK(syscall(SYS_sethostname, 1, 5) == -1 && (errno == EFAULT || errno == EPERM));
}

static void memory(void)
{
	struct sysinfo si;

	memset(&si, 0xff, sizeof(si));
	CHECK(sysinfo(&si) == 0);
	CHECK(si.uptime >= 0 && si.uptime < 1l << 40);
	CHECK(si.mem_unit >= 1);
	CHECK(si.totalram > 0 && si.freeram <= si.totalram);
	CHECK(si.procs >= 1);
	CHECK_ERR(syscall(SYS_sysinfo, 1), EFAULT);
	CHECK(get_nprocs() >= 1);
}

static void cpus(void)
{
	unsigned cpu = ~0u, node = ~0u;

	CHECK(syscall(SYS_getcpu, &cpu, &node, NULL) == 0);
	CHECK(cpu < 8192);
	CHECK(node < 1024);
	CHECK(syscall(SYS_getcpu, NULL, NULL, NULL) == 0);
	CHECK_ERR(syscall(SYS_getcpu, 1, NULL, NULL), EFAULT);
	CHECK(sched_getcpu() >= 0);
}

static void personalities(void)
{
	int old = personality(0xffffffff), status;
	pid_t pid;

	CHECK(old >= 0);
	CHECK_EQ(personality((unsigned)old | ADDR_NO_RANDOMIZE), old);
	CHECK_EQ(personality(0xffffffff), old | ADDR_NO_RANDOMIZE);
	pid = fork();
	if (!pid)
		_exit(personality(0xffffffff) == (old | ADDR_NO_RANDOMIZE) ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK(personality((unsigned)old) >= 0);
}

static void privileged(void)
{
	if (geteuid() == 0)
		return;
	CHECK_ERR(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, 0), EPERM);
	CHECK_ERR(syscall(SYS_swapon, "/dev/null", 0), EPERM);
	CHECK_ERR(syscall(SYS_chroot, "/"), EPERM);
}

int main(void)
{
	names();
	set_names();
	memory();
	cpus();
	personalities();
	privileged();
	return 0;
}
