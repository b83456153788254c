/* Limits that bite: processes, file sizes, CPU time, descriptors, memory, priority. */
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
#include <sys/mman.h>

#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

static volatile int xcpu, xfsz;
static void h(int s)
{
	if (s == SIGXCPU)
		xcpu++;
	else
		xfsz++;
}
/* A user who has no other processes: those of an earlier run may still be there. */
static int become(uid_t uid)
{
	return setresuid(uid, uid, uid);
}

static void lim(int r, long c, long m)
{
	struct rlimit l = { c, m };
	if (setrlimit(r, &l))
		printf("setrlimit %d %s\n", r, strerrorname_np(errno));
}
static int s;
static pid_t p;
static struct rlimit l;
static char buf[8192];

static void calls(void)
{
	if (getuid() != 0) {
		printf("SKIP: needs root\n");
		exit(77);
	}
	SAY(getrlimit(16, &l));
	SAY(setrlimit(16, &l));
	SAY(getrlimit(-1, &l));
	l = (struct rlimit){ 5, 4 };
	SAY(setrlimit(RLIMIT_CORE, &l));
	SAY(prlimit(0x3ffffff, RLIMIT_CORE, 0, &l));
	SAY(prlimit(0, RLIMIT_CORE, (void *)8, 0));
	SAY(prlimit(0, RLIMIT_CORE, 0, (void *)8));
}

/* NPROC. */
static void nproc(void)
{
	p = fork();
	if (!p) {
		become(100000 + getpid());
		lim(RLIMIT_NPROC, 3, 3);
		int k = 0;
		while (k < 10) {
			pid_t c = fork();
			if (c < 0) {
				SAY(c);
				break;
			}
			if (!c) {
				pause();
			}
			k++;
		}
		SAY(k);
		pthread_t t;
		SAY(pthread_create(&t, 0, (void *)pause, 0));
		fflush(stdout);
		kill(-1, 9);
		_exit(0);
	}
	waitpid(p, &s, 0);
	printf("%x\n", s);
	p = fork();
	if (!p) {
		lim(RLIMIT_NPROC, 1, 1);
		pid_t c = fork();
		if (!c)
			_exit(0);
		SAY(c > 0);
		fflush(stdout);
		_exit(0);
	}
	waitpid(p, &s, 0);
}

/* Setuid over the limit then exec. */
static void setuid_over_the_limit_then_exec(void)
{
	p = fork();
	if (!p) {
		lim(RLIMIT_NPROC, 0, 0);
		SAY(become(200000 + getpid()));
		SAY(execl("/bin/true", "true", NULL));
		fflush(stdout);
		_exit(9);
	}
	waitpid(p, &s, 0);
	printf("%x\n", s);
}

