/* The machine as the guest sees it: names, memory, random bytes, CPUs. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/sysinfo.h"
#include "abi/utsname.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "syscall/timeconv.h"
#include "task/machine.h"

/* ---- names ---- */

SYSCALL(uname)
{
	struct abi_utsname u = { .sysname = "Linux",
				 .release = MACHINE_RELEASE,
				 .version = MACHINE_VERSION,
				 .machine = "x86_64" };
	struct uts_ns *uts = task_uts(t);

	mutex_lock(&uts->lock);
	memcpy(u.nodename, uts->hostname, sizeof(u.nodename));
	memcpy(u.domainname, uts->domainname, sizeof(u.domainname));
	mutex_unlock(&uts->lock);
	return syscall_copy_out(t, args->a[0], &u, sizeof(u));
}

/* name: one of the two of uts. */
static long set_name(struct task *t, struct uts_ns *uts, char name[ABI_UTS_LEN + 1], gva_t user,
		     int64_t size)
{
	char buf[ABI_UTS_LEN + 1] = { 0 };

	if (!cred_has_cap_in(t->cred, uts->ns.owner, CAP_SYS_ADMIN))
		return -EPERM;
	if (size < 0 || size > ABI_UTS_LEN)
		return -EINVAL;
	if (syscall_copy_in(t, buf, user, (size_t)size) < 0)
		return -EFAULT;
	mutex_lock(&uts->lock);
	memcpy(name, buf, sizeof(buf));
	mutex_unlock(&uts->lock);
	return 0;
}

SYSCALL(sethostname)
{
	struct uts_ns *uts = task_uts(t);

	return set_name(t, uts, uts->hostname, args->a[0], (int)args->a[1]);
}

SYSCALL(setdomainname)
{
	struct uts_ns *uts = task_uts(t);

	return set_name(t, uts, uts->domainname, args->a[0], (int)args->a[1]);
}

/* ---- memory and load ---- */

SYSCALL(sysinfo)
{
	struct kernel *k = t->kernel;
	struct memfile_stats st;
	struct abi_sysinfo si;
	uint64_t now = clock_now(t, CLOCK_BOOTTIME);

	memfile_get_stats(k->memfile, &st);
	si = (struct abi_sysinfo){
		.uptime = (int64_t)((now + ABI_NSEC_PER_SEC - 1) / ABI_NSEC_PER_SEC),
		.totalram = k->memory_limit,
		.freeram = k->memory_limit - MIN(st.used, k->memory_limit),
		.procs = (uint16_t)MIN(atomic_load(&k->ntasks), (unsigned)UINT16_MAX),
		.mem_unit = 1,
	};
	return syscall_copy_out(t, args->a[0], &si, sizeof(si));
}

/* ---- random bytes ---- */

#define GRND_NONBLOCK_BIT 1u
#define GRND_RANDOM_BIT 2u
#define GRND_INSECURE_BIT 4u
#define RANDOM_CHUNK 256u

SYSCALL(getrandom)
{
	uint64_t size = MIN(args->a[1], (uint64_t)INT_MAX), done = 0;
	unsigned flags = (unsigned)args->a[2];
	uint8_t buf[RANDOM_CHUNK] UNINITIALIZED;

	if (flags & ~(GRND_NONBLOCK_BIT | GRND_RANDOM_BIT | GRND_INSECURE_BIT))
		return -EINVAL;
	if ((flags & GRND_RANDOM_BIT) && (flags & GRND_INSECURE_BIT))
		return -EINVAL;
	while (done < size) {
		size_t n = MIN(size - done, (uint64_t)sizeof(buf));

		if (done && !(done % PAGE_SIZE) && signal_is_pending(t))
			break;
		machine_random(buf, n);
		if (syscall_copy_out(t, args->a[0] + done, buf, n) < 0)
			return done ? (long)done : -EFAULT;
		done += n;
	}
	return (long)done;
}

/* ---- CPUs ---- */

SYSCALL(getcpu)
{
	uint32_t cpu = machine_cpu(t->kernel), node = 0;

	if (args->a[0] && syscall_copy_out(t, args->a[0], &cpu, sizeof(cpu)) < 0)
		return -EFAULT;
	return args->a[1] ? syscall_copy_out(t, args->a[1], &node, sizeof(node)) : 0;
}
