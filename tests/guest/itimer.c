/* setitimer: real, virtual and profiling timers, intervals, remaining time,
 * alarm, inheritance and errors. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "check.h"
#include "waitfor.h"

static volatile sig_atomic_t alrm, vtalrm, prof;

static void handler(int sig)
{
	if (sig == SIGALRM)
		alrm++;
	else if (sig == SIGVTALRM)
		vtalrm++;
	else
		prof++;
}

static struct itimerval tv(long usec, long interval)
{
	return (struct itimerval){ .it_value = { usec / 1000000, usec % 1000000 },
				   .it_interval = { interval / 1000000, interval % 1000000 } };
}

static void one_shot(void)
{
	struct itimerval v = tv(1000000000, 0), old;

	CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
	CHECK(getitimer(ITIMER_REAL, &old) == 0);
	CHECK(old.it_value.tv_sec >= 800 && old.it_value.tv_sec <= 1000);
	CHECK(old.it_value.tv_sec < 1000 || old.it_value.tv_usec == 0);
	v = tv(20000, 0);
	CHECK(setitimer(ITIMER_REAL, &v, &old) == 0);
	CHECK(old.it_value.tv_sec >= 800 && old.it_value.tv_sec <= 1000);
	wait_signals(SIGALRM, &alrm, 1);
	CHECK_EQ(alrm, 1);
	CHECK(getitimer(ITIMER_REAL, &old) == 0);
	CHECK(!old.it_value.tv_sec && !old.it_value.tv_usec);
}

static void periodic(void)
{
	struct itimerval v = tv(5000, 5000), off = tv(0, 0), old;

	alrm = 0;
	CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
	wait_signals(SIGALRM, &alrm, 5);
	CHECK(setitimer(ITIMER_REAL, &off, &old) == 0);
	CHECK_EQ(old.it_interval.tv_usec, 5000);
	alrm = 0;
	usleep(20000);
	CHECK_EQ(alrm, 0);
}

/* In a tight loop without system calls. */
static void interrupts_a_loop(void)
{
	struct itimerval v = tv(10000, 0);

	alrm = 0;
	CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
	while (!alrm)
		;
}

static void cpu_timers(void)
{
	struct itimerval v = tv(1000000000, 0), left;
	struct rusage ru;

	CHECK(setitimer(ITIMER_VIRTUAL, &v, NULL) == 0);
	CHECK(setitimer(ITIMER_PROF, &v, NULL) == 0);
	CHECK(getitimer(ITIMER_PROF, &left) == 0);
	CHECK(left.it_value.tv_sec >= 800 && left.it_value.tv_sec <= 1000);
	v = tv(200000, 0);
	CHECK(setitimer(ITIMER_VIRTUAL, &v, NULL) == 0);
	CHECK(setitimer(ITIMER_PROF, &v, NULL) == 0);
	usleep(300000); /* sleeping costs nothing */
	CHECK(!vtalrm && !prof);
	while (!vtalrm || !prof)
		;
	CHECK(getrusage(RUSAGE_SELF, &ru) == 0);
	CHECK(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec >= 150000);
}

static void not_inherited(void)
{
	struct itimerval v = tv(1000000000, 0), got;
	unsigned left;
	int status;
	pid_t pid;

	CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(getitimer(ITIMER_REAL, &got) == 0);
		CHECK(!got.it_value.tv_sec && !got.it_value.tv_usec);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	left = alarm(0);
	CHECK(left >= 800 && left <= 1000);
	CHECK_EQ(alarm(500), 0);
	left = alarm(0);
	CHECK(left >= 300 && left <= 500);
}

static void errors(void)
{
	struct itimerval bad = tv(0, 0), ok = tv(0, 0);

	CHECK_ERR(setitimer(77, &ok, NULL), EINVAL);
	CHECK_ERR(getitimer(77, &ok), EINVAL);
	bad.it_value.tv_usec = 1000000;
	CHECK_ERR(setitimer(ITIMER_REAL, &bad, NULL), EINVAL);
	bad.it_value.tv_usec = -1;
	CHECK_ERR(setitimer(ITIMER_REAL, &bad, NULL), EINVAL);
	CHECK_ERR(getitimer(ITIMER_REAL, (void *)8), EFAULT);
}

/* The default action ends the process. */
static void kills(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct itimerval v = tv(5000, 0);

		signal(SIGALRM, SIG_DFL);
		setitimer(ITIMER_REAL, &v, NULL);
		for (;;)
			;
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

static void cpu_limit(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit lim = { 1, 60 };

		CHECK(setrlimit(RLIMIT_CPU, &lim) == 0);
		for (;;)
			;
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU);
}

int main(void)
{
	struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGALRM, handler);
	signal(SIGVTALRM, handler);
	signal(SIGPROF, handler);
	one_shot();
	periodic();
	interrupts_a_loop();
	cpu_timers();
	not_inherited();
	errors();
	kills();
	cpu_limit();
	return 0;
}
