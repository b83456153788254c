/* kcmp: what two tasks share; i/o priorities: kept by task, given to children. */
#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "say.h"

#define BE(level) (2 << 13 | (level))
#define RT(level) (1 << 13 | (level))
#define IDLE (3 << 13)

static long kcmp(pid_t a, pid_t b, int kind, unsigned long i, unsigned long j)
{
	return syscall(SYS_kcmp, a, b, kind, i, j);
}

static pid_t sleeper(unsigned long flags)
{
	pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0) {
		for (;;)
			syscall(SYS_pause);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	reap(pid);
}

static pid_t thread_tid;
static volatile int go;

static void *thread(void *arg)
{
	(void)arg;
	thread_tid = gettid();
	__atomic_store_n(&go, 1, __ATOMIC_SEQ_CST);
	while (go != 2)
		usleep(1000);
	return NULL;
}

static void sharing(void)
{
	int me = getpid(), a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
	int c = dup(a);
	long x, y;
	pid_t pid;
	pthread_t th;

	SAY(kcmp(me, me, KCMP_FILE, a, a));
	SAY(kcmp(me, me, KCMP_FILE, a, c));
	x = kcmp(me, me, KCMP_FILE, a, b);
	y = kcmp(me, me, KCMP_FILE, b, a);
	SAY((x == 1 && y == 2) || (x == 2 && y == 1));
	SAY(kcmp(me, me, KCMP_FILE, a, 99));
	SAY(kcmp(me, me, KCMP_FILE, (unsigned long)-1, a));
	SAY(kcmp(me, me, 77, 0, 0));
	SAY(kcmp(me, 0, KCMP_VM, 0, 0));
	SAY(kcmp(-1, me, KCMP_VM, 0, 0));
	pid = sleeper(0);
	SAY(kcmp(me, pid, KCMP_FILE, a, a));
	for (int kind = KCMP_VM; kind <= KCMP_SIGHAND; kind++)
		SAY(kcmp(me, pid, kind, 0, 0) != 0);
	SAY(kcmp(me, pid, KCMP_SYSVSEM, 0, 0));
	if (geteuid() == 0)
		IN_CHILD(setuid(54321); SAY(kcmp(me, pid, KCMP_VM, 0, 0)));
	end(pid);
	pid = sleeper(CLONE_FILES | CLONE_FS);
	SAY(kcmp(me, pid, KCMP_VM, 0, 0) != 0);
	SAY(kcmp(me, pid, KCMP_FILES, 0, 0));
	SAY(kcmp(me, pid, KCMP_FS, 0, 0));
	end(pid);
	SAY(kcmp(me, pid, KCMP_FS, 0, 0));
	pthread_create(&th, NULL, thread, NULL);
	while (!go)
		usleep(1000);
	for (int kind = KCMP_VM; kind <= KCMP_SYSVSEM; kind++)
		SAY(kcmp(me, thread_tid, kind, 0, 0));
	go = 2;
	pthread_join(th, NULL);
}

static long set(int which, int who, int value)
{
	return syscall(SYS_ioprio_set, which, who, value);
}

static long get(int which, int who)
{
	return syscall(SYS_ioprio_get, which, who);
}

static void io_priorities(void)
{
	SAY(get(1, 0));
	SAY(get(4, 0));
	SAY(get(0, 0));
	SAY(set(9, 0, BE(0)));
	SAY(set(1, 0, 3));
	SAY(set(1, 0, 4 << 13));
	SAY(set(1, 99999999, BE(0)));
	SAY(get(1, 99999999));
	SAY(set(1, 0, BE(6)));
	SAY(get(1, 0) == BE(6));
	SAY(get(1, getpid()) == BE(6));
	IN_CHILD(SAY(get(1, 0) == BE(6)); SAY(set(1, 0, IDLE)); SAY(get(1, 0) == IDLE));
	SAY(get(1, 0) == BE(6));
	SAY(set(1, 0, 0));
	SAY(get(1, 0));
	IN_CHILD(setpgid(0, 0); SAY(get(2, 0) == BE(4)); SAY(set(2, 0, BE(1)));
		 SAY(get(2, getpid()) == BE(1)); SAY(get(1, 0) == BE(1));
		 setpriority(PRIO_PROCESS, 0, 10); SAY(set(1, 0, 0)); SAY(get(1, 0));
		 SAY(get(2, 0) == BE(6)));
	if (geteuid() == 0)
		IN_CHILD(setuid(54321); SAY(set(1, 0, RT(0))); SAY(set(1, getppid(), BE(1)));
			 SAY(set(3, 0, BE(3))); SAY(get(3, 54321) == BE(3)); SAY(get(3, 4242424)));
}

int main(void)
{
	sharing();
	io_priorities();
	return 0;
}
