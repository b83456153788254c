/* The auxiliary vector says what is true, and lies where /proc/self/auxv says.
 * output: varies */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/wait.h>

#include "check.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

extern char **environ;
extern char _start[];

/* The vector lies behind the environment's NULL. */
static const ElfW(auxv_t) * find_auxv(void)
{
	char **p = environ;

	while (*p)
		p++;
	return (const ElfW(auxv_t) *)(p + 1);
}

static void process_facts(void)
{
	CHECK_EQ(getauxval(AT_PAGESZ), 4096);
	CHECK_EQ(getauxval(AT_CLKTCK), sysconf(_SC_CLK_TCK));
	CHECK_EQ(getauxval(AT_UID), getuid());
	CHECK_EQ(getauxval(AT_EUID), geteuid());
	CHECK_EQ(getauxval(AT_GID), getgid());
	CHECK_EQ(getauxval(AT_EGID), getegid());
	CHECK_EQ(getauxval(AT_SECURE), 0);
	CHECK_EQ(getauxval(AT_FLAGS), 0);
	CHECK(!strcmp((char *)getauxval(AT_PLATFORM), "x86_64"));
	CHECK(getauxval(AT_HWCAP) != 0);
	CHECK(getauxval(AT_MINSIGSTKSZ) >= 1024);
}

static void program_facts(void)
{
	const ElfW(Phdr) *ph = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	unsigned n = (unsigned)getauxval(AT_PHNUM);
	uintptr_t bias = 0;
	int loads = 0;

	CHECK_EQ(getauxval(AT_PHENT), sizeof(*ph));
	CHECK_EQ(getauxval(AT_ENTRY), (uintptr_t)_start);
	CHECK(n > 0);
	for (unsigned i = 0; i < n; i++) {
		if (ph[i].p_type == PT_PHDR)
			bias = (uintptr_t)ph - ph[i].p_vaddr;
		loads += ph[i].p_type == PT_LOAD;
	}
	CHECK(loads >= 2);
	CHECK_EQ(bias + ((const ElfW(Ehdr) *)(bias))->e_entry, (uintptr_t)_start);
	CHECK(getauxval(AT_BASE) != 0); /* this test is dynamic */
	CHECK(!memcmp((void *)getauxval(AT_BASE), ELFMAG, SELFMAG));
}

static void execfn_names_the_program(void)
{
	const char *name = (const char *)getauxval(AT_EXECFN);
	const char *base = strrchr(name, '/');

	CHECK(!strcmp(base ? base + 1 : name, "auxv"));
	CHECK(access(name, X_OK) == 0);
}

static void vdso_is_an_elf_file(void)
{
	const ElfW(Ehdr) *eh = (const ElfW(Ehdr) *)getauxval(AT_SYSINFO_EHDR);
	const ElfW(Phdr) * ph;
	int has_dynamic = 0;

	CHECK(eh && !memcmp(eh->e_ident, ELFMAG, SELFMAG));
	CHECK_EQ(eh->e_type, ET_DYN);
	CHECK_EQ(eh->e_machine, EM_X86_64);
	ph = (const ElfW(Phdr) *)((const char *)eh + eh->e_phoff);
	for (int i = 0; i < eh->e_phnum; i++)
		has_dynamic |= ph[i].p_type == PT_DYNAMIC;
	CHECK(has_dynamic);
}

static void stack_is_as_the_abi_says(void)
{
	const ElfW(auxv_t) *av = find_auxv();
	const ElfW(auxv_t) *end = av;
	const char *top;

	while (end->a_type != AT_NULL)
		end++;
	/* Strings lie above the vector: random bytes, then arguments, environment,
	 * file name. */
	top = (const char *)getauxval(AT_EXECFN);
	CHECK((const char *)end < (const char *)getauxval(AT_RANDOM));
	CHECK((const char *)getauxval(AT_RANDOM) < top);
	CHECK(environ[0] == NULL || environ[0] < top);
	top += strlen(top) + 1;
	CHECK((((uintptr_t)top + 4095) & ~(uintptr_t)4095) - (uintptr_t)top == 8);
}

static void proc_shows_the_same(void)
{
	const ElfW(auxv_t) *av = find_auxv();
	char buf[1024];
	int fd = open("/proc/self/auxv", O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	CHECK(n >= (ssize_t)(10 * sizeof(*av)));
	CHECK(!memcmp(buf, av, (size_t)n));
}

/* Random bytes differ from one exec to the next. */
static void random_bytes_are_random(const char *self)
{
	unsigned char mine[16], child[16], zero[16] = { 0 };
	int fds[2], status;

	memcpy(mine, (void *)getauxval(AT_RANDOM), 16);
	CHECK(memcmp(mine, zero, 16));
	CHECK(pipe(fds) == 0);
	if (fork() == 0) {
		dup2(fds[1], 1);
		execl(self, self, "random", NULL);
		_exit(CHECK_FAILED);
	}
	CHECK_EQ(read(fds[0], child, 16), 16);
	CHECK(wait(&status) > 0 && status == 0);
	CHECK(memcmp(mine, child, 16));
}

int main(int argc, char **argv)
{
	if (argc == 2) {
		CHECK_EQ(write(1, (void *)getauxval(AT_RANDOM), 16), 16);
		return 0;
	}
	process_facts();
	program_facts();
	execfn_names_the_program();
	vdso_is_an_elf_file();
	stack_is_as_the_abi_says();
	proc_shows_the_same();
	random_bytes_are_random(argv[0]);
	puts("auxv: ok");
	return 0;
}
