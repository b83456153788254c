/*
 * What the launcher and the kernel process do once, before the kernel's filter
 * is installed: namespaces, mounts, credentials. Nothing here is on the
 * allow-list afterwards.
 */
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/internal.h"
#include "host/proc.h"

int host_seccomp(unsigned op, unsigned flags, void *args)
{
	return (int)HOST_CALL(syscall(SYS_seccomp, op, flags, args)); /* host-setup: seccomp */
}

int host_setns(int fd, int type)
{
	return (int)HOST_CALL(setns(fd, type)); /* host-setup: setns */
}

int host_unshare(int flags)
{
	return (int)HOST_CALL(unshare(flags)); /* host-setup: unshare */
}

int host_mount(const char *source, const char *target, const char *type, unsigned long flags,
	       const char *data)
{
	return (int)HOST_CALL(mount(source, target, type, flags, data)); /* host-setup: mount */
}

int host_umount2(const char *target, int flags)
{
	return (int)HOST_CALL(umount2(target, flags)); /* host-setup: umount2 */
}

int host_pivot_root(const char *new_root, const char *put_old)
{
	return (int)HOST_CALL(
		syscall(SYS_pivot_root, new_root, put_old)); /* host-setup: pivot_root */
}

int host_chroot(const char *path)
{
	return (int)HOST_CALL(chroot(path)); /* host-setup: chroot */
}

int host_chdir(const char *path)
{
	return (int)HOST_CALL(chdir(path)); /* host-setup: chdir */
}

int host_fchdir(int fd)
{
	return (int)HOST_CALL(fchdir(fd)); /* host-setup: fchdir */
}

mode_t host_umask(mode_t mask)
{
	return umask(mask); /* host-setup: umask */
}

int host_sethostname(const char *name, size_t len)
{
	return (int)HOST_CALL(sethostname(name, len)); /* host-setup: sethostname */
}

/* Credentials are changed for the calling thread alone, past libc, which would
 * signal every thread: to be called while there is only one. */

int host_setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	return (int)HOST_CALL(syscall(SYS_setresuid, ruid, euid, suid)); /* host-setup: setresuid */
}

int host_setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
	return (int)HOST_CALL(syscall(SYS_setresgid, rgid, egid, sgid)); /* host-setup: setresgid */
}

int host_setgroups(size_t count, const gid_t *groups)
{
	return (int)HOST_CALL(syscall(SYS_setgroups, count, groups)); /* host-setup: setgroups */
}

/* capset(2), version 3: two 32-bit halves of each set. */
struct cap_header {
	uint32_t version;
	int pid;
};

struct cap_half {
	uint32_t effective, permitted, inheritable;
};

#define CAP_VERSION_3 0x20080522u

int host_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct cap_header header = { .version = CAP_VERSION_3 };
	struct cap_half half[2];

	for (int i = 0; i < 2; i++) {
		half[i].effective = (uint32_t)(effective >> 32 * i);
		half[i].permitted = (uint32_t)(permitted >> 32 * i);
		half[i].inheritable = (uint32_t)(inheritable >> 32 * i);
	}
	return (int)HOST_CALL(syscall(SYS_capset, &header, half)); /* host-setup: capset */
}

int host_capget(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable)
{
	struct cap_header header = { .version = CAP_VERSION_3 };
	struct cap_half half[2] = { 0 };
	long ret = HOST_CALL(syscall(SYS_capget, &header, half)); /* host-setup: capget */

	*effective = (uint64_t)half[1].effective << 32 | half[0].effective;
	*permitted = (uint64_t)half[1].permitted << 32 | half[0].permitted;
	*inheritable = (uint64_t)half[1].inheritable << 32 | half[0].inheritable;
	return (int)ret;
}

/* ---- Landlock (landlock_create_ruleset(2)); libc has no wrappers ---- */

#define NR_LANDLOCK_CREATE_RULESET 444
#define NR_LANDLOCK_ADD_RULE 445
#define NR_LANDLOCK_RESTRICT_SELF 446
#define LANDLOCK_VERSION 1u
#define LANDLOCK_PATH_BENEATH 1

int host_landlock_version(void)
{
	/* host-setup: landlock_create_ruleset */
	return (int)HOST_CALL(syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0, LANDLOCK_VERSION));
}

int host_landlock_create(const struct landlock_ruleset *rs, size_t size)
{
	/* host-setup: landlock_create_ruleset */
	return (int)HOST_CALL(syscall(NR_LANDLOCK_CREATE_RULESET, rs, size, 0));
}

int host_landlock_add_path(int ruleset, int fd, uint64_t rights)
{
	struct {
		uint64_t rights;
		int32_t fd;
	} __attribute__((packed)) rule = { rights, fd };

	/* host-setup: landlock_add_rule */
	return (int)HOST_CALL(
		syscall(NR_LANDLOCK_ADD_RULE, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0));
}

int host_landlock_restrict(int ruleset)
{
	/* host-setup: landlock_restrict_self */
	return (int)HOST_CALL(syscall(NR_LANDLOCK_RESTRICT_SELF, ruleset, 0));
}
