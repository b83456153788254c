/* How a process hangs on the tree: chosen numbers, exit signals, CLONE_PARENT, whose
 * child it is among threads, subreapers, death signals, the fields of waitid. */
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#include "say.h"
#include "waitfor.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

static long clone3(struct clone_args *a)
{
	return syscall(SYS_clone3, a, sizeof *a);
}
static volatile int hits[66];
static void h(int s)
{
	hits[s]++;
}
static void *waiter(void *a)
{
	int s;
	long r = waitpid(-1, &s, (long)a);
	printf("thread waitpid %d %s\n", r < 0 ? -1 : 1, r < 0 ? strerrorname_np(errno) : "");
	return 0;
}
static int tid_fd[2];
static void *forker(void *a)
{
	pid_t p = fork();
	if (!p) {
		prctl(PR_SET_PDEATHSIG, SIGUSR1);
		signal(SIGUSR1, h);
		char c = 'r';
		write(tid_fd[1], &c, 1);
		WAIT_UNTIL(hits[SIGUSR1]);
		c = hits[SIGUSR1] ? 'y' : 'n';
		write(tid_fd[1], &c, 1);
		_exit(0);
	}
	char c;
	read(tid_fd[0], &c, 1);
	return 0;
}
static struct clone_args a;
static long q;
static pthread_t t;
#pragma GCC diagnostic ignored "-Wunused-parameter"
static int s;
static long p;
static siginfo_t si;

static pid_t sets[2];

/* A child with the number sets[0]. */
static long numbered_child(void)
{
	pid_t want = sets[0];
	long pid = clone3(&a);

	if (pid == 0)
		_exit(getpid() == want ? 7 : 8);
	return pid;
}

/* A number that nobody has, and that can be had again: others may take one meanwhile. */
static long free_number_twice(int *first_status)
{
	for (sets[0] = 30000; sets[0] > 300; sets[0]--) {
		p = numbered_child();
		if (p < 0 && errno == EEXIST)
			continue;
		if (p < 0)
			return p;
		*first_status = reap(p);
		p = numbered_child();
		if (p > 0)
			return p;
	}
	return -1;
}

/* Set_tid. */
static void set_tid(void)
{
	int first = -1;

	memset(&a, 0, sizeof a);
	a.exit_signal = SIGCHLD;
	a.set_tid = (long)sets;
	a.set_tid_size = 1;
	SAY(free_number_twice(&first) == sets[0]);
	printf("%x\n", first);
	SAY(clone3(&a)); /* now it is taken */
	printf("%x\n", reap(p));
	sets[0] = 0;
	SAY(clone3(&a));
	sets[0] = -1;
	SAY(clone3(&a));
	sets[0] = 1;
	SAY(clone3(&a));
	sets[0] = 1 << 30;
	SAY(clone3(&a));
	a.set_tid_size = 2;
	SAY(clone3(&a));
	a.set_tid_size = 33;
	SAY(clone3(&a));
	a.set_tid_size = 0;
	SAY(clone3(&a));
	a.set_tid_size = 1;
	a.set_tid = 0;
	SAY(clone3(&a));
	a.set_tid = 8;
	SAY(clone3(&a));
}

/* Exit signals. */
static void exit_signals(void)
{
	signal(SIGUSR1, h);
	signal(SIGCHLD, h);
	memset(&a, 0, sizeof a);
	a.exit_signal = SIGUSR1;
	p = clone3(&a);
	if (!p)
		_exit(3);
	WAIT_UNTIL(hits[SIGUSR1]);
	SAY(hits[SIGUSR1]);
	SAY(hits[SIGCHLD]);
	SAY(waitpid(p, &s, WNOHANG));
	SAY(waitpid(p, &s, __WCLONE) == p);
	p = clone3(&a);
	if (!p)
		_exit(3);
	SAY(waitpid(-1, &s, __WALL) == p);
	a.exit_signal = 0;
	p = clone3(&a);
	if (!p)
		_exit(3);
	wait_state(p, "Z");
	SAY(waitpid(p, &s, 0));
	SAY(waitpid(p, &s, __WALL) == p);
	printf("%x\n", s);
	a.exit_signal = SIGCHLD;
	p = clone3(&a);
	if (!p)
		_exit(3);
	wait_state(p, "Z");
	SAY(waitpid(p, &s, __WCLONE));
	SAY(waitpid(p, &s, 0) == p);
	a.exit_signal = 65;
	SAY(clone3(&a));
	a.exit_signal = -1;
	SAY(clone3(&a));
}

/* A child that execs becomes SIGCHLD. */
static void a_child_that_execs_becomes_sigchld(void)
{
	hits[SIGCHLD] = hits[SIGUSR1] = 0;
	a.exit_signal = SIGUSR1;
	p = clone3(&a);
	if (!p) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	SAY(waitpid(p, &s, __WALL) == p);
	SAY(hits[SIGCHLD]);
	SAY(hits[SIGUSR1]);
}

/* CLONE_PARENT. */
static void clone_parent(void)
{
	pipe(tid_fd);
	p = fork();
	if (!p) {
		memset(&a, 0, sizeof a);
		a.flags = CLONE_PARENT;
		long c = clone3(&a);
		if (!c) {
			sleep(0);
			_exit(44);
		}
		write(tid_fd[1], &c, sizeof c);
		_exit(0);
	}
	read(tid_fd[0], &q, sizeof q);
	reap(p);
	SAY(waitpid(q, &s, __WALL) == q);
	printf("%x\n", s);
}

