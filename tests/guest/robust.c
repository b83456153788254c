/* Robust lists: a thread or process that dies with a mutex leaves it marked, and
 * the next owner is told; hostile lists do no harm. */
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "waitfor.h"

static pthread_mutex_t *make(int shared, int protocol)
{
	pthread_mutex_t *m =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;

	CHECK(m != MAP_FAILED);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (shared)
		pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setprotocol(&attr, protocol);
	CHECK(pthread_mutex_init(m, &attr) == 0);
	return m;
}

static void *die_with_it(void *m)
{
	CHECK(pthread_mutex_lock(m) == 0);
	return NULL;
}

static void thread_dies(void)
{
	pthread_mutex_t *m = make(0, PTHREAD_PRIO_NONE);
	pthread_t th;

	pthread_create(&th, NULL, die_with_it, m);
	pthread_join(th, NULL);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	CHECK_EQ(pthread_mutex_lock(m), 0);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
}

static void process_dies(int protocol)
{
	pthread_mutex_t *m = make(1, protocol);
	int status, held[2];
	char c;
	pid_t pid;

	CHECK_EQ(pipe(held), 0);
	pid = fork();
	if (pid == 0) {
		CHECK(pthread_mutex_lock(m) == 0);
		CHECK_EQ(write(held[1], "", 1), 1);
		wait_asleep(getppid(), SYS_futex);
		kill(getpid(), 9);
	}
	CHECK_EQ(read(held[0], &c, 1), 1);
	close(held[0]);
	close(held[1]);
	/* It holds the lock; we wait, and its death wakes us. */
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
}

struct node {
	struct node *next;
	uint32_t word;
};

/* Circular, unmapped and misaligned lists. */
static void hostile(void)
{
	static struct robust_list_head head;
	static struct node a, b;

	for (int kind = 0; kind < 5; kind++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			head.futex_offset = offsetof(struct node, word);
			a.next = &b;
			b.next = &a; /* never back to the head */
			head.list.next = (void *)&a;
			head.list_op_pending = NULL;
			if (kind == 1)
				head.list.next = (void *)16;
			if (kind == 2)
				head.futex_offset = 1;
			if (kind == 3)
				head.list_op_pending = (void *)0xffff800000000000ul;
			CHECK(syscall(SYS_set_robust_list, kind == 4 ? (void *)64 : &head,
				      sizeof(head)) == 0);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	CHECK_ERR(syscall(SYS_set_robust_list, &head, 3), EINVAL);
}

static void get_list(void)
{
	void *head = NULL;
	size_t len = 0;

	CHECK(syscall(SYS_get_robust_list, 0, &head, &len) == 0);
	CHECK_EQ(len, sizeof(struct robust_list_head));
	CHECK(head != NULL);
	CHECK_ERR(syscall(SYS_get_robust_list, 0x3fffffff, &head, &len), ESRCH);
}

int main(void)
{
	thread_dies();
	process_dies(PTHREAD_PRIO_NONE);
	process_dies(PTHREAD_PRIO_INHERIT);
	hostile();
	get_list();
	return 0;
}
