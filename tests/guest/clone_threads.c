/* Threads: join, thread-local storage, mutexes and conditions under load, many
 * of them, the raw clone flags and their errors. */
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "waitfor.h"

static __thread int tls = 5;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;

static void *count(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	CHECK_EQ(tls, 5);
	tls = (int)(intptr_t)arg;
	sched_yield();
	CHECK_EQ(tls, (int)(intptr_t)arg);
	return (char *)arg + 1;
}

static void join_and_count(void)
{
	enum { N = 8 };
	pthread_t th[N];
	void *ret;

	for (long i = 0; i < N; i++)
		CHECK(pthread_create(&th[i], NULL, count, (void *)i) == 0);
	for (long i = 0; i < N; i++) {
		CHECK(pthread_join(th[i], &ret) == 0);
		CHECK_EQ((long)(intptr_t)ret, i + 1);
	}
	CHECK_EQ(counter, N * 20000);
	CHECK_EQ(tls, 5);
}

static void *quick(void *arg)
{
	__atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void many(void)
{
	int n = 0;

	for (int i = 0; i < 500; i++) {
		pthread_t th;

		CHECK(pthread_create(&th, NULL, quick, &n) == 0);
		CHECK(pthread_join(th, NULL) == 0);
	}
	CHECK_EQ(n, 500);
}

static void many_at_once(void)
{
	enum { N = 64 };
	pthread_t th[N];
	int n = 0;

	for (int i = 0; i < N; i++)
		CHECK(pthread_create(&th[i], NULL, quick, &n) == 0);
	for (int i = 0; i < N; i++)
		CHECK(pthread_join(th[i], NULL) == 0);
	CHECK_EQ(n, N);
}

static int turn;

static void *ping_pong(void *arg)
{
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&lock);
		while (turn != me)
			pthread_cond_wait(&cond, &lock);
		turn = !me;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void conditions(void)
{
	pthread_t a, b;

	CHECK(pthread_create(&a, NULL, ping_pong, (void *)0) == 0);
	CHECK(pthread_create(&b, NULL, ping_pong, (void *)1) == 0);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
}

static void *ids(void *arg)
{
	pid_t *out = arg;

	out[0] = getpid();
	out[1] = (pid_t)syscall(SYS_gettid);
	return NULL;
}

static void numbers(void)
{
	pid_t got[2];
	pthread_t th;

	CHECK_EQ(syscall(SYS_gettid), getpid());
	CHECK(pthread_create(&th, NULL, ids, got) == 0);
	pthread_join(th, NULL);
	CHECK_EQ(got[0], getpid());
	CHECK(got[1] != getpid());
	/* Joined is when its memory may go; the number goes a moment later. */
	WAIT_UNTIL(syscall(SYS_tgkill, getpid(), got[1], 0) != 0);
	CHECK_ERR(syscall(SYS_tgkill, getpid(), got[1], 0), ESRCH);
}

static long raw_clone(unsigned long flags)
{
	return syscall(SYS_clone, flags, 0, NULL, NULL, 0);
}

static void clone_errors(void)
{
	CHECK_ERR(raw_clone(CLONE_THREAD), EINVAL);
	CHECK_ERR(raw_clone(CLONE_SIGHAND), EINVAL);
	CHECK_ERR(raw_clone(CLONE_THREAD | CLONE_SIGHAND), EINVAL);
	CHECK_ERR(raw_clone(CLONE_NEWNS | CLONE_FS), EINVAL);
}

static void clone3_errors(void)
{
	struct clone_args args;

	memset(&args, 0, sizeof(args));
	CHECK_ERR(syscall(SYS_clone3, &args, 8), EINVAL);
	CHECK_ERR(syscall(SYS_clone3, &args, 100000), E2BIG);
	CHECK_ERR(syscall(SYS_clone3, (void *)1, sizeof(args)), EFAULT);
	args.flags = CLONE_THREAD;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.flags = 0;
	args.exit_signal = 65;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
}

static void tid_words(void)
{
	pid_t parent_word = -1;
	static pid_t child_word;
	int status;
	long pid = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0,
			   &parent_word, &child_word, 0);

	if (pid == 0) {
		CHECK_EQ(child_word, syscall(SYS_gettid));
		_exit(0);
	}
	CHECK(pid > 0);
	CHECK_EQ(parent_word, pid);
	CHECK_EQ(child_word, 0);
	CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	join_and_count();
	many();
	many_at_once();
	conditions();
	numbers();
	clone_errors();
	clone3_errors();
	tid_words();
	return 0;
}
