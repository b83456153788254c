/* A write to a pipe without readers: SIGPIPE to the writing thread, then EPIPE. */
#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tmpdir.h"

static volatile sig_atomic_t got;
static volatile pid_t by;

static void on_pipe(int signo, siginfo_t *info, void *uc)
{
	(void)signo;
	(void)uc;
	CHECK_EQ(info->si_code, SI_USER);
	CHECK_EQ(info->si_pid, getpid());
	by = gettid();
	got++;
}

static int broken_pipe(void)
{
	int ends[2];

	CHECK(pipe(ends) == 0);
	close(ends[0]);
	return ends[1];
}

static void *write_in_thread(void *arg)
{
	CHECK_ERR(write(*(int *)arg, "x", 1), EPIPE);
	CHECK_EQ(by, gettid());
	return NULL;
}

static void kills_by_default(int fd)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)write(fd, "x", 1);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_pipe, .sa_flags = SA_SIGINFO };
	struct iovec v = { (void *)"ab", 2 };
	int fd = broken_pipe(), file;
	pthread_t thread;

	kills_by_default(fd);
	CHECK(sigaction(SIGPIPE, &sa, NULL) == 0);
	CHECK_ERR(write(fd, "x", 1), EPIPE);
	CHECK_EQ(got, 1);
	CHECK_ERR(writev(fd, &v, 1), EPIPE);
	CHECK_EQ(got, 2);
	CHECK_EQ(write(fd, "x", 0), 0);
	CHECK_EQ(got, 2);
	CHECK(pthread_create(&thread, NULL, write_in_thread, &fd) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_EQ(got, 3);

	tmpdir_enter();
	file = tmpdir_file("f", "data");
	CHECK_ERR(splice(file, NULL, fd, NULL, 4, 0), EPIPE);
	CHECK_EQ(got, 4);

	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	CHECK_ERR(write(fd, "x", 1), EPIPE);
	CHECK_EQ(got, 4);
	return 0;
}