/* FSIZE. */
static void fsize(void)
{
	p = fork();
	if (!p) {
		signal(SIGXFSZ, h);
		int f = open("lim.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
		unlink("lim.tmp");
		lim(RLIMIT_FSIZE, 10000, 20000);
		SAY(write(f, buf, 8192));
		SAY(write(f, buf, 8192));
		SAY(xfsz);
		SAY(write(f, buf, 1));
		SAY(xfsz);
		SAY(ftruncate(f, 10001));
		SAY(xfsz);
		SAY(ftruncate(f, 9000));
		SAY(pwrite(f, buf, 10, 9995));
		SAY(pwrite(f, buf, 10, 10000));
		SAY(pwrite(f, buf, 0, 50000));
		SAY(fallocate(f, 0, 0, 20000));
		SAY(lseek(f, 0, SEEK_END));
		int q[2];
		pipe(q);
		SAY(write(q[1], buf, 8192));
		struct stat st;
		fstat(f, &st);
		SAY(st.st_size);
		int m = memfd_create("x", 0);
		SAY(ftruncate(m, 20000));
		SAY(write(m, buf, 8192));
		SAY(write(m, buf, 8192));
		fflush(stdout);
		signal(SIGXFSZ, SIG_DFL);
		lseek(f, 10000, SEEK_SET);
		write(f, buf, 1);
		_exit(0);
	}
	waitpid(p, &s, 0);
	printf("%x\n", s & 0x7f);
	p = fork();
	if (!p) {
		signal(SIGXFSZ, SIG_IGN);
		int f = open("lim.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
		unlink("lim.tmp");
		lim(RLIMIT_FSIZE, 0, 0);
		SAY(write(f, buf, 1));
		fflush(stdout);
		_exit(0);
	}
	waitpid(p, &s, 0);
}

/* CPU. */
static void cpu(void)
{
	p = fork();
	if (!p) {
		signal(SIGXCPU, h);
		lim(RLIMIT_CPU, 1, 2);
		long st = time(0);
		struct timespec c;
		for (;;) {
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c);
			if (xcpu == 1 && c.tv_sec < 2) {
				xcpu = 100;
			}
			if (time(0) - st > 100)
				_exit(7);
		}
	}
	waitpid(p, &s, 0);
	printf("%x\n", s);
}

/* NOFILE. */
static void nofile(void)
{
	p = fork();
	if (!p) {
		lim(RLIMIT_NOFILE, 10, 20);
		SAY(dup2(0, 10));
		SAY(fcntl(0, F_DUPFD, 10));
		int f;
		while ((f = dup(0)) >= 0)
			;
		SAY(f);
		SAY(errno);
		int q[2];
		SAY(pipe(q));
		SAY(open("/", 0));
		lim(RLIMIT_NOFILE, 5, 20);
		SAY(dup2(0, 4));
		SAY(dup2(0, 7));
		SAY(close(9));
		SAY(poll(0, 0, 0));
		struct pollfd pf[30];
		memset(pf, -1, sizeof pf);
		SAY(poll(pf, 30, 0));
		fflush(stdout);
		_exit(0);
	}
	waitpid(p, &s, 0);
}

/* AS, DATA, STACK, MEMLOCK as user. */
static void as_data_stack_memlock_as_user(void)
{
	p = fork();
	if (!p) {
		lim(RLIMIT_AS, 100 << 20, 100 << 20);
		SAY(mmap(0, 200 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		    MAP_FAILED);
		SAY(errno == ENOMEM);
		void *a = mmap(0, 10 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);
		SAY(a != MAP_FAILED);
		setuid(65534);
		lim(RLIMIT_MEMLOCK, 65536, 65536);
		SAY(mlock(a, 65536));
		SAY(mlock(a, 65537));
		SAY(mlock(a + (1 << 20), 4096));
		SAY(mlockall(MCL_CURRENT));
		SAY(munlock(a, 65536));
		lim(RLIMIT_MEMLOCK, 0, 0);
		SAY(mlock(a, 1));
		lim(RLIMIT_DATA, 1 << 20, 1 << 20);
		SAY(mmap(0, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		    MAP_FAILED);
		SAY(mmap(0, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
		fflush(stdout);
		_exit(0);
	}
	waitpid(p, &s, 0);
}

/* Others' limits. */
static void others_limits(void)
{
	p = fork();
	if (!p) {
		pause();
	}
	if (!fork()) {
		setuid(65534);
		SAY(prlimit(p, RLIMIT_CORE, 0, &l));
		SAY(prlimit(getpid(), RLIMIT_NOFILE, &(struct rlimit){ 1 << 20, 1 << 21 }, 0));
		SAY(prlimit(0, RLIMIT_NICE, &(struct rlimit){ 40, 40 }, 0));
		SAY(nice(-5));
		SAY(setpriority(PRIO_PROCESS, 0, -1));
		SAY(setpriority(PRIO_PROCESS, 0, 5));
		SAY(getpriority(PRIO_PROCESS, 0));
		SAY(setpriority(PRIO_PROCESS, 0, 4));
		fflush(stdout);
		_exit(0);
	}
	wait(&s);
	SAY(prlimit(p, RLIMIT_CORE, &(struct rlimit){ 1, 2 }, &l));
	SAY(prlimit(p, RLIMIT_CORE, 0, &l));
	SAY(l.rlim_cur);
	SAY(l.rlim_max);
	kill(p, 9);
	wait(&s);
}

int main(void)
{
	calls();
	nproc();
	setuid_over_the_limit_then_exec();
	fsize();
	cpu();
	nofile();
	as_data_stack_memlock_as_user();
	others_limits();
	return 0;
}
