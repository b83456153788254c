/* Which calls --strace prints: names and classes. A class is what the kinds of a
 * call's arguments say (%file, %desc) and a list. */
#include <string.h>

#include "abi/errno.h"
#include "syscall/strace_internal.h"

struct class
{
	const char *name;
	uint8_t kinds[3];  /* any argument of one of these */
	const char *calls; /* and these, with a space around each */
};

static const struct class classes[] = {
	{ "file", { ARG_PATH }, " getcwd " },
	{ "desc",
	  { ARG_FD, ARG_DIRFD },
	  " open creat pipe pipe2 poll ppoll select pselect6 epoll_create epoll_create1 eventfd"
	  " eventfd2 inotify_init inotify_init1 timerfd_create memfd_create mq_open close_range"
	  " fanotify_init perf_event_open pidfd_open " },
	{ "process",
	  { ARG_CLONE_ARGS },
	  " clone fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill"
	  " rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal unshare setns arch_prctl prctl"
	  " setpgid setsid ptrace " },
	{ "network",
	  { ARG_SOCKADDR, ARG_SOCKADDR_OUT, ARG_FAMILY },
	  " sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown listen setsockopt"
	  " getsockopt getpmsg putpmsg " },
	{ "signal",
	  { ARG_SIGSET, ARG_SIGACTION, ARG_SIGNO },
	  " rt_sigreturn rt_sigpending sigaltstack pause rt_sigsuspend " },
	{ "memory",
	  { ARG_PROT, ARG_MREMAP_FLAGS, ARG_ADVICE },
	  " munmap brk msync mincore mlock mlock2 munlock mlockall munlockall shmat shmdt shmget"
	  " remap_file_pages mbind set_mempolicy get_mempolicy migrate_pages move_pages membarrier"
	  " pkey_alloc pkey_free process_vm_readv process_vm_writev mseal map_shadow_stack"
	  " memfd_create memfd_secret " },
};

static void want(uint64_t *wanted, unsigned nr)
{
	wanted[nr / 64] |= (uint64_t)1 << (nr % 64);
}

static bool list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at++) {
		if (at[-1] == ' ' && at[len] == ' ')
			return true;
	}
	return false;
}

static bool class_has(const struct class *cl, const struct syscall_entry *e)
{
	for (unsigned i = 0; i < e->nargs; i++) {
		if (memchr(cl->kinds, e->args[i], sizeof(cl->kinds)) && e->args[i] != ARG_NONE)
			return true;
	}
	return list_has(cl->calls, e->name);
}

static int add_class(const char *name, size_t len, uint64_t *wanted)
{
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++) {
		if (strlen(classes[i].name) != len || memcmp(classes[i].name, name, len) != 0)
			continue;
		for (unsigned nr = 0; nr < SYSCALL_TABLE_SIZE; nr++) {
			if (syscall_table[nr].name && class_has(&classes[i], &syscall_table[nr]))
				want(wanted, nr);
		}
		return 0;
	}
	return -EINVAL;
}

static int add_word(const char *word, size_t len, uint64_t *wanted)
{
	if (len == 3 && memcmp(word, "all", 3) == 0) {
		for (unsigned nr = 0; nr < SYSCALL_TABLE_SIZE; nr++)
			want(wanted, nr);
		return 0;
	}
	if (len > 0 && *word == '%')
		return add_class(word + 1, len - 1, wanted);
	for (unsigned nr = 0; nr < SYSCALL_TABLE_SIZE; nr++) {
		const char *name = syscall_table[nr].name;

		if (name && strlen(name) == len && memcmp(name, word, len) == 0) {
			want(wanted, nr);
			return 0;
		}
	}
	return -EINVAL;
}

int strace_filter_parse(const char *filter, uint64_t wanted[(SYSCALL_TABLE_SIZE + 63) / 64])
{
	const size_t words = (SYSCALL_TABLE_SIZE + 63) / 64;
	bool is_inverted;
	int r = 0;

	memset(wanted, 0, words * sizeof(*wanted));
	if (!filter || !*filter)
		filter = "all";
	is_inverted = *filter == '!';
	filter += is_inverted;
	for (;;) {
		size_t len = strcspn(filter, ",");

		r = add_word(filter, len, wanted);
		if (r < 0 || !filter[len])
			break;
		filter += len + 1;
	}
	for (size_t i = 0; is_inverted && i < words; i++)
		wanted[i] = ~wanted[i];
	return r;
}
