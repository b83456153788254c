/* seccomp filters: what they see of a call, each answer, chains of them, and how they
 * pass on to children and programs. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>

#include "check.h"
#include "filter.h"
#include "waitfor.h"

#define NR SYS_getpgid

/* The status of a child that runs fn. */
static int status_of(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		filter_prepare();
		fn();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* ---- what a program sees ---- */

static char *after_call;

/* A call whose place and arguments are known. */
static __attribute__((noinline)) long marked_call(void)
{
	register long r10 __asm__("r10") = 0x4444;
	register long r8 __asm__("r8") = 0x5555;
	register long r9 __asm__("r9") = 0x6666666677777777;
	long r;

	__asm__ volatile("lea 1f(%%rip), %1\n\tsyscall\n1:"
			 : "=a"(r), "=&b"(after_call)
			 : "a"(NR), "D"(0x1111111122222222), "S"(-1l), "d"(0x3333), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static void sees_words(void)
{
	uint64_t ip;

	marked_call();
	ip = (uint64_t)after_call;
	CHECK_EQ(FILTER(0, LOAD(nr), IF_NOT(NR, 21), LOAD(arch), IF_NOT(AUDIT_ARCH_X86_64, 20),
			LOAD(instruction_pointer), IF_NOT((uint32_t)ip, 18), LOAD_ARG(0),
			IF_NOT(0x22222222, 16),
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 4),
			IF_NOT(0x11111111, 14), LOAD_ARG(1), IF_NOT(0xffffffff, 12), LOAD_ARG(2),
			IF_NOT(0x3333, 10), LOAD_ARG(3), IF_NOT(0x4444, 8), LOAD_ARG(4),
			IF_NOT(0x5555, 6), LOAD_ARG(5), IF_NOT(0x77777777, 4),
			BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), IF_NOT(64, 2),
			RET(SECCOMP_RET_ERRNO | 77), RET(SECCOMP_RET_ALLOW),
			RET(SECCOMP_RET_ERRNO | 78)),
		 0);
	CHECK_EQ(marked_call(), -77);
	CHECK_ERR(syscall(NR, 0), 78);
}

static void number_is_an_int(void)
{
	CHECK_EQ(FILTER(0, LOAD(nr), IF_NOT(0x40000027, 1), RET(SECCOMP_RET_ERRNO | 5),
			IF_NOT(0xffffffff, 1), RET(SECCOMP_RET_ERRNO | 6), IF_NOT(5000, 1),
			RET(SECCOMP_RET_ERRNO | 7), RET(SECCOMP_RET_ALLOW)),
		 0);
	CHECK_ERR(syscall(0x40000027), 5);
	CHECK_ERR(syscall(-1), 6);
	CHECK_ERR(syscall(5000), 7);
	/* The upper half of rax does not count. */
	CHECK_EQ(syscall(0x7700000000 | SYS_getpid), getpid());
	CHECK_ERR(syscall(0x7700000000 | 5000), 7);
}

/* ---- answers ---- */

static void errnos(void)
{
	CHECK_EQ(FILTER(0, LOAD(nr), IF_NOT(NR, 2), LOAD_ARG(0), BPF_STMT(BPF_RET | BPF_A, 0),
			RET(SECCOMP_RET_ALLOW)),
		 0);
	CHECK_EQ(syscall(NR, SECCOMP_RET_ERRNO | 0), 0);
	CHECK_ERR(syscall(NR, SECCOMP_RET_ERRNO | 1), EPERM);
	CHECK_ERR(syscall(NR, SECCOMP_RET_ERRNO | 4095), 4095);
	CHECK_ERR(syscall(NR, SECCOMP_RET_ERRNO | 4096), 4095);
	CHECK_ERR(syscall(NR, SECCOMP_RET_ERRNO | 0xffff), 4095);
	/* Numbers that mean a restart inside the kernel are numbers here. */
	CHECK_ERR(syscall(NR, SECCOMP_RET_ERRNO | 512), 512);
	CHECK_ERR(syscall(NR, SECCOMP_RET_ERRNO | 516), 516);
	CHECK_EQ(syscall(NR, SECCOMP_RET_ALLOW | 33), -1); /* carried out */
	CHECK_EQ(errno, ESRCH);
	CHECK_EQ(syscall(NR, SECCOMP_RET_LOG), -1);
	CHECK_EQ(errno, ESRCH);
	CHECK_ERR(syscall(NR, SECCOMP_RET_TRACE | 1), ENOSYS);
	CHECK_ERR(syscall(NR, SECCOMP_RET_USER_NOTIF), ENOSYS);
}

static volatile int traps;
static siginfo_t trap_info;
static uint64_t trap_rax, trap_rip;

static void on_trap(int signo, siginfo_t *info, void *ucontext)
{
	ucontext_t *uc = ucontext;

	(void)signo;
	traps++;
	trap_info = *info;
	trap_rax = (uint64_t)uc->uc_mcontext.gregs[REG_RAX];
	trap_rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	uc->uc_mcontext.gregs[REG_RAX] = 1234;
}

static void trap(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	CHECK(sigaction(SIGSYS, &sa, NULL) == 0);
	CHECK_EQ(filter_call(NR, SECCOMP_RET_TRAP | 0xabcd, 0), 0);
	CHECK_EQ(marked_call(), 1234);
	CHECK_EQ(traps, 1);
	CHECK_EQ(trap_info.si_signo, SIGSYS);
	CHECK_EQ(trap_info.si_code, 1); /* SYS_SECCOMP */
	CHECK_EQ(trap_info.si_errno, 0xabcd);
	CHECK_EQ(trap_info.si_syscall, NR);
	CHECK_EQ(trap_info.si_arch, AUDIT_ARCH_X86_64);
	CHECK(trap_info.si_call_addr == after_call);
	CHECK_EQ(trap_rip, (uint64_t)after_call);
	CHECK_EQ(trap_rax, NR); /* the original registers */
	/* From libc's function too, whatever way it takes. */
	for (int i = 0; i < 10; i++)
		CHECK_EQ(getpgid(0), 1234);
	CHECK_EQ(traps, 11);
}

static void trap_by_default(void)
{
	CHECK_EQ(filter_call(NR, SECCOMP_RET_TRAP, 0), 0);
	getpgid(0);
}

static void trap_ignored(void)
{
	signal(SIGSYS, SIG_IGN);
	trap_by_default();
}

static void trap_blocked(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	sigset_t set;

	sigaction(SIGSYS, &sa, NULL);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	trap_by_default();
}

static void kill_process(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	sigset_t set;

	/* Nothing keeps it. */
	sigaction(SIGSYS, &sa, NULL);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	CHECK_EQ(filter_call(NR, SECCOMP_RET_KILL_PROCESS, 0), 0);
	getpgid(0);
}

static void kill_only_thread(void)
{
	CHECK_EQ(filter_call(NR, SECCOMP_RET_KILL_THREAD, 0), 0);
	getpgid(0);
}

static void unknown_answer(void)
{
	CHECK_EQ(filter_call(NR, 0x12340000, 0), 0);
	getpgid(0);
}

static void *die(void *arg)
{
	(void)arg;
	getpgid(0);
	_exit(3); /* not reached */
}

static void kill_one_thread(void)
{
	pthread_t t;

	CHECK_EQ(filter_call(NR, SECCOMP_RET_KILL_THREAD, 0), 0);
	CHECK(pthread_create(&t, NULL, die, NULL) == 0);
	CHECK(pthread_join(t, NULL) == 0);
	_exit(7);
}

static void kill_leader_first(void)
{
	/* Its other thread ends the process. */
	pthread_t t;
	void *wait_for_leader(void *arg);

	CHECK_EQ(filter_call(NR, SECCOMP_RET_KILL_THREAD, 0), 0);
	CHECK(pthread_create(&t, NULL, wait_for_leader, NULL) == 0);
	getpgid(0);
}

void *wait_for_leader(void *arg)
{
	(void)arg;
	wait_state(getpid(), "Z");
	_exit(8);
}

static void kill_process_of_threads(void)
{
	pthread_t t;

	CHECK_EQ(filter_call(NR, SECCOMP_RET_KILL_PROCESS, 0), 0);
	CHECK(pthread_create(&t, NULL, die, NULL) == 0);
	pause();
}

static void answers(void)
{
	CHECK_EQ(status_of(errnos), 0);
	CHECK_EQ(status_of(trap), 0);
	CHECK_EQ(WTERMSIG(status_of(trap_by_default)), SIGSYS);
	CHECK_EQ(WTERMSIG(status_of(trap_ignored)), SIGSYS);
	CHECK_EQ(WTERMSIG(status_of(trap_blocked)), SIGSYS);
	CHECK_EQ(WTERMSIG(status_of(kill_process)), SIGSYS);
	CHECK_EQ(WTERMSIG(status_of(kill_only_thread)), SIGSYS);
	CHECK_EQ(WTERMSIG(status_of(unknown_answer)), SIGSYS);
	CHECK_EQ(status_of(kill_one_thread), 7 << 8);
	CHECK_EQ(status_of(kill_leader_first), 8 << 8);
	CHECK_EQ(WTERMSIG(status_of(kill_process_of_threads)), SIGSYS);
}

/* ---- chains ---- */

static const unsigned by_strictness[] = {
	SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,     SECCOMP_RET_TRAP,
	SECCOMP_RET_ERRNO | 11,   SECCOMP_RET_USER_NOTIF | 12, SECCOMP_RET_TRACE | 13,
	SECCOMP_RET_LOG | 14,     SECCOMP_RET_ALLOW | 15,
};
static unsigned strict, lax;

static void two_filters(void)
{
	CHECK_EQ(filter_call(NR, by_strictness[strict], 0), 0);
	CHECK_EQ(filter_call(NR, by_strictness[lax], 0), 0);
	errno = 0;
	getpgid(0);
	_exit(100 + errno);
}

static int expected(unsigned i)
{
	switch (i) {
	case 0 ... 2:
		return SIGSYS;
	case 3:
		return (100 + 11) << 8;
	case 4:
	case 5:
		return (100 + ENOSYS) << 8;
	default:
		return 100 << 8;
	}
}

static void precedence(void)
{
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = i; j < 8; j++) {
			strict = i;
			lax = j;
			CHECK_EQ(status_of(two_filters) & ~0x80, expected(i));
			strict = j;
			lax = i;
			CHECK_EQ(status_of(two_filters) & ~0x80, expected(i));
		}
	}
}