/* Wait by threads. */
static void wait_by_threads(void)
{
	p = fork();
	if (!p) {
		usleep(50000);
		_exit(0);
	}
	pthread_create(&t, 0, waiter, (void *)__WNOTHREAD);
	pthread_join(t, 0);
	pthread_create(&t, 0, waiter, 0);
	pthread_join(t, 0);
}

/* Pdeathsig is about the thread that forked. */
static void pdeathsig_is_about_the_thread_that_forke(void)
{
	signal(SIGUSR1, h);
	hits[SIGUSR1] = 0;
	pthread_create(&t, 0, forker, 0);
	pthread_join(t, 0);
	char c;
	read(tid_fd[0], &c, 1);
	printf("pdeath by thread: %c\n", c);
	wait(&s);
	SAY(prctl(PR_SET_PDEATHSIG, 65));
	SAY(prctl(PR_SET_PDEATHSIG, SIGTERM));
	int v = -1;
	SAY(prctl(PR_GET_PDEATHSIG, &v));
	SAY(v);
	p = fork();
	if (!p) {
		prctl(PR_GET_PDEATHSIG, &v);
		_exit(v);
	}
	printf("fork: %x\n", reap(p));
	prctl(PR_SET_PDEATHSIG, 0);
	SAY(prctl(PR_SET_CHILD_SUBREAPER, 5));
	SAY(prctl(PR_GET_CHILD_SUBREAPER, &v));
	SAY(v);
	p = fork();
	if (!p) {
		prctl(PR_GET_CHILD_SUBREAPER, &v);
		_exit(v);
	}
	printf("fork: %x\n", reap(p));
}

/* Nearest subreaper, and thread leader. */
static void nearest_subreaper_and_thread_leader(void)
{
	p = fork();
	if (!p) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		pid_t m = getpid(), middle = fork();
		if (!middle) {
			middle = getpid();
			if (!fork()) {
				WAIT_UNTIL(getppid() != middle);
				_exit(getppid() == m ? 9 : 1);
			}
			_exit(0);
		}
		int s2;
		waitpid(middle, &s2, 0);
		wait(&s2);
		_exit(WEXITSTATUS(s2));
	}
	printf("%x\n", reap(p));
}

/* Orphan of a dead subreaper goes on up. */
static void orphan_of_a_dead_subreaper_goes_on_up(void)
{
	p = fork();
	if (!p) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		pid_t parent = getpid();
		if (!fork()) {
			WAIT_UNTIL(getppid() != parent);
			_exit(6);
		}
		_exit(0);
	}
	reap(p);
	SAY(wait(&s) > 0);
	printf("%x\n", s);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

/* Waitid fields. */
static void waitid_fields(void)
{
	memset(&si, 0x55, sizeof si);
	SAY(waitid(P_ALL, 0, &si, WEXITED | WNOHANG));
	int hold[2];
	char c;
	pipe(hold);
	p = fork();
	if (!p) {
		close(hold[1]);
		read(hold[0], &c, 1);
		_exit(0);
	}
	memset(&si, 0x55, sizeof si);
	SAY(waitid(P_ALL, 0, &si, WEXITED | WNOHANG));
	printf("%d %d %d %d\n", si.si_signo, si.si_pid, si.si_code, si.si_errno);
	close(hold[1]);
	close(hold[0]);
	SAY(waitid(P_ALL, 0, NULL, WEXITED));
	p = fork();
	if (!p)
		abort();
	SAY(waitid(P_PID, p, &si, WEXITED));
	printf("%d %d %d\n", si.si_code, si.si_status, si.si_signo);
	p = fork();
	if (!p) {
		setpgid(0, 0);
		pause();
	}
	setpgid(p, p);
	kill(p, SIGSTOP);
	SAY(waitid(P_PGID, p, &si, WSTOPPED));
	printf("%d %d\n", si.si_code, si.si_status);
	SAY(waitid(P_PGID, p, &si, WSTOPPED | WNOHANG));
	kill(p, SIGCONT);
	SAY(waitid(P_PGID, p, &si, WCONTINUED | WNOWAIT));
	printf("%d %d\n", si.si_code, si.si_status);
	SAY(waitid(P_PGID, p, &si, WCONTINUED));
	SAY(waitid(P_PGID, p, &si, WCONTINUED | WNOHANG));
	kill(p, SIGKILL);
	SAY(waitid(P_PGID, p, &si, WEXITED | WSTOPPED | WCONTINUED));
	printf("%d %d\n", si.si_code, si.si_status);
	SAY(waitid(P_PGID, 0, &si, WEXITED));
	SAY(waitid(77, 0, &si, WEXITED));
	SAY(waitid(P_ALL, 0, &si, 0));
	SAY(waitid(P_ALL, 0, &si, WEXITED | 0x100));
	SAY(waitid(P_PID, 0, &si, WEXITED));
	SAY(waitid(P_PID, -5, &si, WEXITED));
	SAY(waitpid(-1, &s, 0x100));
	SAY(syscall(SYS_wait4, INT_MIN, &s, 0, 0));
	p = fork();
	if (!p)
		_exit(0);
	SAY(syscall(SYS_wait4, p, (void *)8, 0, 0));
	SAY(waitpid(p, &s, 0));
}

/* Vfork. */
static void borrowed_memory(void)
{
	int x = 0;
	p = vfork();
	if (!p) {
		x = 5;
		_exit(0);
	}
	SAY(x);
	reap(p);
}

int main(void)
{
	set_tid();
	exit_signals();
	a_child_that_execs_becomes_sigchld();
	clone_parent();
	wait_by_threads();
	pdeathsig_is_about_the_thread_that_forke();
	nearest_subreaper_and_thread_leader();
	orphan_of_a_dead_subreaper_goes_on_up();
	waitid_fields();
	borrowed_memory();
	return 0;
}
