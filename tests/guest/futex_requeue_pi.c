/* FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI: waiters of a condition get a PI
 * lock, or wait for it, without waking in between. */
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "say.h"
#include "waitfor.h"

static uint32_t *cond, *lock, *other;
static volatile int nowners;
static volatile pid_t tids[4];

static long futex(uint32_t *addr, int op, uint32_t val, long val2, uint32_t *addr2, uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, val2, addr2, val3);
}

static long wait_requeue(uint32_t val, struct timespec *until)
{
	return futex(cond, FUTEX_WAIT_REQUEUE_PI, val, (long)until, lock, FUTEX_BITSET_MATCH_ANY);
}

static long requeue(uint32_t val, int max)
{
	return futex(cond, FUTEX_CMP_REQUEUE_PI, 1, max, lock, val);
}

static struct timespec in_ms(long ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += ms * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static void lock_it(void)
{
	uint32_t expected = 0;

	if (!__atomic_compare_exchange_n(lock, &expected, (uint32_t)gettid(), 0, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST) &&
	    futex(lock, FUTEX_LOCK_PI, 0, 0, NULL, 0) != 0)
		printf("lock: %s\n", strerrorname_np(errno));
}

static void unlock_it(void)
{
	uint32_t expected = (uint32_t)gettid();

	if (!__atomic_compare_exchange_n(lock, &expected, 0, 0, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST) &&
	    futex(lock, FUTEX_UNLOCK_PI, 0, 0, NULL, 0) != 0)
		printf("unlock: %s\n", strerrorname_np(errno));
}

/* Waits for the condition, then owns the lock for a moment. arg: where it tells who it is. */
static void *waiter(void *arg)
{
	long r;

	*(volatile pid_t *)arg = gettid();
	r = wait_requeue(0, NULL);
	if (r != 0 || (*lock & FUTEX_TID_MASK) != (uint32_t)gettid())
		printf("waiter: %ld %s\n", r, r < 0 ? strerrorname_np(errno) : "");
	__atomic_add_fetch(&nowners, 1, __ATOMIC_SEQ_CST);
	usleep(2000);
	unlock_it();
	return NULL;
}

static void wait_started(int i)
{
	WAIT_UNTIL(tids[i]);
	wait_asleep(tids[i], SYS_futex);
}

static void start(pthread_t *th, int n)
{
	nowners = 0;
	for (int i = 0; i < n; i++) {
		tids[i] = 0;
		pthread_create(&th[i], NULL, waiter, (void *)&tids[i]);
	}
	for (int i = 0; i < n; i++)
		wait_started(i);
}

static void join(pthread_t *th, int n)
{
	for (int i = 0; i < n; i++)
		pthread_join(th[i], NULL);
}

static void while_it_is_held(void)
{
	pthread_t th[4];

	start(th, 4);
	lock_it();
	SAY(requeue(1, 100));
	SAY(requeue(0, 100));
	SAY(nowners);
	SAY((*lock & FUTEX_WAITERS) != 0);
	unlock_it();
	join(th, 4);
	SAY(nowners);
	SAY(*lock & FUTEX_TID_MASK);
}

static void while_it_is_free(void)
{
	pthread_t th[3];

	*lock = 0;
	start(th, 3);
	SAY(requeue(0, 1)); /* one owns it, one waits for it */
	WAIT_UNTIL(nowners >= 2 && !(__atomic_load_n(lock, __ATOMIC_SEQ_CST) & FUTEX_TID_MASK));
	SAY(nowners);
	SAY(requeue(0, 0));
	join(th, 3);
	SAY(nowners);
	SAY(requeue(0, 5));
}

static void *wrong_waiter(void *arg)
{
	*(volatile pid_t *)arg = gettid();
	syscall(SYS_futex, cond, FUTEX_WAIT, 0, NULL, NULL, 0);
	return NULL;
}

static void errors(void)
{
	struct timespec soon = in_ms(20), past = { 1, 0 };
	pthread_t th;

	*cond = *lock = 0;
	SAY(wait_requeue(5, NULL));
	SAY(wait_requeue(0, &past));
	SAY(wait_requeue(0, &soon));
	SAY(futex(cond, FUTEX_WAIT_REQUEUE_PI, 0, 0, cond, FUTEX_BITSET_MATCH_ANY));
	SAY(futex(cond, FUTEX_WAIT_REQUEUE_PI, 0, 0, (uint32_t *)8, FUTEX_BITSET_MATCH_ANY));
	SAY(futex(cond, FUTEX_CMP_REQUEUE_PI, 1, 0, cond, 0));
	SAY(futex(cond, FUTEX_CMP_REQUEUE_PI, 2, 0, lock, 0));
	SAY(futex(cond, FUTEX_CMP_REQUEUE_PI, 0, 0, lock, 0));
	SAY(futex(cond, FUTEX_CMP_REQUEUE_PI, 1, -1, lock, 0));
	SAY(futex(cond, FUTEX_CMP_REQUEUE_PI, 1, 0, (uint32_t *)8, 0));
	/* Not for those who wait in another way, nor for another lock. */
	tids[0] = 0;
	pthread_create(&th, NULL, wrong_waiter, (void *)&tids[0]);
	wait_started(0);
	SAY(requeue(0, 1));
	SAY(futex(cond, FUTEX_WAKE, 1, 0, NULL, 0));
	pthread_join(th, NULL);
	start(&th, 1);
	SAY(futex(cond, FUTEX_CMP_REQUEUE_PI, 1, 1, other, 0));
	SAY(futex(cond, FUTEX_WAKE, 1, 0, NULL, 0));
	SAY(futex(cond, FUTEX_REQUEUE, 0, 1, other, 0));
	SAY(requeue(0, 1));
	pthread_join(th, NULL);
}

static long timed_for;
static int timed_error;

static void *timed_waiter(void *arg)
{
	struct timespec until = in_ms(*(long *)arg);
	long r;

	tids[0] = gettid();
	r = wait_requeue(0, &until);
	timed_error = r == 0 ? 0 : errno;
	return NULL;
}

static pthread_t timed(long ms)
{
	pthread_t th;

	timed_for = ms;
	tids[0] = 0;
	pthread_create(&th, NULL, timed_waiter, &timed_for);
	WAIT_UNTIL(tids[0]);
	return th;
}

static void on_signal(int sig)
{
	(void)sig;
}

/* The time, or a signal, comes when it already waits for the lock. */
static void given_up_late(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	pthread_t th;
	long moved;

	*lock = 0;
	lock_it();
	/* Long enough for it to be moved first. */
	for (long ms = 50; ms < 100000; ms *= 2) {
		th = timed(ms);
		do
			moved = requeue(0, 1);
		while (moved == 0 && thread_state(tids[0]));
		pthread_join(th, NULL);
		if (moved)
			break;
	}
	SAY(moved);
	printf("timed out: %s\n", strerrorname_np(timed_error));
	sigaction(SIGUSR1, &sa, NULL);
	th = timed(1000000);
	wait_asleep(tids[0], SYS_futex);
	SAY(requeue(0, 1));
	wait_asleep(tids[0], SYS_futex);
	pthread_kill(th, SIGUSR1);
	pthread_join(th, NULL);
	printf("interrupted: %s\n", strerrorname_np(timed_error));
	unlock_it();
}

/* Across processes, in shared memory. */
static void between_processes(void)
{
	pid_t pid;

	*lock = 0;
	pid = fork();
	if (pid == 0) {
		long r = wait_requeue(0, NULL);

		_exit(r == 0 && (*lock & FUTEX_TID_MASK) == (uint32_t)getpid() ? 5 : 6);
	}
	wait_asleep(pid, SYS_futex);
	lock_it();
	SAY(requeue(0, 1));
	unlock_it();
	SAY(WEXITSTATUS(reap(pid)));
	/* Its owner has gone without giving it back. */
	SAY((*lock & FUTEX_OWNER_DIED) != 0 || (*lock & FUTEX_TID_MASK) != 0);
}

/* A child that waits; it ends with 5 when it got the lock, with 7 when it is marked
 * as well. */
static pid_t waiting_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		long r = wait_requeue(0, NULL);

		if (r != 0 || (*lock & FUTEX_TID_MASK) != (uint32_t)getpid())
			_exit(errno);
		_exit(*lock & FUTEX_OWNER_DIED ? 7 : 5);
	}
	wait_asleep(pid, SYS_futex);
	return pid;
}

