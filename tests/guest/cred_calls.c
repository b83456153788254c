/* User and group ids: what setuid, setreuid, setresuid and their group twins
 * change and refuse; capabilities follow user ids; groups; fs ids. Parts that need
 * root run in children, and only as root. */
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static void check_uids(uid_t r, uid_t e, uid_t s)
{
	uid_t a, b, c;

	CHECK(syscall(SYS_getresuid, &a, &b, &c) == 0);
	CHECK_EQ(a, r);
	CHECK_EQ(b, e);
	CHECK_EQ(c, s);
	CHECK_EQ(getuid(), r);
	CHECK_EQ(geteuid(), e);
}

static void check_gids(gid_t r, gid_t e, gid_t s)
{
	gid_t a, b, c;

	CHECK(syscall(SYS_getresgid, &a, &b, &c) == 0);
	CHECK_EQ(a, r);
	CHECK_EQ(b, e);
	CHECK_EQ(c, s);
}

static void caps(unsigned *effective, unsigned *permitted)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	CHECK(syscall(SYS_capget, &h, d) == 0);
	*effective = d[0].effective;
	*permitted = d[0].permitted;
}

static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		fn();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* ---- as an ordinary user ---- */

static void ordinary_user(void)
{
	uid_t u = getuid();
	gid_t g = getgid();

	CHECK_ERR(syscall(SYS_setuid, u + 1), EPERM);
	CHECK_ERR(syscall(SYS_setgid, g + 1), EPERM);
	CHECK_ERR(syscall(SYS_setreuid, u + 1, -1), EPERM);
	CHECK_ERR(syscall(SYS_setresuid, -1, -1, u + 1), EPERM);
	CHECK_ERR(syscall(SYS_setresgid, -1, u + 1, -1), EPERM);
	CHECK_ERR(syscall(SYS_setgroups, 0, NULL), EPERM);
	CHECK(syscall(SYS_setuid, u) == 0);
	CHECK(syscall(SYS_setresuid, u, u, u) == 0);
	CHECK(syscall(SYS_setresuid, -1, -1, -1) == 0);
	CHECK(syscall(SYS_setreuid, u, u) == 0);
	CHECK(syscall(SYS_setregid, g, g) == 0);
	check_uids(u, u, u);
}

static void general(void)
{
	uid_t old = setfsuid(-1);

	CHECK_EQ(old, geteuid());
	CHECK_EQ(setfsuid(geteuid()), old);
	CHECK_EQ(setfsgid(-1), getegid());
	CHECK_ERR(syscall(SYS_setuid, -1), EINVAL);
	CHECK_ERR(syscall(SYS_setgid, -1), EINVAL);
	CHECK_ERR(syscall(SYS_getresuid, 1, 1, 1), EFAULT);
}

static void groups_general(void)
{
	int n = getgroups(0, NULL);
	gid_t list[1024];

	CHECK(n >= 0);
	CHECK_ERR(syscall(SYS_getgroups, -1, list), EINVAL);
	CHECK_EQ(getgroups(1024, list), n);
	if (n > 0) {
		CHECK_ERR(syscall(SYS_getgroups, n, 1), EFAULT);
		if (n > 1)
			CHECK_ERR(getgroups(n - 1, list), EINVAL);
	}
}

static void capget_general(void)
{
	struct __user_cap_header_struct h = { 0x1234, 0 };
	struct __user_cap_data_struct d[2];

	CHECK(syscall(SYS_capget, &h, NULL) == 0);
	CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	h.version = 0x1234;
	CHECK_ERR(syscall(SYS_capget, &h, d), EINVAL);
	CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	h.pid = -1;
	CHECK_ERR(syscall(SYS_capget, &h, d), EINVAL);
	h.pid = 0x3fffff00;
	CHECK_ERR(syscall(SYS_capget, &h, d), ESRCH);
	h.pid = getpid();
	CHECK(syscall(SYS_capget, &h, d) == 0);
	h.pid = getppid();
	CHECK_ERR(syscall(SYS_capset, &h, d), EPERM);
	h.pid = 0;
	CHECK(syscall(SYS_capset, &h, d) == 0 || errno == EPERM);
	CHECK_ERR(syscall(SYS_capget, 1, d), EFAULT);
}

/* ---- as root ---- */

static void setuid_drops_all(void)
{
	unsigned e, p;

	CHECK(syscall(SYS_setuid, 1000) == 0);
	check_uids(1000, 1000, 1000);
	caps(&e, &p);
	CHECK(e == 0 && p == 0);
	CHECK_ERR(syscall(SYS_setuid, 0), EPERM);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
}

static void seteuid_keeps_permitted(void)
{
	unsigned e, p, was;

	caps(&e, &was);
	CHECK(syscall(SYS_setresuid, -1, 1000, -1) == 0);
	check_uids(0, 1000, 0);
	caps(&e, &p);
	CHECK(e == 0 && p == was);
	CHECK(syscall(SYS_setresuid, -1, 0, -1) == 0);
	caps(&e, &p);
	CHECK(e == was && p == was);
}

