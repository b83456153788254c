/*
 * The kernel process's own seccomp filter: an allow-list, built from the
 * comments beside its host calls (tools/list-host-calls). Installed for all
 * threads at once, before the first guest instruction. Some calls are narrowed
 * by their arguments; everything else kills the process.
 *
 * Stubs do not have it: the zygote was forked before.
 */
#include <linux/sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "boot/internal.h"

static const char *const allowed[] = {
#define HOST_CALL(name) #name,
#include "host_calls.h"
#undef HOST_CALL
};

/* Calls that a sanitizer's runtime makes beside ours. */
#ifdef NACRE_SANITIZED
static const char *const sanitizer_calls[] = {
	"gettimeofday", "nanosleep",
	"readlink",     "readlinkat",
	"open",         "openat",
	"stat",         "getrlimit",
	"prlimit64",    "sched_getaffinity",
	"prctl",        "arch_prctl",
	"clone",        "clone3",
	"ptrace",       "mprotect",
	"sigaltstack",  "gettid",
	"getpid",       "tkill",
	"tgkill",       "personality",
	"sched_yield",  "fstat",
	"newfstatat",   "uname",
	"unlink",       "process_vm_readv",
	"wait4",        "ioctl",
	"rt_sigaction", "rt_sigprocmask",
	"pipe",         "pipe2",
	"access",
};
#endif

static int allow(scmp_filter_ctx f, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	/* libseccomp may be older than the call: it is not there to be used. */
	if (nr == __NR_SCMP_ERROR) {
		log_debug("seccomp: %s is not known to libseccomp", name);
		return 0;
	}
	/* Threads only, never processes. */
	if (strcmp(name, "clone") == 0)
		return seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 1,
					SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	/* Its flags lie in memory, where a filter cannot look: glibc falls back
	 * to clone. */
	if (strcmp(name, "clone3") == 0)
		return seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
	/* No new code. */
	if (strcmp(name, "mmap") == 0 || strcmp(name, "mprotect") == 0)
		return seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 1,
					SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
}

int filter_install(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = f ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed); i++)
		r = allow(f, allowed[i]);
#ifdef NACRE_SANITIZED
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sanitizer_calls); i++) {
		int nr = seccomp_syscall_resolve_name(sanitizer_calls[i]);

		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
		if (r == -EEXIST)
			r = 0;
	}
#endif
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_load(f);
	seccomp_release(f);
	return r;
}