/* Of equally strict ones the youngest is heard. */
static void youngest_data(void)
{
	CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | 20, 0), 0);
	CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | 10, 0), 0);
	CHECK_ERR(getpgid(0), 10);
	CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | 30, 0), 0);
	CHECK_ERR(getpgid(0), 30);
}

/* What one filter always allows another may refuse by an argument. */
static void allowed_by_some(void)
{
	CHECK_EQ(FILTER(0, RET(SECCOMP_RET_ALLOW)), 0);
	CHECK_EQ(getpgid(0), getpgrp());
	CHECK_EQ(FILTER(0, LOAD(nr), IF_NOT(NR, 3), LOAD_ARG(0), IF_NOT(99, 1),
			RET(SECCOMP_RET_ERRNO | 44), RET(SECCOMP_RET_ALLOW)),
		 0);
	CHECK_EQ(FILTER(0, RET(SECCOMP_RET_ALLOW)), 0);
	CHECK_EQ(getpgid(0), getpgrp());
	CHECK_ERR(getpgid(99), 44);
}

/* ---- children and programs ---- */

static void inherited(void)
{
	int status;
	pid_t pid;

	CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | 9, 0), 0);
	pid = fork();
	if (pid == 0) {
		CHECK_ERR(getpgid(0), 9);
		CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
		CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
		/* Its own does not concern us. */
		CHECK_EQ(filter_call(SYS_getppid, SECCOMP_RET_ERRNO | 8, 0), 0);
		execl("/proc/self/exe", "seccomp_filter", "child", NULL);
		_exit(1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK(getppid() > 0);
	pid = vfork();
	if (pid == 0) {
		execl("/proc/self/exe", "seccomp_filter", "child1", NULL);
		_exit(1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static int status_line(const char *name)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");
	int value = -1;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = atoi(line + strlen(name) + 1);
	}
	fclose(f);
	return value;
}

/* As a program that was started with filters. */
static int child_main(const char *arg)
{
	CHECK_ERR(getpgid(0), 9);
	CHECK_EQ(status_line("Seccomp"), 2);
	CHECK_EQ(status_line("NoNewPrivs"), 1);
	if (!strcmp(arg, "child")) {
		CHECK_ERR(syscall(SYS_getppid), 8);
		CHECK_EQ(status_line("Seccomp_filters"), 2);
	} else {
		CHECK_EQ(status_line("Seccomp_filters"), 1);
	}
	return 0;
}

static void shown(void)
{
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	CHECK_EQ(status_line("Seccomp"), 0);
	CHECK_EQ(status_line("Seccomp_filters"), 0);
	CHECK_EQ(FILTER(0, RET(SECCOMP_RET_ALLOW)), 0);
	CHECK_EQ(FILTER(0, RET(SECCOMP_RET_ALLOW)), 0);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
	CHECK_EQ(status_line("Seccomp"), 2);
	CHECK_EQ(status_line("Seccomp_filters"), 2);
}

/* ---- strict mode ---- */

static void strict_allows_four(void)
{
	char c;
	int fd[2];

	CHECK(pipe(fd) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	if (write(fd[1], "x", 1) != 1 || read(fd[0], &c, 1) != 1)
		syscall(SYS_exit, 1);
	syscall(SYS_exit, 5);
}

static void strict_kills(void)
{
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) == 0);
	getppid();
}

static void strict_kills_prctl(void)
{
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) == 0);
	prctl(PR_GET_SECCOMP);
}

