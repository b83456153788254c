/* Orphans: they get a new parent, subreapers adopt them, a parent's death
 * signal comes, and stopped orphaned groups are hung up. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "check.h"
#include "waitfor.h"

static int reap(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static void adopted_by_subreaper(void)
{
	pid_t pid, got, report[2];
	int fds[2], status;

	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		pid = getpid();
		if (fork() == 0) {
			WAIT_UNTIL(getppid() != pid);
			report[0] = getpid();
			report[1] = getppid();
			CHECK(write(fds[1], report, sizeof(report)) == sizeof(report));
			_exit(8);
		}
		_exit(3);
	}
	CHECK_EQ(reap(pid), 3 << 8);
	CHECK(read(fds[0], report, sizeof(report)) == sizeof(report));
	CHECK_EQ(report[1], getpid());
	got = wait(&status);
	CHECK_EQ(got, report[0]);
	CHECK_EQ(status, 8 << 8);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	close(fds[0]);
	close(fds[1]);
}

static void death_signal(void)
{
	int fds[2];
	pid_t pid;
	char c;

	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			int sig;

			sigset_t set;

			sigemptyset(&set);
			sigaddset(&set, SIGUSR2);
			sigprocmask(SIG_BLOCK, &set, NULL);
			CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR2) == 0);
			CHECK(write(fds[1], "r", 1) == 1);
			CHECK(sigwait(&set, &sig) == 0);
			CHECK(write(fds[1], "d", 1) == 1);
			_exit(0);
		}
		CHECK(read(fds[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK_EQ(reap(pid), 0);
	CHECK(read(fds[0], &c, 1) == 1);
	CHECK_EQ(c, 'd');
	close(fds[0]);
	close(fds[1]);
}

static int hup_pipe[2];

static void on_hup(int sig)
{
	char c = sig == SIGHUP ? 'h' : 'c';

	CHECK(write(hup_pipe[1], &c, 1) == 1);
	if (c == 'h')
		_exit(0);
}

/* The session leader's child is in its own group and stopped; when its parent
 * ends, the group is orphaned: SIGHUP, then SIGCONT. */
static void hung_up(void)
{
	pid_t pid;
	char c;

	CHECK(pipe(hup_pipe) == 0);
	pid = fork();
	if (pid == 0) {
		pid_t child;
		int status;

		setsid();
		child = fork();
		if (child == 0) {
			setpgid(0, 0);
			signal(SIGHUP, on_hup);
			raise(SIGSTOP);
			for (;;)
				pause();
		}
		CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
		CHECK(WIFSTOPPED(status));
		_exit(0);
	}
	CHECK_EQ(reap(pid), 0);
	CHECK(read(hup_pipe[0], &c, 1) == 1);
	CHECK_EQ(c, 'h');
}

/* A terminal's stop does nothing in an orphaned group. */
static void tstp_ignored(void)
{
	int fds[2];
	pid_t pid;
	char c;

	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		setsid();
		raise(SIGTSTP);
		CHECK(write(fds[1], "x", 1) == 1);
		_exit(0);
	}
	CHECK(read(fds[0], &c, 1) == 1);
	CHECK_EQ(reap(pid), 0);
}

int main(void)
{
	adopted_by_subreaper();
	death_signal();
	hung_up();
	tstp_ignored();
	return 0;
}
