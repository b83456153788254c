/* SECCOMP_FILTER_FLAG_TSYNC: a filter for all threads at once, or for none. */
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"
#include "filter.h"

#define NR SYS_getpgid
#define TSYNC SECCOMP_FILTER_FLAG_TSYNC
#define ESRCH_FLAG SECCOMP_FILTER_FLAG_TSYNC_ESRCH

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

/* Threads that wait, twice: then they say what they see. */
#define NTHREADS 4
static pthread_barrier_t begin, go;
static struct thread {
	pthread_t id;
	pid_t tid;
	int own_errno; /* its own filter's, if it is to set one */
	int seen, nnp, mode;
} threads[NTHREADS];

static void *wait_and_look(void *arg)
{
	struct thread *t = arg;

	t->tid = (pid_t)syscall(SYS_gettid);
	if (t->own_errno)
		CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | t->own_errno, 0), 0);
	pthread_barrier_wait(&begin);
	pthread_barrier_wait(&go);
	errno = 0;
	syscall(NR, 0);
	t->seen = errno;
	t->nnp = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	t->mode = prctl(PR_GET_SECCOMP);
	return NULL;
}

static void start(void)
{
	pthread_barrier_init(&begin, NULL, NTHREADS + 1);
	pthread_barrier_init(&go, NULL, NTHREADS + 1);
	for (int i = 0; i < NTHREADS; i++)
		CHECK(pthread_create(&threads[i].id, NULL, wait_and_look, &threads[i]) == 0);
	pthread_barrier_wait(&begin);
}

static void finish(void)
{
	pthread_barrier_wait(&go);
	for (int i = 0; i < NTHREADS; i++)
		CHECK(pthread_join(threads[i].id, NULL) == 0);
}

static void all_get_it(void)
{
	start();
	filter_prepare();
	CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | 21, TSYNC), 0);
	finish();
	for (int i = 0; i < NTHREADS; i++) {
		CHECK_EQ(threads[i].seen, 21);
		CHECK_EQ(threads[i].nnp, 1);
		CHECK_EQ(threads[i].mode, 2);
	}
}

static void without_it_only_the_caller(void)
{
	start();
	filter_prepare();
	CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | 21, 0), 0);
	CHECK_ERR(syscall(NR, 0), 21);
	finish();
	for (int i = 0; i < NTHREADS; i++) {
		CHECK_EQ(threads[i].seen, 0);
		CHECK_EQ(threads[i].nnp, 0);
		CHECK_EQ(threads[i].mode, 0);
	}
}

/* Those with a part of the caller's chain follow. */
static void ancestors_follow(void)
{
	filter_prepare();
	CHECK_EQ(filter_call(SYS_getppid, SECCOMP_RET_ERRNO | 5, 0), 0);
	start();
	CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | 22, 0), 0);
	CHECK_EQ(FILTER(TSYNC, RET(SECCOMP_RET_ALLOW)), 0);
	finish();
	for (int i = 0; i < NTHREADS; i++)
		CHECK_EQ(threads[i].seen, 22);
}

static void a_stray_thread_is_named(void)
{
	filter_prepare();
	threads[2].own_errno = 33;
	start();
	CHECK_EQ(FILTER(TSYNC, RET(SECCOMP_RET_ERRNO | 21)), threads[2].tid);
	CHECK_ERR(FILTER(TSYNC | ESRCH_FLAG, RET(SECCOMP_RET_ERRNO | 21)), ESRCH);
	CHECK_ERR(FILTER(TSYNC | ESRCH_FLAG | SECCOMP_FILTER_FLAG_NEW_LISTENER,
			 RET(SECCOMP_RET_ERRNO | 21)),
		  ESRCH);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	finish();
	for (int i = 0; i < NTHREADS; i++)
		CHECK_EQ(threads[i].seen, i == 2 ? 33 : 0);
	/* It has left. */
	CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | 21, TSYNC | ESRCH_FLAG), 0);
	CHECK_ERR(syscall(NR, 0), 21);
}

static void *strict(void *arg)
{
	struct thread *t = arg;
	char c;

	t->tid = (pid_t)syscall(SYS_gettid);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	if (write(t->own_errno, "x", 1) == 1)
		syscall(SYS_read, t->mode, &c, 1);
	syscall(SYS_exit, 0);
	return NULL;
}

static void a_strict_thread_does_not_follow(void)
{
	int up[2], down[2];
	char c;

	filter_prepare();
	CHECK(pipe(up) == 0 && pipe(down) == 0);
	threads[0].own_errno = up[1];
	threads[0].mode = down[0];
	CHECK(pthread_create(&threads[0].id, NULL, strict, &threads[0]) == 0);
	CHECK(read(up[0], &c, 1) == 1);
	CHECK_EQ(FILTER(TSYNC, RET(SECCOMP_RET_ALLOW)), threads[0].tid);
	CHECK(write(down[1], "x", 1) == 1);
	CHECK(pthread_join(threads[0].id, NULL) == 0);
}

/* Threads are made all the time, while others get filters. */
static volatile int stop;

static void *child_of_maker(void *arg)
{
	(void)arg;
	return NULL;
}

static void *maker(void *arg)
{
	pthread_t t;

	(void)arg;
	while (!stop) {
		CHECK(pthread_create(&t, NULL, child_of_maker, NULL) == 0);
		CHECK(pthread_join(t, NULL) == 0);
	}
	errno = 0;
	syscall(NR, 0);
	return (void *)(long)errno;
}

static void threads_that_come_meanwhile(void)
{
	pthread_t t[2];
	void *seen;

	filter_prepare();
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&t[i], NULL, maker, NULL) == 0);
	for (int i = 0; i < 50; i++)
		CHECK_EQ(filter_call(NR, SECCOMP_RET_ERRNO | (50 - i), TSYNC), 0);
	stop = 1;
	for (int i = 0; i < 2; i++) {
		CHECK(pthread_join(t[i], &seen) == 0);
		CHECK_EQ((long)seen, 1);
	}
}

int main(void)
{
	in_child(all_get_it);
	in_child(without_it_only_the_caller);
	in_child(ancestors_follow);
	in_child(a_stray_thread_is_named);
	in_child(a_strict_thread_does_not_follow);
	in_child(threads_that_come_meanwhile);
	return 0;
}
