#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/lock.h"
#include "base/park.h"

#define THREADS 4
#define ROUNDS 20000

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void run_threads(void *(*fn)(void *))
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static struct mutex counter_lock = MUTEX_INIT(LOCK_NONE);
static unsigned long counter;

static void *count_under_mutex(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		mutex_lock(&counter_lock);
		mutex_assert_held(&counter_lock);
		counter++;
		mutex_unlock(&counter_lock);
	}
	return NULL;
}

static void mutex_excludes(void **state)
{
	(void)state;
	counter = 0;
	run_threads(count_under_mutex);
	assert_int_equal(counter, THREADS * ROUNDS);
	assert_int_equal(atomic_load(&counter_lock.state), 0);
}

static struct rwlock pair_lock = RWLOCK_INIT(LOCK_NONE);
static unsigned long pair_a, pair_b, torn;

static void *change_or_compare_pair(void *arg)
{
	bool is_writer = (uintptr_t)arg % 2;

	for (int i = 0; i < ROUNDS; i++) {
		if (is_writer) {
			rwlock_write(&pair_lock);
			rwlock_assert_write_held(&pair_lock);
			pair_a++;
			pair_b++;
			if (i % 3 == 0) {
				rwlock_downgrade(&pair_lock);
				rwlock_read_unlock(&pair_lock);
			} else {
				rwlock_write_unlock(&pair_lock);
			}
		} else {
			rwlock_read(&pair_lock);
			rwlock_assert_held(&pair_lock);
			if (pair_a != pair_b)
				__atomic_fetch_add(&torn, 1, __ATOMIC_RELAXED);
			rwlock_read_unlock(&pair_lock);
		}
	}
	return NULL;
}

static void rwlock_excludes_writers(void **state)
{
	(void)state;
	run_threads(change_or_compare_pair);
	assert_int_equal(torn, 0);
	assert_int_equal(pair_a, pair_b);
	assert_int_equal(pair_a, THREADS / 2 * ROUNDS);
	assert_int_equal(atomic_load(&pair_lock.state), 0);
}

static void *take_write(void *arg)
{
	struct rwlock *l = arg;

	rwlock_write(l);
	rwlock_write_unlock(l);
	return NULL;
}

static void *take_read(void *arg)
{
	struct rwlock *l = arg;

	rwlock_read(l);
	rwlock_read_unlock(l);
	return NULL;
}

static void waiting_writer_keeps_readers_out(void **state)
{
	struct rwlock l = RWLOCK_INIT(LOCK_NONE);
	pthread_t writer, reader;

	(void)state;
	rwlock_read(&l);
	pthread_create(&writer, NULL, take_write, &l);
	while (atomic_load(&l.writers_waiting) == 0)
		usleep(100);
	pthread_create(&reader, NULL, take_read, &l);
	usleep(2000);
	/* The reader did not join us. */
	assert_int_equal(atomic_load(&l.state), 1);
	rwlock_read_unlock(&l);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	assert_int_equal(atomic_load(&l.state), 0);
}

LOCKS_UNCHECKED static void trylock_fails_on_a_held_mutex(void **state)
{
	struct mutex m;

	(void)state;
	mutex_init(&m, LOCK_NONE);
	assert_true(mutex_trylock(&m));
	assert_false(mutex_trylock(&m));
	mutex_unlock(&m);
	assert_int_equal(atomic_load(&m.state), 0);
}

static void park_times_out(void **state)
{
	atomic_uint word = 5;
	uint64_t start = now_ns();

	(void)state;
	assert_int_equal(park_wait(&word, 4, PARK_FOREVER), 0);
	assert_int_equal(park_wait(&word, 5, start + 5000000), -ETIMEDOUT);
	assert_true(now_ns() - start >= 5000000);
	assert_int_equal(park_wait(&word, 5, 0), -ETIMEDOUT);
}

static void *wake_later(void *arg)
{
	atomic_uint *word = arg;

	usleep(1000);
	atomic_store(word, 1);
	park_wake(word, 1);
	return NULL;
}

static void park_is_woken(void **state)
{
	atomic_uint word = 0;
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, wake_later, &word);
	while (atomic_load(&word) == 0)
		assert_int_equal(park_wait(&word, 0, PARK_FOREVER), 0);
	pthread_join(thread, NULL);
}

