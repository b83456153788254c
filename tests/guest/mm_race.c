/* Threads that map, unmap, protect, fork and copy while others touch the same
 * memory: every touch works or gives SIGSEGV at its own address, and no byte
 * is ever one that nobody wrote. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#include <setjmp.h>
#include <signal.h>

#define P 4096ul
#define PAGES 64u
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define ROUNDS 400

static char *area;
static int stop, go;
static __thread sigjmp_buf back;
static __thread volatile char *touching;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	CHECK_EQ(sig, SIGSEGV);
	CHECK(info->si_addr == touching);
	CHECK(info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR);
	siglongjmp(back, 1);
}

/* No thread's stack must come to lie where another has just unmapped. */
static void wait_for_all(void)
{
	while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
		usleep(100);
}

static unsigned next(unsigned *state)
{
	*state = *state * 1103515245u + 12345u;
	return *state >> 16;
}

/* Pages hold zeros or, all over, a mark. */
static void *toucher(void *arg)
{
	static __thread unsigned state;

	state = (unsigned)(uintptr_t)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		volatile char *p = area + next(&state) % PAGES * P + next(&state) % P;

		touching = p;
		if (sigsetjmp(back, 1) == 0) {
			if (next(&state) % 2) {
				*p = 'm';
			} else {
				char c = *p;

				CHECK(c == 0 || c == 'm');
			}
		}
	}
	return NULL;
}

static void *copier(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg;
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		char *p = area + next(&state) % PAGES * P + next(&state) % P;
		ssize_t n = next(&state) % 2 ? read(zero, p, 3000) : write(null, p, 3000);

		CHECK((n > 0 && n <= 3000) || (n < 0 && errno == EFAULT));
	}
	close(zero);
	close(null);
	return NULL;
}

static void *mapper(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg;

	wait_for_all();
	for (int i = 0; i < ROUNDS; i++) {
		size_t at = next(&state) % PAGES, n = 1 + next(&state) % 8;
		char *p = area + at * P;

		n = n > PAGES - at ? PAGES - at : n;
		switch (next(&state) % 6) {
		case 0:
			CHECK(munmap(p, n * P) == 0);
			break;
		case 1:
			(void)mprotect(p, n * P, PROT_READ);
			break;
		case 2:
			(void)madvise(p, n * P, MADV_DONTNEED);
			break;
		default:
			CHECK(mmap(p, n * P, RW, ANON | MAP_FIXED, -1, 0) == p);
		}
	}
	return NULL;
}

static void *forker(void *arg)
{
	(void)arg;
	wait_for_all();
	for (int i = 0; i < 15; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(0);
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	return NULL;
}

int main(void)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	void *(*const helpers[])(void *) = { toucher, toucher, copier };
	void *(*const workers[])(void *) = { mapper, mapper, forker };
	pthread_t h[3], w[3];

	CHECK(sigaction(SIGSEGV, &act, NULL) == 0 && sigaction(SIGBUS, &act, NULL) == 0);
	area = mmap(NULL, (PAGES + 1) * P, RW, ANON, -1, 0);
	CHECK(area != MAP_FAILED);
	/* Copies that begin in the last page end there. */
	CHECK(mprotect(area + PAGES * P, P, PROT_NONE) == 0);
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(pthread_create(&h[i], NULL, helpers[i], (void *)(i + 1)) == 0);
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(pthread_create(&w[i], NULL, workers[i], (void *)(i + 10)) == 0);
	__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		pthread_join(w[i], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(h[i], NULL);
	return 0;
}
