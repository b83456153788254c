/* Faults: each raises its signal with the right si_code and si_addr, and the
 * handler can repair and go on or jump away; ignored or blocked ones kill. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"

static sigjmp_buf env;
static volatile siginfo_t seen;
static volatile uint64_t seen_trapno, seen_err, seen_cr2;

static void handler(int sig, siginfo_t *si, void *ucp)
{
	ucontext_t *uc = ucp;

	(void)sig;
	seen = *si;
	seen_trapno = (uint64_t)uc->uc_mcontext.gregs[REG_TRAPNO];
	seen_err = (uint64_t)uc->uc_mcontext.gregs[REG_ERR];
	seen_cr2 = (uint64_t)uc->uc_mcontext.gregs[REG_CR2];
	siglongjmp(env, 1);
}

/* An address that the compiler knows nothing of. */
static volatile char *at(uint64_t address)
{
	volatile uint64_t a = address;

	return (volatile char *)(uintptr_t)a;
}

#define FAULT(statement)                      \
	do {                                  \
		if (sigsetjmp(env, 1) == 0) { \
			statement;            \
			CHECK(!"no fault");   \
		}                             \
	} while (0)

static void expect(int sig, int code, const void *addr)
{
	CHECK_EQ(seen.si_signo, sig);
	CHECK_EQ(seen.si_code, code);
	CHECK(seen.si_addr == addr);
}

static void segv(void)
{
	char *ro = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *none;
	volatile char c;

	CHECK(ro != MAP_FAILED);
	FAULT(*at(0x1234) = 1);
	expect(SIGSEGV, SEGV_MAPERR, (void *)0x1234);
	CHECK_EQ(seen_trapno, 14);
	CHECK_EQ(seen_cr2, 0x1234);
	CHECK_EQ(seen_err & 7, 6); /* user, write, not present */
	FAULT(c = *at(16));
	expect(SIGSEGV, SEGV_MAPERR, (void *)16);
	CHECK_EQ(seen_err & 7, 4);
	c = ro[5];
	(void)c;
	FAULT(((volatile char *)ro)[5] = 1);
	expect(SIGSEGV, SEGV_ACCERR, ro + 5);
	CHECK(mprotect(ro + 4096, 4096, PROT_NONE) == 0);
	FAULT(c = ((volatile char *)ro)[4096]);
	expect(SIGSEGV, SEGV_ACCERR, ro + 4096);
	munmap(ro, 8192);
	FAULT(c = ((volatile char *)ro)[1]);
	expect(SIGSEGV, SEGV_MAPERR, ro + 1);
	/* No execution from data. */
	none = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	none[0] = (char)0xc3;
	FAULT(((void (*)(void))(uintptr_t)none)());
	expect(SIGSEGV, SEGV_ACCERR, none);
	/* A non-canonical address is a general protection fault without address. */
	FAULT(c = *at(0x8000000000000000ull));
	CHECK_EQ(seen.si_code, SI_KERNEL);
	CHECK(seen.si_addr == NULL);
	CHECK_EQ(seen_trapno, 13);
	FAULT(__asm__ volatile("hlt"));
	CHECK_EQ(seen.si_signo, SIGSEGV);
	CHECK_EQ(seen.si_code, SI_KERNEL);
}

static void bus(void)
{
	char name[] = "sigbus-XXXXXX", *p;
	int fd = mkstemp(name);
	volatile char c;

	CHECK(fd >= 0);
	unlink(name);
	CHECK(ftruncate(fd, 100) == 0);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	c = p[50]; /* inside the last page of the file */
	c = p[4000];
	FAULT(c = ((volatile char *)p)[4096]);
	(void)c;
	expect(SIGBUS, BUS_ADRERR, p + 4096);
	FAULT(((volatile char *)p)[5000] = 1);
	expect(SIGBUS, BUS_ADRERR, p + 5000);
	munmap(p, 8192);
	close(fd);
}

static void arithmetic(void)
{
	volatile int zero = 0, one = 1;

	FAULT(one = one / zero);
	CHECK_EQ(seen.si_signo, SIGFPE);
	CHECK_EQ(seen.si_code, FPE_INTDIV);
	CHECK(seen.si_addr != NULL);
}

static void illegal(void)
{
	FAULT(__asm__ volatile("ud2"));
	CHECK_EQ(seen.si_signo, SIGILL);
	CHECK_EQ(seen.si_code, ILL_ILLOPN);
	CHECK(seen.si_addr != NULL);
	CHECK_EQ(seen_trapno, 6);
}

static volatile int traps;
static volatile uint64_t trap_rip;

static void count_trap(int sig, siginfo_t *si, void *ucp)
{
	ucontext_t *uc = ucp;

	(void)sig;
	traps++;
	seen = *si;
	trap_rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

static void trap(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = count_trap;
	sa.sa_flags = SA_SIGINFO;
	CHECK(sigaction(SIGTRAP, &sa, NULL) == 0);
	__asm__ volatile("int3");
	CHECK_EQ(traps, 1);
	CHECK_EQ(seen.si_code, SI_KERNEL);
	/* A single step. */
	__asm__ volatile("sub $128, %%rsp\n\tpushf\n\torl $0x100, (%%rsp)\n\tpopf\n\tnop\n\tnop\n\t"
			 "add $128, %%rsp"
			 :
			 :
			 : "memory", "cc");
	CHECK_EQ(traps, 2);
	CHECK_EQ(seen.si_code, TRAP_TRACE);
}

/* The handler makes the page writable: the instruction runs again. */
static char *page;

static void repair(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	CHECK(si->si_addr == page + 8);
	CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
}

static void repaired(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = repair;
	sa.sa_flags = SA_SIGINFO;
	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0);
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	((volatile char *)page)[8] = 77;
	CHECK_EQ(page[8], 77);
}

static void killed(int how)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t set;

		sigemptyset(&set);
		sigaddset(&set, SIGSEGV);
		if (how == 0)
			signal(SIGSEGV, SIG_DFL);
		else if (how == 1)
			signal(SIGSEGV, SIG_IGN);
		else
			sigprocmask(SIG_BLOCK, &set, NULL);
		*at(8) = 1;
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* A handler that cannot run (bad stack) kills. */
static void bad_stack(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		__asm__ volatile("mov $64, %%rsp\n\tmov %%eax, (%%rsp)" : : : "memory");
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* rt_sigreturn from nowhere. */
static void bad_return(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		__asm__ volatile("mov $4096, %%rsp\n\tmov $15, %%eax\n\tsyscall" : : : "memory");
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

int main(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	struct rlimit no_core = { 0, 0 };
	struct sigaction sa;

	setrlimit(RLIMIT_CORE, &no_core);
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = handler;
	sa.sa_flags = SA_SIGINFO;
	for (int i = 0; i < 4; i++)
		CHECK(sigaction(signals[i], &sa, NULL) == 0);
	segv();
	bus();
	arithmetic();
	illegal();
	trap();
	repaired();
	for (int how = 0; how < 3; how++)
		killed(how);
	bad_stack();
	bad_return();
	return 0;
}