static void owners_that_end(void)
{
	pid_t pid, owner;

	/* With one who waits. */
	*lock = 0;
	pid = waiting_child();
	owner = fork();
	if (owner == 0) {
		lock_it();
		requeue(0, 0);
		_exit(0);
	}
	SAY(reap(owner));
	SAY(WEXITSTATUS(reap(pid)));
	/* Before. */
	*lock = (uint32_t)owner;
	pid = waiting_child();
	SAY(requeue(0, 0));
	/* The waiter itself. */
	*lock = (uint32_t)pid;
	SAY(requeue(0, 0));
	*lock = 0;
	SAY(requeue(0, 0));
	SAY(WEXITSTATUS(reap(pid)));
}

static pid_t locking_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		long r = futex(lock, FUTEX_LOCK_PI, 0, 0, NULL, 0);

		_exit(r != 0 ? errno : *lock & FUTEX_OWNER_DIED ? 7 : 5);
	}
	wait_asleep(pid, SYS_futex);
	return pid;
}

/* Who got it from another and ends with it leaves it to the next who waits. */
static void heirs_that_end(void)
{
	pid_t pids[3];

	*lock = 0;
	lock_it();
	for (int i = 0; i < 3; i++)
		pids[i] = locking_child();
	unlock_it();
	for (int i = 0; i < 3; i++)
		SAY(WEXITSTATUS(reap(pids[i])));
	SAY((*lock & FUTEX_TID_MASK) == (uint32_t)pids[2]);
}

int main(void)
{
	cond = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	lock = cond + 16;
	other = cond + 32;
	while_it_is_held();
	while_it_is_free();
	errors();
	given_up_late();
	between_processes();
	owners_that_end();
	heirs_that_end();
	return 0;
}
