/* seccomp(2): its errors, its questions, and the limit on a chain. */
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "filter.h"

#define OP(op, flags, arg) syscall(SYS_seccomp, op, flags, arg)

static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void questions(void)
{
	static const unsigned known[] = {
		SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
		SECCOMP_RET_ERRNO,        SECCOMP_RET_USER_NOTIF,  SECCOMP_RET_TRACE,
		SECCOMP_RET_LOG,          SECCOMP_RET_ALLOW,
	};
	struct seccomp_notif_sizes sizes;
	unsigned action;

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		action = known[i];
		CHECK_EQ(OP(SECCOMP_GET_ACTION_AVAIL, 0, &action), 0);
	}
	action = 0x10000;
	CHECK_ERR(OP(SECCOMP_GET_ACTION_AVAIL, 0, &action), EOPNOTSUPP);
	action = SECCOMP_RET_ERRNO | 1;
	CHECK_ERR(OP(SECCOMP_GET_ACTION_AVAIL, 0, &action), EOPNOTSUPP);
	CHECK_ERR(OP(SECCOMP_GET_ACTION_AVAIL, 1, &action), EINVAL);
	CHECK_ERR(OP(SECCOMP_GET_ACTION_AVAIL, 0, NULL), EFAULT);
	CHECK_EQ(OP(SECCOMP_GET_NOTIF_SIZES, 0, &sizes), 0);
	CHECK_EQ(sizes.seccomp_notif, 80);
	CHECK_EQ(sizes.seccomp_notif_resp, 24);
	CHECK_EQ(sizes.seccomp_data, 64);
	CHECK_ERR(OP(SECCOMP_GET_NOTIF_SIZES, 1, &sizes), EINVAL);
	CHECK_ERR(OP(SECCOMP_GET_NOTIF_SIZES, 0, NULL), EFAULT);
	CHECK_ERR(OP(4, 0, NULL), EINVAL);
	CHECK_ERR(OP(-1, 0, NULL), EINVAL);
	CHECK_ERR(OP(SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
	CHECK_ERR(OP(SECCOMP_SET_MODE_STRICT, 0, &action), EINVAL);
	CHECK_ERR(prctl(PR_SET_SECCOMP, 0, NULL), EINVAL);
	CHECK_ERR(prctl(PR_SET_SECCOMP, 3, NULL), EINVAL);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
}

static void flags(void)
{
	static const unsigned bad[] = {
		1u << 6,
		1u << 31,
		SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER,
		SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_TSYNC,
	};
	static const unsigned good[] = {
		SECCOMP_FILTER_FLAG_LOG,
		SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		SECCOMP_FILTER_FLAG_TSYNC,
		SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
		SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
	};

	filter_prepare();
	/* Flags are looked at before the program: that is what libseccomp asks with. */
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, bad[i], NULL), EINVAL);
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, good[i], NULL), EFAULT);
		CHECK_EQ(FILTER(good[i], RET(SECCOMP_RET_ALLOW)), 0);
	}
	CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, NULL), EFAULT);
	CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER,
		     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		     NULL),
		  EFAULT);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
}

static void programs(void)
{
	static struct sock_filter many[4097];
	struct sock_fprog fprog = { 0, many };

	filter_prepare();
	for (int i = 0; i < 4097; i++)
		many[i] = (struct sock_filter)RET(SECCOMP_RET_ALLOW);
	CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, 0, &fprog), EINVAL);
	fprog.len = 4097;
	CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, 0, &fprog), EINVAL);
	fprog.len = 4096;
	CHECK_EQ(OP(SECCOMP_SET_MODE_FILTER, 0, &fprog), 0);
	fprog.filter = NULL;
	CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, 0, &fprog), EINVAL);
	fprog.filter = (void *)8;
	CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, 0, &fprog), EFAULT);
	/* No way out, a way beyond the end. */
	CHECK_ERR(FILTER(0, LOAD(nr)), EINVAL);
	CHECK_ERR(FILTER(0, IF_NOT(0, 1), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_JMP | BPF_JA, 1), RET(0)), EINVAL);
	/* Words of the call only, and those aligned. */
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0xfffff024), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_LD | BPF_MEM, 0), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_ST, 16), RET(0)), EINVAL);
	CHECK_ERR(FILTER(0, BPF_STMT(BPF_RET | BPF_X, 0)), EINVAL);
	CHECK_EQ(FILTER(0, BPF_STMT(BPF_ST, 15), BPF_STMT(BPF_LDX | BPF_MEM, 15),
			BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), RET(SECCOMP_RET_ALLOW)),
		 0);
	/* The words of a program that ends in memory that is not there. */
	fprog.filter = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(munmap((char *)fprog.filter + 4096, 4096) == 0);
	fprog.len = 513;
	CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, 0, &fprog), EFAULT);
	fprog.len = 512;
	CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, 0, &fprog), EINVAL);
}

