/* What /proc says that a task does: stat's and status' state, and the call that it
 * sleeps in. */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "waitfor.h"

static pid_t child(void (*fn)(void *), void *arg)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	return pid;
}

static void end(pid_t pid)
{
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static void has_line(pid_t pid, const char *name, const char *line)
{
	char buf[4096];

	wait_read_proc(pid, name, buf, sizeof(buf));
	if (!strstr(buf, line))
		fprintf(stderr, "%s of /proc/%d is\n%s, without %s\n", name, pid, buf, line);
	CHECK(strstr(buf, line));
}

static void pauses(void *arg)
{
	(void)arg;
	for (;;)
		pause();
}

static void reads(void *arg)
{
	char buf[77];

	(void)!read(*(int *)arg, buf, sizeof(buf));
}

static void spins(void *arg)
{
	for (*(volatile int *)arg = 1;;)
		;
}

static void sleeping(void)
{
	pid_t pid;
	int p[2];
	char text[64];

	CHECK_EQ(pipe(p), 0);
	pid = child(pauses, NULL);
	wait_asleep(pid, SYS_pause);
	has_line(pid, "status", "State:\tS (sleeping)");
	sprintf(text, "%d ", SYS_pause);
	has_line(pid, "syscall", text);
	end(pid);
	/* With its arguments. */
	pid = child(reads, p);
	wait_asleep(pid, SYS_read);
	sprintf(text, "0 0x%x 0x", p[0]);
	has_line(pid, "syscall", text);
	has_line(pid, "syscall", " 0x4d 0x");
	end(pid);
	close(p[0]);
	close(p[1]);
}

static void running(void)
{
	int *spinning = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	CHECK(spinning != MAP_FAILED);
	pid = child(spins, spinning);
	WAIT_UNTIL(*(volatile int *)spinning);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(thread_state(pid), 'R');
	has_line(pid, "status", "State:\tR (running)");
	has_line(pid, "syscall", "running");
	CHECK_EQ(thread_state(getpid()), 'R');
	end(pid);
	munmap(spinning, 4096);
}

static void stopped_and_ended(void)
{
	pid_t pid = child(pauses, NULL);
	int status;

	wait_asleep(pid, SYS_pause);
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK_EQ(thread_state(pid), 'T');
	has_line(pid, "status", "State:\tT (stopped)");
	kill(pid, SIGCONT);
	wait_asleep(pid, SYS_pause);
	kill(pid, SIGKILL);
	wait_state(pid, "Z");
	has_line(pid, "status", "State:\tZ (zombie)");
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(thread_state(pid), 0);
}

/* Not to be interrupted: as ps shows who waits for a disk, or for a vfork child. */
static void vforks(void *arg)
{
	close(((int *)arg)[1]);
	if (vfork() == 0) {
		reads(arg);
		_exit(0);
	}
}

static void uninterruptible(void)
{
	pid_t pid;
	int p[2];

	CHECK_EQ(pipe(p), 0);
	pid = child(vforks, p);
	close(p[0]);
	wait_state(pid, "D");
	has_line(pid, "status", "State:\tD (disk sleep)");
	close(p[1]);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static volatile pid_t tid;

static void *thread(void *arg)
{
	tid = (pid_t)syscall(SYS_gettid);
	reads(arg);
	return NULL;
}

/* Each thread has a state of its own, and a woken one is awake before it has run. */
static void threads(void)
{
	pthread_t th;
	int p[2];

	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(pthread_create(&th, NULL, thread, p), 0);
	WAIT_UNTIL(tid);
	for (int i = 0; i < 3; i++) {
		wait_asleep(tid, SYS_read);
		CHECK_EQ(thread_state(getpid()), 'R');
	}
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK(thread_state(tid) != 'S');
	CHECK_EQ(pthread_join(th, NULL), 0);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	sleeping();
	running();
	stopped_and_ended();
	uninterruptible();
	threads();
	return 0;
}
