/* Many and long arguments and a large environment survive execve; what is too
 * much is E2BIG, and the caller lives on. */
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

#define MANY 20000
#define LONG (128 * 1024 - 1) /* MAX_ARG_STRLEN without its NUL */

extern char **environ;
static const char *self;

static char *text(char c, size_t len)
{
	char *s = malloc(len + 1);

	CHECK(s);
	memset(s, c, len);
	s[len] = '\0';
	return s;
}

/* The status of a child that execs self with these; 1000 + errno if it cannot. */
static int run(char **argv, char **envp)
{
	int fds[2], status, err = 0;
	pid_t pid;

	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		CHECK(dup2(fds[1], 77) == 77);
		close(fds[1]);
		fds[1] = 77;
		execve(self, argv, envp);
		err = errno;
		CHECK_EQ(write(77, &err, sizeof(err)), sizeof(err));
		_exit(1);
	}
	close(fds[1]);
	if (read(fds[0], &err, sizeof(err)) < 0)
		err = 0;
	close(fds[0]);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	return err ? 1000 + err : WEXITSTATUS(status);
}

/* ---- the child's side: argv[1] says what it should have got ---- */

static int child_many(int argc, char **argv)
{
	char want[32];

	close(77);
	CHECK_EQ(argc, MANY + 2);
	for (int i = 0; i < MANY; i++) {
		snprintf(want, sizeof(want), "argument %d", i);
		CHECK(!strcmp(argv[i + 2], want));
	}
	CHECK(argv[argc] == NULL);
	CHECK(environ[0] == NULL);
	CHECK_EQ((uintptr_t)argv % 8, 0);
	return 7;
}

static int child_long(int argc, char **argv)
{
	close(77);
	CHECK_EQ(argc, 5);
	CHECK_EQ(strlen(argv[2]), LONG);
	CHECK_EQ(argv[2][LONG - 1], 'l');
	CHECK_EQ(strlen(argv[3]), 0);
	CHECK(!strcmp(argv[4], "a b\nc\t\xff"));
	CHECK(!strcmp(environ[0], "NAME=value"));
	CHECK(!strcmp(environ[1], "not an assignment"));
	CHECK_EQ(strlen(environ[2]), LONG);
	CHECK(environ[3] == NULL);
	return 8;
}

/* ---- the parent's ---- */

static void many(void)
{
	char **argv = calloc(MANY + 3, sizeof(*argv));
	char *no_env[] = { NULL };

	CHECK(argv);
	argv[0] = (char *)self;
	argv[1] = "many";
	for (int i = 0; i < MANY; i++)
		CHECK(asprintf(&argv[i + 2], "argument %d", i) > 0);
	CHECK_EQ(run(argv, no_env), 7);
}

static void long_ones(void)
{
	char *argv[] = { (char *)self, "long", text('l', LONG), "", "a b\nc\t\xff", NULL };
	char *envp[] = { "NAME=value", "not an assignment", text('e', LONG), NULL };

	CHECK_EQ(run(argv, envp), 8);
}

static void one_too_long(void)
{
	char *argv[] = { (char *)self, "long", text('l', LONG + 1), NULL };
	char *no_env[] = { NULL };

	CHECK_EQ(run(argv, no_env), 1000 + E2BIG);
	argv[2] = NULL;
	CHECK_EQ(run(argv, (char *[]){ text('e', LONG + 1), NULL }), 1000 + E2BIG);
}

static void too_many_in_all(void)
{
	static char *argv[202];
	char *no_env[] = { NULL };

	argv[0] = (char *)self;
	argv[1] = "none";
	for (int i = 2; i < 201; i++)
		argv[i] = text('x', LONG);
	CHECK_EQ(run(argv, no_env), 1000 + E2BIG);
}

/* A quarter of the stack limit counts, but 128 KiB are always allowed. */
static void stack_limit_counts(void)
{
	struct rlimit old, lim;
	char *argv[12] = { (char *)self, "none" };
	char *no_env[] = { NULL };

	CHECK(getrlimit(RLIMIT_STACK, &old) == 0);
	lim = old;
	lim.rlim_cur = 1 << 20;
	CHECK(setrlimit(RLIMIT_STACK, &lim) == 0);
	argv[2] = text('x', LONG);
	CHECK_EQ(run(argv, no_env), 9);
	argv[3] = argv[4] = argv[2];
	CHECK_EQ(run(argv, no_env), 1000 + E2BIG);
	CHECK(setrlimit(RLIMIT_STACK, &old) == 0);
	CHECK_EQ(run(argv, no_env), 9);
}

/* Without argv[0] a program is given an empty one. */
static void no_arguments(void)
{
	char *argv[] = { NULL };
	char *envp[] = { "EMPTY=1", NULL };

	CHECK_EQ(run(argv, envp), 10);
}

static void bad_pointers(void)
{
	char *bad[] = { (char *)self, (char *)8, NULL };
	char *no_env[] = { NULL };

	CHECK_EQ(run(bad, no_env), 1000 + EFAULT);
	CHECK_EQ(run((char **)8, no_env), 1000 + EFAULT);
}

int main(int argc, char **argv)
{
	if (getenv("EMPTY")) {
		CHECK_EQ(argc, 1);
		CHECK_EQ(strlen(argv[0]), 0);
		return 10;
	}
	if (argc > 1 && !strcmp(argv[1], "many"))
		return child_many(argc, argv);
	if (argc > 1 && !strcmp(argv[1], "long"))
		return child_long(argc, argv);
	if (argc > 1)
		return 9;
	self = argv[0];
	many();
	long_ones();
	one_too_long();
	too_many_in_all();
	stack_limit_counts();
	no_arguments();
	bad_pointers();
	puts("args: ok");
	return 0;
}
