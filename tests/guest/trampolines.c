/* Places that make a system call again and again: in nacre they stop trapping. What a call
 * leaves alone stays, signals come at any moment, forks and threads go on, and the program
 * may take the addresses that nacre uses for it.
 * timeout: 120 */
#include <asm/prctl.h>
#include <fcntl.h>
#include <immintrin.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"

#define TABLE ((char *)0x50f0000)
#define TABLE_SIZE 0x10000
#define MANY 2000

static pid_t parent;
static volatile sig_atomic_t hits;

/* Calls of several wrappers, again and again, with floating point in between. */
static void work(int rounds)
{
	double sum = 0;
	struct stat st;
	char buf[64];
	int fd = open("/proc/self/comm", O_RDONLY);

	CHECK(fd >= 0);
	for (int i = 0; i < rounds; i++) {
		sum += i * 0.5;
		CHECK(getppid() == parent);
		CHECK(lseek(fd, 0, SEEK_SET) == 0);
		CHECK(read(fd, buf, sizeof(buf)) > 0);
		CHECK(pread(fd, buf, 3, 1) == 3);
		CHECK(stat("/", &st) == 0 && S_ISDIR(st.st_mode));
		CHECK_ERR(close(-1), EBADF);
		CHECK(syscall(SYS_getppid) == parent);
		/* The sixth argument comes from the stack. */
		CHECK(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0) == 0);
		CHECK_ERR(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 5), EINVAL);
		CHECK_ERR(read(-1, buf, 1), EBADF);
	}
	CHECK(sum == rounds * (rounds - 1) / 4.0);
	close(fd);
}

/* Registers that a call must not touch, in a place of its own that becomes hot. */
static void registers(void)
{
	uint64_t pid = (uint64_t)getpid();
	bool same = true;

	for (uint64_t i = 0; i < 100; i++) {
		register uint64_t r8 __asm__("r8") = i + 8, r9 __asm__("r9") = i + 9,
				     r10 __asm__("r10") = i + 10, r12 __asm__("r12") = i + 12,
				     r13 __asm__("r13") = i + 13, r14 __asm__("r14") = i + 14,
				     r15 __asm__("r15") = i + 15;
		uint64_t rbx = i + 3, rdx = i + 2, rsi = i + 6, rdi = i + 7, rax;
		__m128i x = _mm_set1_epi64x((long long)i), y = x;

		__asm__ volatile("movdqa %[x],%%xmm9\n\t"
				 "mov $39,%%eax\n\t"
				 "syscall\n\t"
				 "movdqa %%xmm9,%[y]"
				 : "=a"(rax), "+b"(rbx), "+d"(rdx), "+S"(rsi), "+D"(rdi), "+r"(r8),
				   "+r"(r9), "+r"(r10), "+r"(r12), "+r"(r13), "+r"(r14),
				   "+r"(r15), [y] "=x"(y)
				 : [x] "x"(x)
				 : "rcx", "r11", "memory", "xmm9");
		same &= rbx == i + 3 && rdx == i + 2 && rsi == i + 6 && rdi == i + 7 &&
			r8 == i + 8 && r9 == i + 9 && r10 == i + 10 && r12 == i + 12 &&
			r13 == i + 13 && r14 == i + 14 && r15 == i + 15 && rax == pid;
		same &= _mm_cvtsi128_si64(y) == (long long)i;
	}
	CHECK(same);
}

static void on_timer(int sig, siginfo_t *si, void *uc)
{
	uintptr_t rip = (uintptr_t)((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)si;
	hits++;
	/* Nobody sees the way that a call takes. */
	CHECK(rip < (uintptr_t)TABLE || rip >= (uintptr_t)TABLE + TABLE_SIZE);
	__asm__ volatile("pxor %%xmm0,%%xmm0; pxor %%xmm9,%%xmm9" ::: "xmm0", "xmm9");
}

static void signals_at_any_moment(void)
{
	struct sigaction sa = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, off = { { 0, 0 }, { 0, 0 } };

	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	while (hits < 200) {
		work(20);
		registers();
	}
	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
}

static void on_fork(int sig)
{
	int status;
	pid_t pid = fork();

	(void)sig;
	if (pid == 0) {
		/* Returns from the handler into whatever it interrupted. */
		parent = getppid();
		hits = -1;
		return;
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0x500);
	hits++;
}

/* The child goes on in the middle of what its parent did. */
static void forks_at_any_moment(void)
{
	struct sigaction sa = { .sa_handler = on_fork, .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, off = { { 0, 0 }, { 0, 0 } };

	hits = 0;
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	while (hits >= 0 && hits < 20)
		for (int i = 0; i < 50 && hits >= 0; i++)
			CHECK(getpgid(0) > 0);
	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
	if (hits < 0) {
		work(3);
		_exit(5);
	}
}

static void *worker(void *arg)
{
	(void)arg;
	work(MANY);
	return NULL;
}

/* All begin with places that nobody has called before. */
static void threads_at_once(void)
{
	pthread_t th[4];
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		parent = getppid();
		for (int i = 0; i < 4; i++)
			CHECK(pthread_create(&th[i], NULL, worker, NULL) == 0);
		for (int i = 0; i < 4; i++)
			CHECK(pthread_join(th[i], NULL) == 0);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

static void borrowed_by_vfork(void)
{
	for (int i = 0; i < 20; i++) {
		int status;
		pid_t pid = vfork();

		if (pid == 0) {
			for (int j = 0; j < 10; j++)
				if (getppid() == parent)
					_exit(1);
			_exit(3);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK_EQ(WEXITSTATUS(status), 3);
		CHECK(getppid() == parent);
	}
}

/* A thread that uses GS itself. */
static void own_gs(void)
{
	static uint64_t area[2] = { 0x1234, 0 };
	uint64_t base = 0, val;

	CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, area) == 0);
	for (int i = 0; i < 50; i++) {
		CHECK(getppid() == parent);
		__asm__ volatile("mov %%gs:0,%0" : "=r"(val));
		CHECK_EQ(val, 0x1234);
	}
	CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0);
	CHECK(base == (uintptr_t)area);
	CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0) == 0);
	CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0 && base == 0);
	work(20);
}

/* What nacre uses is the program's as soon as it wants it. */
static void takes_the_addresses(void)
{
	char *p;

	work(20);
	p = mmap(TABLE + 0x3000, 0x2000, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(p == TABLE + 0x3000);
	memset(p, 0xcc, 0x2000);
	work(20);
	CHECK(munmap(TABLE, TABLE_SIZE) == 0);
	work(20);
	registers();
}

static void in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		parent = getppid();
		fn();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	parent = getppid();
	threads_at_once();
	work(MANY);
	registers();
	in_child(takes_the_addresses);
	in_child(own_gs);
	signals_at_any_moment();
	forks_at_any_moment();
	borrowed_by_vfork();
	work(MANY);
	return 0;
}
