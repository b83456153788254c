/* What a debugger looks at: calls, a structure, a global, a signal, a child. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct point {
	int x, y;
	const char *name;
};

static int total;

static int factorial(int n)
{
	if (n < 2)
		return 1;
	return n * factorial(n - 1);
}

static void sum_up(int n)
{
	for (int i = 0; i < n; i++)
		total += i;
}

static int in_child(void)
{
	int status = 0;

	if (fork() == 0) {
		sum_up(4);
		_exit(4);
	}
	wait(&status);
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	struct point p = { 3, 4, "corner" };
	int f;

	if (argc > 1 && argv[1][0] == 'w') /* to be attached to */
		pause();
	if (argc > 1 && argv[1][0] == 'f')
		return in_child();
	f = factorial(5);
	sum_up(4);
	printf("%s %d %d %d\n", p.name, p.x + p.y, f, total);
	raise(SIGUSR1);
	return argv[0] ? 7 : 8;
}
