/* The vDSO's code itself, run here: its functions with the host's behind them and
 * with none, and an unwinder that walks through the signal return stub. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include <cmocka.h>

#include "abi/elf.h"
#include "abi/signal.h"
#include "base/base.h"
#include "loader/vdso_params.h"

extern const uint8_t vdso_image_start[], vdso_image_end[];

static uint8_t *image;
static struct vdso_params *params;

static const Elf64_Shdr *section(const char *name)
{
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Shdr *sh = (const void *)(image + eh->e_shoff);
	const char *names = (const char *)image + sh[eh->e_shstrndx].sh_offset;

	for (unsigned i = 0; i < eh->e_shnum; i++) {
		if (!strcmp(names + sh[i].sh_name, name))
			return &sh[i];
	}
	fail_msg("no section %s", name);
	return NULL;
}

static uintptr_t symbol(const char *name)
{
	const Elf64_Shdr *dynsym = section(".dynsym");
	const Elf64_Sym *sym = (const void *)(image + dynsym->sh_offset);
	const char *names = (const char *)image + section(".dynstr")->sh_offset;

	for (size_t i = 1; i < dynsym->sh_size / sizeof(*sym); i++) {
		if (!strcmp(names + sym[i].st_name, name))
			return (uintptr_t)image + sym[i].st_value;
	}
	fail_msg("no symbol %s", name);
	return 0;
}

static int setup(void **state UNUSED)
{
	size_t size = (size_t)(vdso_image_end - vdso_image_start);
	uint8_t *p = mmap(NULL, PAGE_SIZE + size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	image = p + PAGE_SIZE;
	params = (void *)p;
	memcpy(image, vdso_image_start, size);
	return mprotect(image, size, PROT_READ | PROT_EXEC);
}

static int64_t ns(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static void check_functions(void)
{
	int (*gettime)(int, struct timespec *) =
		(int (*)(int, struct timespec *))symbol("__vdso_clock_gettime");
	int (*getres)(int, struct timespec *) =
		(int (*)(int, struct timespec *))symbol("__vdso_clock_getres");
	int (*getday)(struct timeval *, void *) =
		(int (*)(struct timeval *, void *))symbol("__vdso_gettimeofday");
	time_t (*get_time)(time_t *) = (time_t(*)(time_t *))symbol("__vdso_time");
	struct timespec a, b;
	struct timeval tv;
	time_t t = 0, got;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &a), 0);
	assert_int_equal(gettime(CLOCK_MONOTONIC, &b), 0);
	assert_in_range(ns(&b) - ns(&a), 0, 1000000000);
	assert_int_equal(gettime(77, &a), -EINVAL);
	assert_int_equal(getres(CLOCK_MONOTONIC, &a), 0);
	assert_int_equal(ns(&a), 1);
	assert_int_equal(getday(&tv, NULL), 0);
	got = get_time(&t);
	assert_int_equal(got, t);
	assert_in_range(t - tv.tv_sec, 0, 1);
}

static long cpu_seven(unsigned *cpu, unsigned *node, void *unused UNUSED)
{
	*cpu = 7;
	if (node)
		*node = 3;
	return 0;
}

static void without_host_functions_it_makes_system_calls(void **state UNUSED)
{
	unsigned cpu = 99999;
	long (*getcpu_fn)(unsigned *, unsigned *, void *) =
		(long (*)(unsigned *, unsigned *, void *))symbol("__vdso_getcpu");

	memset(params, 0, sizeof(*params));
	check_functions();
	assert_int_equal(getcpu_fn(&cpu, NULL, NULL), 0);
	assert_true(cpu < 99999);
}

static void host_functions_are_called(void **state UNUSED)
{
	const uint8_t *host = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	uint8_t *ours = image;

	if (!host)
		skip();
	image = (uint8_t *)(uintptr_t)host;
	params->clock_gettime = symbol("__vdso_clock_gettime");
	params->gettimeofday = symbol("__vdso_gettimeofday");
	params->time = symbol("__vdso_time");
	params->clock_getres = symbol("__vdso_clock_getres");
	image = ours;
	check_functions();
}

static void cpu_numbers_are_folded(void **state UNUSED)
{
	unsigned cpu, node;
	long (*getcpu_fn)(unsigned *, unsigned *, void *) =
		(long (*)(unsigned *, unsigned *, void *))symbol("getcpu");

	params->getcpu = (uintptr_t)cpu_seven;
	params->ncpus = 0;
	assert_int_equal(getcpu_fn(&cpu, NULL, NULL), 0);
	assert_int_equal(cpu, 7);
	params->ncpus = 5;
	assert_int_equal(getcpu_fn(&cpu, &node, NULL), 0);
	assert_int_equal(cpu, 2);
	assert_int_equal(node, 0);
	assert_int_equal(getcpu_fn(NULL, NULL, NULL), 0);
}

/* ---- unwinding ---- */

void __register_frame(void *begin);
void __deregister_frame(void *begin);

static uintptr_t wanted_frame;
static volatile bool was_found;

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *arg UNUSED)
{
	if (_Unwind_GetCFA(context) == wanted_frame)
		was_found = true;
	return _URC_NO_REASON;
}

static void on_signal(int signo UNUSED)
{
	_Unwind_Backtrace(look, NULL);
}

/* The signal arrives while this very function runs; the walk from the handler
 * must pass the stub and find this function's frame. */
static __attribute__((noinline)) void raise_here(void)
{
	wanted_frame = (uintptr_t)__builtin_dwarf_cfa();
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
}

static void unwinders_walk_through_signal_return(void **state UNUSED)
{
	struct abi_sigaction act = { .handler = (uintptr_t)on_signal,
				     .flags = ABI_SA_RESTORER,
				     .restorer = symbol("__vdso_rt_sigreturn") };
	uint8_t *frames = image + section(".eh_frame")->sh_offset;

	__register_frame(frames);
	assert_int_equal(syscall(SYS_rt_sigaction, SIGUSR1, &act, NULL, 8), 0);
	raise_here();
	__deregister_frame(frames);
	assert_true(was_found);
}

static void it_has_no_relocations(void **state UNUSED)
{
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Shdr *sh = (const void *)(image + eh->e_shoff);

	for (unsigned i = 0; i < eh->e_shnum; i++) {
		assert_int_not_equal(sh[i].sh_type, SHT_RELA);
		assert_int_not_equal(sh[i].sh_type, SHT_REL);
		assert_int_not_equal(sh[i].sh_type, SHT_NOBITS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_host_functions_it_makes_system_calls),
		cmocka_unit_test(host_functions_are_called),
		cmocka_unit_test(cpu_numbers_are_folded),
		cmocka_unit_test(unwinders_walk_through_signal_return),
		cmocka_unit_test(it_has_no_relocations),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
