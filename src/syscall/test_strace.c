/* What --strace prints, for calls whose arguments need no guest memory; filters. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "abi/errno.h"
#include "abi/syscall_nr.h"
#include "syscall/strace_internal.h"

static int fds[2];
static struct task task = { .tid = 7 };

static int set_up(void **state)
{
	(void)state;
	return pipe(fds);
}

static int tear_down(void **state)
{
	(void)state;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static void expect_line(const char *want)
{
	char got[STRACE_LINE + 1];
	ssize_t n = read(fds[0], got, sizeof(got) - 1);

	assert_true(n > 0);
	got[n] = '\0';
	assert_string_equal(got, want);
}

static void call(int64_t nr, const struct sysargs *args, long ret)
{
	struct strace_line line;

	strace_enter(&line, &task, nr, args);
	strace_leave(&line, &task, nr, args, ret);
}

static void a_call_is_one_line(void **state)
{
	(void)state;
	assert_int_equal(strace_enable("", fds[1]), 0);
	call(ABI_NR_lseek, &(struct sysargs){ { 3, 10, SEEK_CUR } }, 110);
	expect_line("[7] lseek(3, 10, SEEK_CUR) = 110\n");
	call(ABI_NR_getpid, &(struct sysargs){ { 0 } }, 7);
	expect_line("[7] getpid() = 7\n");
}

static void errors_have_name_and_text(void **state)
{
	(void)state;
	assert_int_equal(strace_enable(NULL, fds[1]), 0);
	call(ABI_NR_close, &(struct sysargs){ { 99 } }, -EBADF);
	expect_line("[7] close(99) = -1 EBADF (Bad file descriptor)\n");
	call(ABI_NR_pause, &(struct sysargs){ { 0 } }, -ERESTARTNOHAND);
	expect_line("[7] pause() = ? ERESTARTNOHAND (To be restarted if no handler)\n");
}

static void flags_and_addresses_are_named(void **state)
{
	(void)state;
	assert_int_equal(strace_enable("all", fds[1]), 0);
	call(ABI_NR_mmap,
	     &(struct sysargs){ { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  (uint64_t)-1, 0 } },
	     0x7f0000001000);
	expect_line("[7] mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
		    " = 0x7f0000001000\n");
	call(ABI_NR_kill, &(struct sysargs){ { 12, SIGTERM } }, 0);
	expect_line("[7] kill(12, SIGTERM) = 0\n");
	call(ABI_NR_umask, &(struct sysargs){ { 022 } }, 0077);
	expect_line("[7] umask(022) = 077\n");
}

static void io_uring_is_named(void **state)
{
	(void)state;
	assert_int_equal(strace_enable("", fds[1]), 0);
	call(ABI_NR_io_uring_setup, &(struct sysargs){ { 8, 0 } }, -EFAULT);
	expect_line("[7] io_uring_setup(8, NULL) = -1 EFAULT (Bad address)\n");
	call(ABI_NR_io_uring_enter, &(struct sysargs){ { 3, 1, 2, 0, 0, 8 } }, 1);
	expect_line("[7] io_uring_enter(3, 1, 2, 0, NULL, 8) = 1\n");
	call(ABI_NR_io_uring_enter, &(struct sysargs){ { 3, 1, 2, 1 | 2 | 1 << 20, 0, 0 } },
	     -EINVAL);
	expect_line("[7] io_uring_enter(3, 1, 2, IORING_ENTER_GETEVENTS|IORING_ENTER_SQ_WAKEUP|"
		    "0x100000, NULL, 0) = -1 EINVAL (Invalid argument)\n");
	/* An offset into the ring's region of waits, not an address. */
	call(ABI_NR_io_uring_enter, &(struct sysargs){ { 3, 0, 1, 1 | 8 | 64, 0x40, 64 } }, 0);
	expect_line("[7] io_uring_enter(3, 0, 1, IORING_ENTER_GETEVENTS|IORING_ENTER_EXT_ARG|"
		    "IORING_ENTER_EXT_ARG_REG, 0x40, 64) = 0\n");
	call(ABI_NR_io_uring_register, &(struct sysargs){ { 3, 12, 0, 0 } }, -EBADFD);
	expect_line("[7] io_uring_register(3, IORING_REGISTER_ENABLE_RINGS, NULL, 0)"
		    " = -1 EBADFD (File descriptor in bad state)\n");
	call(ABI_NR_io_uring_register, &(struct sysargs){ { 0, 1u << 31, 0x1000, 2 } }, 0);
	expect_line("[7] io_uring_register(0, IORING_REGISTER_USE_REGISTERED_RING|"
		    "IORING_REGISTER_BUFFERS, 0x1000, 2) = 0\n");
	call(ABI_NR_io_uring_register, &(struct sysargs){ { 3, 99, 0, 0 } }, -EINVAL);
	expect_line("[7] io_uring_register(3, 99, NULL, 0) = -1 EINVAL (Invalid argument)\n");
}

static void arguments_of_a_variant_that_has_none_are_left_out(void **state)
{
	(void)state;
	assert_int_equal(strace_enable("", fds[1]), 0);
	call(ABI_NR_fcntl, &(struct sysargs){ { 3, F_GETFL, 12345 } }, 2);
	expect_line("[7] fcntl(3, F_GETFL) = 2\n");
	call(ABI_NR_fcntl, &(struct sysargs){ { 3, F_SETFD, FD_CLOEXEC } }, 0);
	expect_line("[7] fcntl(3, F_SETFD, FD_CLOEXEC) = 0\n");
	call(ABI_NR_open, &(struct sysargs){ { 0, O_RDONLY | O_CLOEXEC, 0777 } }, -EFAULT);
	expect_line("[7] open(NULL, O_RDONLY|O_CLOEXEC) = -1 EFAULT (Bad address)\n");
	call(ABI_NR_open, &(struct sysargs){ { 0, O_WRONLY | O_CREAT, 0644 } }, -EFAULT);
	expect_line("[7] open(NULL, O_WRONLY|O_CREAT, 0644) = -1 EFAULT (Bad address)\n");
}