static void strict_after_filter(void)
{
	CHECK_EQ(FILTER(0, RET(SECCOMP_RET_ALLOW)), 0);
	CHECK_ERR(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), EINVAL);
	CHECK_ERR(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL), EINVAL);
}

static void *strict_thread(void *arg)
{
	(void)arg;
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	getppid();
	return NULL;
}

static void strict_of_a_thread(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, strict_thread, NULL) == 0);
	CHECK(pthread_join(t, NULL) == 0);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	_exit(6);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return child_main(argv[1]);
	CHECK_EQ(status_of(sees_words), 0);
	CHECK_EQ(status_of(number_is_an_int), 0);
	answers();
	precedence();
	CHECK_EQ(status_of(youngest_data), 0);
	CHECK_EQ(status_of(allowed_by_some), 0);
	CHECK_EQ(status_of(inherited), 0);
	CHECK_EQ(status_of(shown), 0);
	CHECK_EQ(status_of(strict_allows_four), 5 << 8);
	CHECK_EQ(status_of(strict_kills), SIGKILL);
	CHECK_EQ(status_of(strict_kills_prctl), SIGKILL);
	CHECK_EQ(status_of(strict_after_filter), 0);
	CHECK_EQ(status_of(strict_of_a_thread), 6 << 8);
	return 0;
}
