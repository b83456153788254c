/* futex: wait, wake, bitsets, timeouts, shared between processes, wake-op, and
 * the errors. */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "waitfor.h"

static long futex(uint32_t *addr, int op, uint32_t val, const void *timeout, uint32_t *addr2,
		  uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static uint32_t word;
static volatile int woken;

static void *waiter(void *arg)
{
	while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0) {
		long r = futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);

		CHECK(r == 0 || errno == EAGAIN);
	}
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static void wake_all(void)
{
	enum { N = 6 };
	pthread_t th[N];

	word = 0;
	for (int i = 0; i < N; i++)
		pthread_create(&th[i], NULL, waiter, NULL);
	wait_futex(&word, N, FUTEX_PRIVATE_FLAG);
	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), N - 1);
	for (int i = 0; i < N; i++)
		pthread_join(th[i], NULL);
	CHECK_EQ(woken, N);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 0);
}

static void errors(void)
{
	struct timespec bad = { 0, 1000000000 }, neg = { -1, 0 }, zero = { 0, 0 };
	uint32_t w = 5;
	char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_ERR(futex(&w, FUTEX_WAIT, 4, NULL, NULL, 0), EAGAIN);
	CHECK_ERR(futex((uint32_t *)((char *)&w + 1), FUTEX_WAIT, 5, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(&w, FUTEX_WAIT, 5, &bad, NULL, 0), EINVAL);
	CHECK_ERR(futex(&w, FUTEX_WAIT, 5, &neg, NULL, 0), EINVAL);
	CHECK_ERR(futex(&w, FUTEX_WAIT, 5, &zero, NULL, 0), ETIMEDOUT);
	CHECK_ERR(futex(&w, FUTEX_WAIT, 5, (void *)8, NULL, 0), EFAULT);
	CHECK_ERR(futex((void *)none, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(&w, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(&w, FUTEX_WAKE_BITSET, 5, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(&w, 99, 5, NULL, NULL, 0), ENOSYS);
}

static long ms_since(int clock, const struct timespec *from)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (now.tv_sec - from->tv_sec) * 1000 + (now.tv_nsec - from->tv_nsec) / 1000000;
}

static void timeouts(void)
{
	struct timespec rel = { 0, 30000000 }, start, abs;
	uint32_t w = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	CHECK_ERR(futex(&w, FUTEX_WAIT_PRIVATE, 0, &rel, NULL, 0), ETIMEDOUT);
	CHECK(ms_since(CLOCK_MONOTONIC, &start) >= 29);
	clock_gettime(CLOCK_MONOTONIC, &start);
	abs = start;
	abs.tv_nsec += 30000000;
	if (abs.tv_nsec >= 1000000000) {
		abs.tv_sec++;
		abs.tv_nsec -= 1000000000;
	}
	CHECK_ERR(futex(&w, FUTEX_WAIT_BITSET_PRIVATE, 0, &abs, NULL, FUTEX_BITSET_MATCH_ANY),
		  ETIMEDOUT);
	CHECK(ms_since(CLOCK_MONOTONIC, &start) >= 29);
	clock_gettime(CLOCK_REALTIME, &start);
	abs = start;
	abs.tv_sec--;
	CHECK_ERR(futex(&w, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &abs, NULL,
			FUTEX_BITSET_MATCH_ANY),
		  ETIMEDOUT);
}

static void *bit_waiter(void *arg)
{
	uint32_t bits = (uint32_t)(uintptr_t)arg;

	CHECK(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, bits) == 0);
	__atomic_add_fetch(&woken, (int)bits, __ATOMIC_SEQ_CST);
	return NULL;
}

static void bitsets(void)
{
	pthread_t a, b;

	word = 0;
	woken = 0;
	pthread_create(&a, NULL, bit_waiter, (void *)1);
	pthread_create(&b, NULL, bit_waiter, (void *)2);
	wait_futex(&word, 2, FUTEX_PRIVATE_FLAG);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 4), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2), 1);
	pthread_join(b, NULL);
	CHECK_EQ(woken, 2);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 3), 1);
	pthread_join(a, NULL);
}

/* A word in memory shared with a child. */
static void between_processes(void)
{
	uint32_t *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		while (__atomic_load_n(w, __ATOMIC_SEQ_CST) == 0)
			futex(w, FUTEX_WAIT, 0, NULL, NULL, 0);
		__atomic_store_n(w, 2, __ATOMIC_SEQ_CST);
		futex(w, FUTEX_WAKE, 1, NULL, NULL, 0);
		_exit(0);
	}
	wait_futex(w, 1, 0);
	__atomic_store_n(w, 1, __ATOMIC_SEQ_CST);
	CHECK_EQ(futex(w, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	while (__atomic_load_n(w, __ATOMIC_SEQ_CST) == 1)
		futex(w, FUTEX_WAIT, 1, NULL, NULL, 0);
	CHECK_EQ(*w, 2);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void wake_op(void)
{
	uint32_t w1 = 0, w2 = 10;

	/* w2 += 5; would wake if it was > 3. */
	CHECK_EQ(futex(&w1, FUTEX_WAKE_OP, 1, (void *)1, &w2,
		       FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_GT, 3)),
		 0);
	CHECK_EQ(w2, 15);
	futex(&w1, FUTEX_WAKE_OP, 1, (void *)1, &w2, FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0));
	CHECK_EQ(w2, 7);
	futex(&w1, FUTEX_WAKE_OP, 1, (void *)1, &w2,
	      FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 4, FUTEX_OP_CMP_EQ, 0));
	CHECK_EQ(w2, 23);
	futex(&w1, FUTEX_WAKE_OP, 1, (void *)1, &w2,
	      FUTEX_OP(FUTEX_OP_ANDN, 3, FUTEX_OP_CMP_EQ, 0));
	CHECK_EQ(w2, 20);
	futex(&w1, FUTEX_WAKE_OP, 1, (void *)1, &w2,
	      FUTEX_OP(FUTEX_OP_XOR, 21, FUTEX_OP_CMP_EQ, 0));
	CHECK_EQ(w2, 1);
	CHECK_ERR(futex(&w1, FUTEX_WAKE_OP, 1, (void *)1, &w2, 7u << 28), ENOSYS);
}

int main(void)
{
	wake_all();
	errors();
	timeouts();
	bitsets();
	between_processes();
	wake_op();
	return 0;
}
