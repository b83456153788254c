/* FUTEX_REQUEUE and FUTEX_CMP_REQUEUE move waiters; PI futexes lock, hand over,
 * try, and refuse. */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"
#include "waitfor.h"

static long futex(uint32_t *addr, int op, uint32_t val, const void *timeout, uint32_t *addr2,
		  uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static uint32_t first, second;
static volatile int woken;

static void *waiter(void *arg)
{
	CHECK(futex(&first, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == 0);
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static void requeue(void)
{
	enum { N = 5 };
	pthread_t th[N];

	for (int i = 0; i < N; i++)
		pthread_create(&th[i], NULL, waiter, NULL);
	wait_futex(&first, N, FUTEX_PRIVATE_FLAG);
	CHECK_ERR(futex(&first, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)100, &second, 77), EAGAIN);
	CHECK_ERR(futex(&first, FUTEX_CMP_REQUEUE_PRIVATE, (uint32_t)-1, (void *)100, &second, 0),
		  EINVAL);
	/* One wakes, two move, two stay. */
	CHECK_EQ(futex(&first, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &second, 0), 3);
	while (woken < 1)
		sched_yield();
	usleep(10000);
	CHECK_EQ(woken, 1);
	CHECK_EQ(futex(&second, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 2);
	CHECK_EQ(futex(&first, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 2);
	for (int i = 0; i < N; i++)
		pthread_join(th[i], NULL);
	CHECK_EQ(woken, N);
}

static uint32_t pi;
static volatile long protected_value;

static void *pi_worker(void *arg)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid);

	for (int i = 0; i < 300; i++) {
		uint32_t zero = 0;

		if (!__atomic_compare_exchange_n(&pi, &zero, tid, 0, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST))
			CHECK(futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
		CHECK_EQ(pi & FUTEX_TID_MASK, tid);
		protected_value++;
		if (i % 16 == 0)
			sched_yield();
		zero = tid;
		if (!__atomic_compare_exchange_n(&pi, &zero, 0, 0, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST))
			CHECK(futex(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
	}
	return arg;
}

static void pi_mutual_exclusion(void)
{
	enum { N = 4 };
	pthread_t th[N];

	for (int i = 0; i < N; i++)
		pthread_create(&th[i], NULL, pi_worker, NULL);
	for (int i = 0; i < N; i++)
		pthread_join(th[i], NULL);
	CHECK_EQ(protected_value, N * 300);
	CHECK_EQ(pi, 0);
}

static void *pi_try(void *arg)
{
	struct timespec past = { 1, 0 };

	CHECK_ERR(futex(&pi, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EAGAIN);
	CHECK_ERR(futex(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EPERM);
	CHECK_ERR(futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, &past, NULL, 0), ETIMEDOUT);
	return arg;
}

static void pi_errors(void)
{
	pthread_t th;

	CHECK(futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
	CHECK_EQ(pi & FUTEX_TID_MASK, syscall(SYS_gettid));
	CHECK_ERR(futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), EDEADLK);
	pthread_create(&th, NULL, pi_try, NULL);
	pthread_join(th, NULL);
	CHECK(futex(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
	CHECK_EQ(pi, 0);
	CHECK_ERR(futex(&pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EPERM);
	pi = 0x3fffffff;
	CHECK_ERR(futex(&pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), ESRCH);
	pi = 0;
}

/* glibc's own PI and condition variables on top. */
static pthread_mutex_t pi_mutex;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int stage;
static volatile pid_t partner_tid;

static void *partner(void *arg)
{
	partner_tid = (pid_t)syscall(SYS_gettid);
	pthread_mutex_lock(&pi_mutex);
	while (stage == 0)
		pthread_cond_wait(&cond, &pi_mutex);
	stage = 2;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&pi_mutex);
	return arg;
}

static void glibc_pi(void)
{
	pthread_mutexattr_t attr;
	pthread_t th;

	pthread_mutexattr_init(&attr);
	CHECK(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) == 0);
	CHECK(pthread_mutex_init(&pi_mutex, &attr) == 0);
	pthread_create(&th, NULL, partner, NULL);
	WAIT_UNTIL(partner_tid);
	wait_asleep(partner_tid, SYS_futex);
	pthread_mutex_lock(&pi_mutex);
	stage = 1;
	pthread_cond_broadcast(&cond);
	while (stage != 2)
		pthread_cond_wait(&cond, &pi_mutex);
	pthread_mutex_unlock(&pi_mutex);
	pthread_join(th, NULL);
}

int main(void)
{
	requeue();
	pi_mutual_exclusion();
	pi_errors();
	glibc_pi();
	return 0;
}
