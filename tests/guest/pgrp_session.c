/* Process groups and sessions: setpgid, setsid, getpgid, getsid and their rules;
 * kill of a group. */
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

extern char **environ;

static int reap(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static void in_child(void (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	CHECK_EQ(reap(pid), 0);
}

static void new_session(void)
{
	pid_t self = getpid();

	CHECK(getpgrp() != self);
	CHECK_EQ(setsid(), self);
	CHECK_EQ(getsid(0), self);
	CHECK_EQ(getpgrp(), self);
	CHECK_ERR(setsid(), EPERM);
	CHECK_ERR(setpgid(0, 0), EPERM); /* a session leader stays */
}

static void own_group(void)
{
	pid_t self = getpid(), sid = getsid(0);

	CHECK(setpgid(0, 0) == 0);
	CHECK_EQ(getpgrp(), self);
	CHECK_EQ(getpgid(0), self);
	CHECK_EQ(getpgid(self), self);
	CHECK_EQ(getsid(self), sid);
	CHECK_ERR(setsid(), EPERM); /* a group leader may not */
	CHECK_EQ(getpgid(getppid()), getpgid(getppid()));
}

static void rules(void)
{
	pid_t pid, other;
	int fds[2];
	char c;

	CHECK_ERR(setpgid(0, -1), EINVAL);
	CHECK_ERR(setpgid(-1, 0), EINVAL);
	CHECK_ERR(setpgid(-1, 1), ESRCH);
	CHECK_ERR(setpgid(0x3fffffff, 0), ESRCH);
	CHECK_ERR(setpgid(getppid(), 0), ESRCH);
	CHECK_ERR(setpgid(0, 0x3fffffff), EPERM);
	CHECK_ERR(getpgid(0x3fffffff), ESRCH);
	CHECK_ERR(getsid(0x3fffffff), ESRCH);
	CHECK_ERR(getpgid(-5), ESRCH);
	/* A child in another session, a child after exec. */
	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		setsid();
		CHECK(write(fds[1], "x", 1) == 1);
		pause();
	}
	CHECK(read(fds[0], &c, 1) == 1);
	CHECK_ERR(setpgid(pid, pid), EPERM);
	CHECK_ERR(setpgid(pid, 0), EPERM);
	kill(pid, SIGKILL);
	reap(pid);
	other = vfork();
	if (other == 0) {
		execl("/bin/sleep", "sleep", "100", NULL);
		_exit(1);
	}
	CHECK_ERR(setpgid(other, other), EACCES);
	kill(other, SIGKILL);
	reap(other);
}

/* A group is there as long as one member is. */
static void join_and_kill(void)
{
	pid_t a, b, c;

	a = fork();
	if (a == 0) {
		pause();
		_exit(0);
	}
	CHECK(setpgid(a, a) == 0);
	b = fork();
	if (b == 0) {
		CHECK(setpgid(0, a) == 0);
		pause();
		_exit(0);
	}
	setpgid(b, a);
	CHECK_EQ(getpgid(b), a);
	kill(a, SIGKILL);
	reap(a);
	CHECK(kill(-a, 0) == 0);
	c = fork();
	if (c == 0) {
		pause();
		_exit(0);
	}
	CHECK(setpgid(c, a) == 0); /* its founder is gone */
	CHECK(kill(-a, SIGTERM) == 0);
	CHECK_EQ(WTERMSIG(reap(b)), SIGTERM);
	CHECK_EQ(WTERMSIG(reap(c)), SIGTERM);
	CHECK_ERR(kill(-a, 0), ESRCH);
}

static volatile sig_atomic_t hits;

static void handler(int sig)
{
	(void)sig;
	hits++;
}

static void kill_own_group(void)
{
	setpgid(0, 0);
	signal(SIGUSR1, handler);
	CHECK(kill(0, SIGUSR1) == 0);
	CHECK_EQ(hits, 1);
	CHECK(killpg(getpgrp(), SIGUSR1) == 0);
	CHECK_EQ(hits, 2);
}

int main(void)
{
	in_child(new_session);
	in_child(own_group);
	in_child(rules);
	in_child(join_and_kill);
	in_child(kill_own_group);
	return 0;
}