#ifdef NACRE_DEBUG

static struct mutex outer = MUTEX_INIT(LOCK_TTY);
static struct mutex inner = MUTEX_INIT(LOCK_TIMER);
static struct mutex pair[2] = { MUTEX_INIT(LOCK_PIPE), MUTEX_INIT(LOCK_PIPE) };

/* Runs fn in a child, whose standard error goes to text; true when it aborted. */
static bool panics(void (*fn)(void), char *text, size_t size)
{
	size_t len = 0;
	int fds[2], status;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		/* cmocka's handler would turn the abort into an exit. */
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(fds[1]);
	while (len < size - 1 && (got = read(fds[0], text + len, size - 1 - len)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	close(fds[0]);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

LOCKS_UNCHECKED static void take_in_wrong_order(void)
{
	mutex_lock(&inner);
	mutex_lock(&outer);
}

LOCKS_UNCHECKED static void take_pair_unnested(void)
{
	mutex_lock(&pair[0]);
	mutex_lock(&pair[1]);
}

LOCKS_UNCHECKED static void take_pair_by_falling_address(void)
{
	mutex_lock(&pair[1]);
	mutex_lock_nested(&pair[0]);
}

LOCKS_UNCHECKED static void take_twice(void)
{
	mutex_lock(&counter_lock);
	mutex_lock(&counter_lock);
}

static void assert_without_holding(void)
{
	mutex_assert_held(&outer);
}

LOCKS_UNCHECKED static void sleep_while_holding(void)
{
	mutex_lock(&outer);
	lock_assert_none_held("test");
}

static void wrong_use_panics_with_the_names(void **state)
{
	char text[16384];

	(void)state;
	assert_true(panics(take_in_wrong_order, text, sizeof(text)));
	assert_non_null(strstr(text, "taking tty"));
	assert_non_null(strstr(text, "while holding timer"));
	assert_true(panics(take_pair_unnested, text, sizeof(text)));
	assert_true(panics(take_pair_by_falling_address, text, sizeof(text)));
	assert_true(panics(take_twice, text, sizeof(text)));
	assert_true(panics(assert_without_holding, text, sizeof(text)));
	assert_true(panics(sleep_while_holding, text, sizeof(text)));
	assert_non_null(strstr(text, "test: lock tty is held"));
}

LOCKS_UNCHECKED static void right_order_passes(void **state)
{
	(void)state;
	lock_assert_none_held("start");
	mutex_lock(&outer);
	mutex_lock(&inner);
	mutex_unlock(&outer);
	mutex_unlock(&inner);
	mutex_lock(&pair[0]);
	mutex_lock_nested(&pair[1]);
	mutex_unlock(&pair[0]);
	mutex_unlock(&pair[1]);
	lock_assert_none_held("end");
}

static void note_held(uint32_t tid, enum lock_rank rank, void *arg)
{
	if (tid == park_tid() && rank == LOCK_TTY)
		*(int *)arg += 1;
}

static void held_locks_can_be_listed(void **state)
{
	int found = 0;

	(void)state;
	mutex_lock(&outer);
	lock_for_each_held(note_held, &found);
	assert_int_equal(found, 1);
	mutex_unlock(&outer);
	lock_for_each_held(note_held, &found);
	assert_int_equal(found, 1);
}

#endif

static void every_rank_has_a_name(void **state)
{
	(void)state;
	for (int rank = 0; rank < LOCK_RANK_COUNT; rank++)
		assert_string_not_equal(lock_rank_name((enum lock_rank)rank), "unknown");
	assert_string_equal(lock_rank_name(LOCK_RANK_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutex_excludes),
		cmocka_unit_test(rwlock_excludes_writers),
		cmocka_unit_test(waiting_writer_keeps_readers_out),
		cmocka_unit_test(trylock_fails_on_a_held_mutex),
		cmocka_unit_test(park_times_out),
		cmocka_unit_test(park_is_woken),
#ifdef NACRE_DEBUG
		cmocka_unit_test(wrong_use_panics_with_the_names),
		cmocka_unit_test(right_order_passes),
		cmocka_unit_test(held_locks_can_be_listed),
#endif
		cmocka_unit_test(every_rank_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