static void exit_has_no_result(void **state)
{
	(void)state;
	assert_int_equal(strace_enable("", fds[1]), 0);
	call(ABI_NR_exit_group, &(struct sysargs){ { 3 } }, 0);
	expect_line("[7] exit_group(3) = ?\n");
	strace_exit(&task, 3 << 8);
	expect_line("[7] +++ exited with 3 +++\n");
	strace_exit(&task, SIGSEGV | 0x80);
	expect_line("[7] +++ killed by SIGSEGV (core dumped) +++\n");
}

static void unknown_numbers_are_shown(void **state)
{
	(void)state;
	assert_int_equal(strace_enable("", fds[1]), 0);
	call(0x40000001, &(struct sysargs){ { 0 } }, -ENOSYS);
	expect_line("[7] syscall_0x40000001() = -1 ENOSYS (Function not implemented)\n");
}

static void signals_are_shown(void **state)
{
	const struct ksiginfo chld = {
		.signo = SIGCHLD, .code = CLD_EXITED, .pid = 9, .uid = 1000, .status = 4
	};
	const struct ksiginfo segv = { .signo = SIGSEGV, .code = SEGV_MAPERR, .addr = 0x10 };

	(void)state;
	assert_int_equal(strace_enable("", fds[1]), 0);
	strace_signal(&task, &chld);
	expect_line("[7] --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=9, si_uid=1000, "
		    "si_status=4} ---\n");
	strace_signal(&task, &segv);
	expect_line("[7] --- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10} ---\n");
}

/* ---- filters ---- */

#define WORDS ((SYSCALL_TABLE_SIZE + 63) / 64)

static bool has(const uint64_t *wanted, unsigned nr)
{
	return wanted[nr / 64] >> (nr % 64) & 1;
}

static void filters_take_names_and_classes(void **state)
{
	uint64_t w[WORDS];

	(void)state;
	assert_int_equal(strace_filter_parse("read,openat", w), 0);
	assert_true(has(w, ABI_NR_read) && has(w, ABI_NR_openat) && !has(w, ABI_NR_write));
	assert_int_equal(strace_filter_parse("%file", w), 0);
	assert_true(has(w, ABI_NR_openat) && has(w, ABI_NR_execve) && !has(w, ABI_NR_read));
	assert_int_equal(strace_filter_parse("%process,%memory", w), 0);
	assert_true(has(w, ABI_NR_clone3) && has(w, ABI_NR_mmap) && !has(w, ABI_NR_read));
	assert_int_equal(strace_filter_parse("!%desc", w), 0);
	assert_true(!has(w, ABI_NR_read) && has(w, ABI_NR_getpid));
	assert_int_equal(strace_filter_parse("%network,%signal", w), 0);
	assert_true(has(w, ABI_NR_bind) && has(w, ABI_NR_kill) && !has(w, ABI_NR_stat));
}

static void unknown_words_are_refused(void **state)
{
	uint64_t w[WORDS];

	(void)state;
	assert_int_equal(strace_filter_parse("reed", w), -EINVAL);
	assert_int_equal(strace_filter_parse("%fil", w), -EINVAL);
	assert_int_equal(strace_filter_parse("read,", w), -EINVAL);
	assert_int_equal(strace_filter_parse(",", w), -EINVAL);
}

static void calls_that_are_not_wanted_print_nothing(void **state)
{
	(void)state;
	assert_int_equal(strace_enable("close", fds[1]), 0);
	call(ABI_NR_getpid, &(struct sysargs){ { 0 } }, 7);
	call(ABI_NR_close, &(struct sysargs){ { 1 } }, 0);
	expect_line("[7] close(1) = 0\n");
}

static void a_line_that_is_too_long_keeps_its_result(void **state)
{
	struct strace_line line;
	const struct sysargs args = { { 1 } };
	char got[STRACE_LINE + 1];
	ssize_t n;

	(void)state;
	assert_int_equal(strace_enable("", fds[1]), 0);
	strace_enter(&line, &task, ABI_NR_close, &args);
	for (int i = 0; i < STRACE_LINE; i++)
		strace_puts(&line, "x");
	strace_leave(&line, &task, ABI_NR_close, &args, -EBADF);
	n = read(fds[0], got, sizeof(got) - 1);
	assert_true(n > 0 && n <= STRACE_LINE);
	got[n] = '\0';
	assert_non_null(strstr(got, "x) = -1 EBADF (Bad file descriptor)\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_call_is_one_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(errors_have_name_and_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(flags_and_addresses_are_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(io_uring_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(arguments_of_a_variant_that_has_none_are_left_out,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(exit_has_no_result, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unknown_numbers_are_shown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(signals_are_shown, set_up, tear_down),
		cmocka_unit_test(filters_take_names_and_classes),
		cmocka_unit_test(unknown_words_are_refused),
		cmocka_unit_test_setup_teardown(calls_that_are_not_wanted_print_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_line_that_is_too_long_keeps_its_result, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
