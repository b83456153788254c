/* ptrace(2): who may trace whom; what /proc shows of a traced process, and lets its
 * tracer do. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "tracee.h"

static volatile int *step;
static const volatile uint64_t constant = 0x1111111111111111ull;

static void wait_step(int n)
{
	while (*step < n)
		sched_yield();
}

/* ---- access ---- */

static int other_user(void)
{
	CHECK(setresgid(1234, 1234, 1234) == 0);
	CHECK(setresuid(1234, 1234, 1234) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	*step = 1;
	return pauses();
}

static int not_dumpable(void)
{
	CHECK(setresgid(1234, 1234, 1234) == 0);
	CHECK(setresuid(1234, 1234, 1234) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
	*step = 1;
	return pauses();
}

static pid_t waiting_child(int (*fn)(void))
{
	pid_t pid;

	*step = 0;
	pid = plain_child(fn);
	wait_step(1);
	return pid;
}

/* As user 1234 without privileges, in a process of its own. */
static void attach_as_user(pid_t pid, int err)
{
	pid_t tracer = fork();

	if (tracer == 0) {
		CHECK(setresgid(1234, 1234, 1234) == 0);
		CHECK(setresuid(1234, 1234, 1234) == 0);
		CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
		if (err) {
			CHECK_ERR(trace(PTRACE_ATTACH, pid, 0, 0), err);
			CHECK_ERR(trace(PTRACE_SEIZE, pid, 0, 0), err);
			_exit(0);
		}
		CHECK(trace(PTRACE_ATTACH, pid, 0, 0) == 0);
		CHECK_EQ(next_stop(pid), SIGSTOP);
		_exit(0);
	}
	expect_exit(tracer, 0);
}

static int root_waits(void)
{
	*step = 1;
	return pauses();
}

static void test_access(void)
{
	pid_t pid = waiting_child(root_waits);

	attach_as_user(pid, EPERM);
	kill_child(pid);
	pid = waiting_child(other_user);
	attach_as_user(pid, 0);
	/* Root may anyhow. */
	CHECK(trace(PTRACE_ATTACH, pid, 0, 0) == 0);
	CHECK_EQ(next_stop(pid), SIGSTOP);
	kill_child(pid);
	pid = waiting_child(not_dumpable);
	attach_as_user(pid, EPERM);
	CHECK(trace(PTRACE_SEIZE, pid, 0, 0) == 0);
	kill_child(pid);
}

/* A parent that has less than its child does not become its tracer. */
static void test_traceme_privileged(void)
{
	pid_t parent = fork(), pid;
	int status;

	if (parent == 0) {
		*step = 0;
		pid = fork();
		if (pid == 0) {
			wait_step(1);
			CHECK_ERR(trace(PTRACE_TRACEME, 0, 0, 0), EPERM);
			_exit(4);
		}
		CHECK(setresuid(1234, 1234, 1234) == 0);
		*step = 1;
		CHECK(waitpid(pid, &status, 0) == pid);
		_exit(WEXITSTATUS(status));
	}
	expect_exit(parent, 4);
}

/* ---- /proc ---- */

static const char *status_line(pid_t pid, const char *name)
{
	static char line[256];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, strlen(name))) {
			fclose(f);
			line[strcspn(line, "\n")] = '\0';
			return line + strlen(name);
		}
	}
	fclose(f);
	return "";
}

static int returns_constant(void)
{
	return (int)(constant & 0xff);
}

static void test_status(void)
{
	pid_t pid = traced_child(returns_constant);

	CHECK(!strcmp(status_line(pid, "State:\t"), "t (tracing stop)"));
	CHECK_EQ(atoi(status_line(pid, "TracerPid:\t")), getpid());
	CHECK(!strcmp(status_line(getpid(), "TracerPid:\t"), "0"));
	go(PTRACE_DETACH, pid, 0);
	expect_exit(pid, 0x11);
}

/* What may not be written is, as by PTRACE_POKEDATA: a copy. */
static void test_mem(void)
{
	pid_t pid = traced_child(returns_constant);
	uint64_t word = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, &word, 8, (off_t)(uintptr_t)&constant), 8);
	CHECK_EQ(word, constant);
	word = 0x22;
	CHECK_EQ(pwrite(fd, &word, 8, (off_t)(uintptr_t)&constant), 8);
	CHECK_EQ(peek(PTRACE_PEEKDATA, pid, (uintptr_t)&constant), 0x22);
	CHECK_EQ(constant, 0x1111111111111111ull);
	close(fd);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0x22);
}

static int calls(void)
{
	return (int)syscall(SYS_getppid, 1, 2, 3, 4, 5, 6) != 0 ? 3 : 4;
}

static void test_syscall_file(void)
{
	pid_t pid = traced_child(calls);
	char path[64], want[256], got[256] = "";
	struct user_regs_struct r;
	int fd;

	CHECK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	do {
		go(PTRACE_SYSCALL, pid, 0);
		CHECK_EQ(next_stop(pid), SYSGOOD);
		r = regs_of(pid);
	} while (r.orig_rax != SYS_getppid);
	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0) { /* not in every kernel */
		kill_child(pid);
		return;
	}
	CHECK(read(fd, got, sizeof(got) - 1) > 0);
	close(fd);
	snprintf(want, sizeof(want), "%d 0x1 0x2 0x3 0x4 0x5 0x6 0x%llx 0x%llx\n", SYS_getppid,
		 r.rsp, r.rip);
	CHECK(!strcmp(want, got));
	kill_child(pid);
}

/* A shared mapping that may not be written: the file is nobody's to change. */
static void test_shared_read_only(void)
{
	char path[] = "ptrace_access.XXXXXX";
	int fd = mkstemp(path);
	const volatile uint64_t *map;
	uint64_t word = 0x77;
	pid_t pid;

	CHECK(fd >= 0);
	CHECK(unlink(path) == 0);
	CHECK(pwrite(fd, &word, 8, 0) == 8);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK_EQ(*map, 0x77);
	pid = traced_child(returns_constant);
	CHECK_EQ(peek(PTRACE_PEEKDATA, pid, (uintptr_t)map), 0x77);
	CHECK_ERR(trace(PTRACE_POKEDATA, pid, (uintptr_t)map, 1), EIO);
	CHECK_EQ(*map, 0x77);
	/* Not even readable: a tracer may read it. */
	kill_child(pid);
	CHECK(mprotect((void *)(uintptr_t)map, 4096, PROT_NONE) == 0);
	pid = traced_child(returns_constant);
	CHECK_EQ(peek(PTRACE_PEEKDATA, pid, (uintptr_t)map), 0x77);
	kill_child(pid);
	close(fd);
}

int main(void)
{
	step = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(step != MAP_FAILED);
	test_status();
	test_mem();
	test_syscall_file();
	test_shared_read_only();
	if (getuid() == 0) {
		test_access();
		test_traceme_privileged();
	}
	return 0;
}