static void privilege(void)
{
	struct sock_fprog none = { 0, NULL };

	if (geteuid() == 0) {
		in_child(programs);
		CHECK_EQ(FILTER(0, RET(SECCOMP_RET_ALLOW)), 0); /* CAP_SYS_ADMIN is enough */
		CHECK(setgroups(0, NULL) == 0);
		CHECK(setresgid(65534, 65534, 65534) == 0);
		CHECK(setresuid(65534, 65534, 65534) == 0);
	}
	CHECK_ERR(FILTER(0, RET(SECCOMP_RET_ALLOW)), EACCES);
	CHECK_ERR(FILTER(0, RET(0), LOAD(nr)), EACCES);
	CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, 0, &none), EINVAL);
	CHECK_ERR(OP(SECCOMP_SET_MODE_FILTER, 0, 8), EFAULT);
	filter_prepare();
	CHECK_EQ(FILTER(0, RET(SECCOMP_RET_ALLOW)), 0);
}

/* How many filters of 4096 instructions go into a chain: it depends on what Linux makes of
 * them, two of its own for some. */
static int chain_of(struct sock_filter what)
{
	static struct sock_filter prog[4096];
	int n, status;
	pid_t pid = fork();

	if (pid == 0) {
		filter_prepare();
		prog[0] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 1);
		for (int i = 1; i < 4093; i++)
			prog[i] = what;
		for (int i = 4093; i < 4096; i++)
			prog[i] = (struct sock_filter)RET(SECCOMP_RET_ALLOW);
		for (n = 0; filter_set(prog, 4096, 0) == 0; n++)
			;
		CHECK_EQ(errno, ENOMEM);
		/* A short one still fits. */
		CHECK_EQ(FILTER(0, RET(SECCOMP_RET_ALLOW)), 0);
		_exit(n);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void chain_limit(void)
{
	CHECK_EQ(chain_of((struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 1)), 7);
	CHECK_EQ(chain_of((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ, 1, 0, 1)), 7);
	CHECK_EQ(chain_of((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ, 1, 1, 1)), 3);
	CHECK_EQ(chain_of((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET, 1, 0, 1)), 3);
	CHECK_EQ(chain_of((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT, -1u, 1, 1)), 2);
	CHECK_EQ(chain_of((struct sock_filter)BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0)), 1);
	CHECK_EQ(chain_of((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)), 3);
}

/* The smallest filters: 1 + 2 of Linux's own, 3 before them, 4 for the link. */
static void many_small(void)
{
	int n;

	filter_prepare();
	for (n = 0; FILTER(0, RET(SECCOMP_RET_ALLOW)) == 0; n++)
		;
	CHECK_EQ(errno, ENOMEM);
	CHECK_EQ(n, (32768 - 5) / 9 + 1);
}

static void proc_entries(void)
{
	char text[256] = "";
	FILE *f = fopen("/proc/sys/kernel/seccomp/actions_avail", "r");

	CHECK(f && fgets(text, sizeof(text), f));
	CHECK(!strcmp(text, "kill_process kill_thread trap errno user_notif trace log allow\n"));
	fclose(f);
}

int main(void)
{
	in_child(questions);
	in_child(flags);
	in_child(programs);
	in_child(privilege);
	chain_limit();
	in_child(many_small);
	proc_entries();
	return 0;
}
