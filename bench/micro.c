/* Small operations, timed from inside: one line "name nanoseconds" each. Run
 * natively and as a guest by bench/run. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int fd;
static char buf[65536];
static char *self;

static void op_getppid(void)
{
	syscall(SYS_getppid);
}
static void op_read1(void)
{
	if (pread(fd, buf, 1, 0) < 0)
		abort();
}
static void op_read4k(void)
{
	if (pread(fd, buf, 4096, 0) < 0)
		abort();
}
static void op_read64k(void)
{
	if (pread(fd, buf, 65536, 0) < 0)
		abort();
}
static void op_write4k(void)
{
	if (pwrite(fd, buf, 4096, 0) < 0)
		abort();
}
static void op_write64k(void)
{
	if (pwrite(fd, buf, 65536, 0) < 0)
		abort();
}
static void op_open(void)
{
	close(open("/etc/passwd", O_RDONLY));
}
static void op_stat(void)
{
	struct stat st;
	if (stat("/etc/passwd", &st) < 0)
		abort();
}

static void op_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
}

static void op_exec(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(self, self, "exit", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static void op_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, nothing, NULL))
		abort();
	pthread_join(t, NULL);
}

static void op_touch(void)
{
	size_t size = 4u << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	munmap(p, size);
}

static int to[2], from[2];

static void op_pingpong(void)
{
	if (write(to[1], "x", 1) != 1 || read(from[0], buf, 1) != 1)
		abort();
}

static void pong(void)
{
	char c;

	while (read(to[0], &c, 1) == 1)
		if (write(from[1], &c, 1) != 1)
			break;
	_exit(0);
}

static const struct {
	const char *name;
	void (*op)(void);
	int count;
} ops[] = {
	{ "getppid", op_getppid, 50000 },        { "read 1 byte", op_read1, 20000 },
	{ "read 4 KiB", op_read4k, 20000 },      { "read 64 KiB", op_read64k, 5000 },
	{ "write 4 KiB", op_write4k, 20000 },    { "write 64 KiB", op_write64k, 5000 },
	{ "open and close", op_open, 10000 },    { "stat", op_stat, 20000 },
	{ "pipe ping-pong", op_pingpong, 5000 }, { "fork and wait", op_fork, 200 },
	{ "fork, exec, wait", op_exec, 100 },    { "thread create, join", op_thread, 500 },
	{ "touch 1024 pages", op_touch, 50 },
};

int main(int argc, char **argv)
{
	pid_t pid;

	self = argv[0];
	if (argc > 1 && strcmp(argv[1], "exit") == 0)
		return 0;
	fd = open("/tmp/nacre-bench", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, buf, sizeof(buf)) != (ssize_t)sizeof(buf) || pipe(to) || pipe(from))
		return 1;
	pid = fork();
	if (pid == 0)
		pong();
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		double t0;

		ops[i].op();
		t0 = now();
		for (int k = 0; k < ops[i].count; k++)
			ops[i].op();
		printf("%s\t%.0f\n", ops[i].name, (now() - t0) / ops[i].count);
		fflush(stdout);
	}
	unlink("/tmp/nacre-bench");
	close(to[1]);
	kill(pid, 9);
	return 0;
}