static void setreuid_rules(void)
{
	CHECK(syscall(SYS_setreuid, 1000, 1001) == 0);
	check_uids(1000, 1001, 1001);
	CHECK(syscall(SYS_setreuid, 1001, 1000) == 0);
	check_uids(1001, 1000, 1000);
	CHECK_ERR(syscall(SYS_setreuid, 0, -1), EPERM);
	CHECK(syscall(SYS_setreuid, -1, 1001) == 0);
	check_uids(1001, 1001, 1000);
	CHECK(syscall(SYS_setresuid, 1000, -1, -1) == 0);
	check_uids(1000, 1001, 1000);
}

static void keep_caps(void)
{
	unsigned e, p, was;

	caps(&e, &was);
	CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0);
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 1);
	CHECK(syscall(SYS_setuid, 1000) == 0);
	caps(&e, &p);
	CHECK(e == 0 && p == was);
}

static void group_rules(void)
{
	CHECK(syscall(SYS_setresgid, 10, 11, 12) == 0);
	check_gids(10, 11, 12);
	CHECK(syscall(SYS_setuid, 1000) == 0);
	CHECK(syscall(SYS_setregid, -1, 12) == 0);
	check_gids(10, 12, 12);
	CHECK(syscall(SYS_setgid, 10) == 0);
	check_gids(10, 10, 12);
	CHECK_ERR(syscall(SYS_setgid, 99), EPERM);
}

/* As many as there may be, in no order. */
static void many_groups(void)
{
	static gid_t list[65536], back[65536];

	for (unsigned i = 0; i < 65536; i++)
		list[i] = i * 40503u % 65536; /* each number once */
	for (unsigned n = 255; n <= 65536; n = n * 2 + 1) {
		CHECK(syscall(SYS_setgroups, n, list) == 0);
		CHECK_EQ(getgroups(65536, back), n);
		for (unsigned i = 1; i < n; i++)
			CHECK(back[i - 1] < back[i]);
	}
	CHECK(syscall(SYS_setgroups, 65536, list) == 0);
	CHECK_EQ(getgroups(65536, back), 65536);
	CHECK(back[0] == 0 && back[65535] == 65535);
}

static void supplementary(void)
{
	gid_t list[3] = { 30, 10, 20 }, back[8];

	CHECK_ERR(syscall(SYS_setgroups, 65537, list), EINVAL);
	CHECK_ERR(syscall(SYS_setgroups, 3, 1), EFAULT);
	CHECK(syscall(SYS_setgroups, 3, list) == 0);
	CHECK_EQ(getgroups(8, back), 3);
	CHECK(back[0] == 10 && back[1] == 20 && back[2] == 30);
	CHECK_ERR(getgroups(2, back), EINVAL);
	many_groups();
	CHECK(syscall(SYS_setgroups, 0, NULL) == 0);
	CHECK_EQ(getgroups(0, NULL), 0);
}

static void fsuid_takes_caps(void)
{
	unsigned e, p, fs = 1u << CAP_DAC_OVERRIDE | 1u << CAP_CHOWN;

	CHECK_EQ(setfsuid(1000), 0);
	caps(&e, &p);
	CHECK(!(e & fs));
	CHECK_EQ(setfsuid(0), 1000);
	caps(&e, &p);
	CHECK((e & fs) == (p & fs));
}

static void capset_rules(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	CHECK(syscall(SYS_capget, &h, d) == 0);
	d[0].effective &= ~(1u << CAP_SETUID);
	CHECK(syscall(SYS_capset, &h, d) == 0);
	CHECK_ERR(syscall(SYS_setresuid, 5, 6, 7), EPERM);
	d[0].permitted &= ~(1u << CAP_SETUID);
	CHECK(syscall(SYS_capset, &h, d) == 0);
	d[0].effective |= 1u << CAP_SETUID;
	CHECK_ERR(syscall(SYS_capset, &h, d), EPERM);
	d[0].permitted |= 1u << CAP_SETUID;
	CHECK_ERR(syscall(SYS_capset, &h, d), EPERM);
}

/* Root without these cannot play the part (a container that took them). */
static int is_real_root(void)
{
	unsigned e, p,
		need = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_SETPCAP |
		       1u << CAP_DAC_OVERRIDE | 1u << CAP_CHOWN;

	caps(&e, &p);
	return getuid() == 0 && geteuid() == 0 && (e & need) == need;
}

int main(void)
{
	general();
	groups_general();
	in_child(capget_general);
	if (!is_real_root()) {
		in_child(ordinary_user);
		return 0;
	}
	in_child(setuid_drops_all);
	in_child(seteuid_keeps_permitted);
	in_child(setreuid_rules);
	in_child(keep_caps);
	in_child(group_rules);
	in_child(supplementary);
	in_child(fsuid_takes_caps);
	in_child(capset_rules);
	return 0;
}
