/* Controlling terminals and job control: who gets one and loses it, signals of
 * keys, the foreground, background reads and writes, hang-ups. */
#include <signal.h>
#include <sys/wait.h>

#include "ptypair.h"
#include "waitfor.h"

static struct ptypair p;

static int reap(pid_t pid, int options)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, options), pid);
	return status;
}

/* A session of its own on p; fn runs in its leader. */
static void in_session(void (*fn)(void))
{
	pid_t pid;

	ptypair_open(&p);
	close(p.slave);
	pid = fork();
	if (pid == 0) {
		CHECK(setsid() == getpid());
		p.slave = open_slave(&p, 0); /* becomes the controlling terminal */
		CHECK(p.slave >= 0);
		fn();
		_exit(0);
	}
	CHECK_EQ(reap(pid, 0), 0);
	close(p.master);
}

static void set_foreground(pid_t pgrp)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &old);
	CHECK(tcsetpgrp(p.slave, pgrp) == 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void no_terminal(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd;

		setsid();
		CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
		ptypair_open(&p); /* O_NOCTTY */
		CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
		CHECK_ERR(tcgetpgrp(p.slave), ENOTTY);
		CHECK_ERR(tcgetsid(p.slave), ENOTTY);
		CHECK_ERR(tcsetpgrp(p.slave, getpgrp()), ENOTTY);
		CHECK_ERR(ioctl(p.slave, TIOCNOTTY), ENOTTY);
		/* Not through a descriptor that only writes. */
		fd = open(p.name, O_WRONLY);
		CHECK(fd >= 0);
		CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
		CHECK_EQ(tcgetpgrp(p.master), 0);
		CHECK(ioctl(p.slave, TIOCSCTTY, 0) == 0);
		CHECK(ioctl(p.slave, TIOCSCTTY, 0) == 0);
		CHECK_EQ(tcgetpgrp(p.slave), getpgrp());
		CHECK_EQ(tcgetsid(p.slave), getpid());
		CHECK_EQ(tcgetpgrp(p.master), getpgrp());
		fd = open("/dev/tty", O_RDWR);
		CHECK(fd >= 0);
		CHECK(isatty(fd));
		CHECK_EQ(tcgetsid(fd), getpid());
		_exit(0);
	}
	CHECK_EQ(reap(pid, 0), 0);
}

static void rules(void)
{
	struct ptypair other;
	pid_t pid;

	CHECK_EQ(tcgetsid(p.slave), getpid());
	CHECK_EQ(tcgetpgrp(p.slave), getpid());
	ptypair_open(&other);
	CHECK_ERR(ioctl(other.slave, TIOCSCTTY, 0), EPERM); /* one is enough */
	CHECK_ERR(tcsetpgrp(p.slave, -1), EINVAL);
	CHECK_ERR(tcsetpgrp(p.slave, 0x3ffffff0), ESRCH);
	CHECK_ERR(tcsetpgrp(p.slave, getpgid(getppid())), EPERM);
	CHECK_ERR(tcsetpgrp(other.slave, getpgrp()), ENOTTY);
	pid = fork();
	if (pid == 0) {
		int fd;

		CHECK_ERR(ioctl(p.slave, TIOCSCTTY, 0), EPERM); /* no leader */
		fd = open("/dev/tty", O_RDWR);
		CHECK(fd >= 0);
		/* Its own affair only. */
		CHECK(ioctl(p.slave, TIOCNOTTY) == 0);
		CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
		CHECK_ERR(tcgetpgrp(p.slave), ENOTTY);
		_exit(0);
	}
	CHECK_EQ(reap(pid, 0), 0);
	CHECK_EQ(tcgetpgrp(p.slave), getpid());
	pid = fork();
	if (pid == 0) {
		setsid();
		CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
		CHECK_ERR(tcgetsid(p.slave), ENOTTY);
		CHECK_ERR(ioctl(p.slave, TIOCSCTTY, 0), EPERM); /* another session's */
		_exit(0);
	}
	CHECK_EQ(reap(pid, 0), 0);
}

static volatile sig_atomic_t got[65];

static void note(int sig)
{
	got[sig]++;
}

static void wait_for(int sig, int count)
{
	WAIT_UNTIL(got[sig] >= count);
	CHECK_EQ(got[sig], count);
}

static void keys(void)
{
	struct winsize ws = { 30, 90, 0, 0 };

	signal(SIGINT, note);
	signal(SIGQUIT, note);
	signal(SIGTSTP, note);
	signal(SIGWINCH, note);
	CHECK_EQ(write(p.master, "\003", 1), 1);
	wait_for(SIGINT, 1);
	CHECK_EQ(write(p.master, "\034", 1), 1);
	wait_for(SIGQUIT, 1);
	CHECK_EQ(write(p.master, "\032", 1), 1);
	wait_for(SIGTSTP, 1);
	CHECK(ioctl(p.master, TIOCSWINSZ, &ws) == 0);
	wait_for(SIGWINCH, 1);
	CHECK(ioctl(p.master, TIOCSWINSZ, &ws) == 0); /* the same: no signal */
	CHECK(ioctl(p.master, TIOCSIG, SIGINT) == 0);
	wait_for(SIGINT, 2);
	CHECK_ERR(ioctl(p.master, TIOCSIG, SIGHUP), EINVAL);
	CHECK_EQ(got[SIGWINCH], 1);
	/* ISIG off: just bytes. */
	set_modes(p.slave, 0, 0, 0);
	CHECK_EQ(write(p.master, "\003", 1), 1);
	CHECK(is_ready(p.slave, 60000));
	CHECK_EQ(got[SIGINT], 2);
}

/* A child in a group of its own that does what `what` says to the terminal. */
static pid_t background(char what)
{
	pid_t pid = fork();
	char c;

	if (pid == 0) {
		setpgid(0, 0);
		if (what == 'i')
			signal(SIGTTIN, SIG_IGN);
		if (what == 'b' || what == 'I')
			signal(SIGTTOU, SIG_IGN);
		switch (what) {
		case 'r':
			CHECK_EQ(read(p.slave, &c, 1), 1);
			break;
		case 'i':
			CHECK_ERR(read(p.slave, &c, 1), EIO);
			break;
		case 'w':
		case 'b':
			CHECK_EQ(write(p.slave, "w", 1), 1);
			break;
		case 'm':
		case 'I':
			make_raw(p.slave, 1, 0);
			break;
		}
		_exit(3);
	}
	setpgid(pid, pid);
	return pid;
}

static void expect_stop(char what, int sig)
{
	pid_t pid = background(what);
	int status = reap(pid, WUNTRACED);

	CHECK(WIFSTOPPED(status));
	CHECK_EQ(WSTOPSIG(status), sig);
	/* In the foreground it goes on where it was. */
	set_foreground(pid);
	CHECK(kill(-pid, SIGCONT) == 0);
	if (what == 'r')
		CHECK_EQ(write(p.master, "x\n", 2), 2);
	CHECK_EQ(reap(pid, 0), 3 << 8);
	set_foreground(getpid());
	tcflush(p.slave, TCIOFLUSH);
}

static void expect_end(char what)
{
	CHECK_EQ(reap(background(what), WUNTRACED), 3 << 8);
}

static void background_use(void)
{
	struct termios t;

	expect_stop('r', SIGTTIN);
	expect_end('i');
	expect_end('w');
	CHECK(tcgetattr(p.slave, &t) == 0);
	t.c_lflag |= TOSTOP;
	CHECK(tcsetattr(p.slave, TCSANOW, &t) == 0);
	expect_stop('w', SIGTTOU);
	expect_end('b');
	expect_stop('m', SIGTTOU);
	expect_end('I');
}

/* Nobody could continue an orphaned group: it gets an error instead. */
static void orphaned(void)
{
	int fds[2], status;
	pid_t pid;
	char c;

	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		pid_t child, parent = getpid();

		setpgid(0, 0);
		child = fork();
		if (child == 0) {
			WAIT_UNTIL(getppid() != parent);
			c = read(p.slave, &c, 1) == -1 && errno == EIO ? 'e' : 'x';
			CHECK_EQ(write(fds[1], &c, 1), 1);
			_exit(0);
		}
		_exit(0);
	}
	status = reap(pid, 0);
	CHECK_EQ(status, 0);
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(c, 'e');
}

static void suspend_key(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(pid, pid);
	set_foreground(pid);
	CHECK_EQ(write(p.master, "\032", 1), 1);
	status = reap(pid, WUNTRACED);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(WSTOPSIG(status), SIGTSTP);
	CHECK(kill(-pid, SIGCONT) == 0);
	status = reap(pid, WCONTINUED);
	CHECK(WIFCONTINUED(status));
	CHECK_EQ(write(p.master, "\003", 1), 1);
	status = reap(pid, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

/* The master goes: the leader hears, everybody has lost the terminal. */
static void hang_up(void)
{
	int fds[2], back[2];
	pid_t pid, child;
	char c;

	CHECK(pipe(fds) == 0 && pipe(back) == 0);
	ptypair_open(&p);
	close(p.slave);
	pid = fork();
	if (pid == 0) {
		setsid();
		p.slave = open_slave(&p, 0);
		close(p.master);
		signal(SIGHUP, note);
		child = fork();
		if (child == 0) {
			/* Of the foreground group, but no leader: hears of it
			 * when the leader ends. */
			CHECK_EQ(write(fds[1], "r", 1), 1);
			WAIT_UNTIL(got[SIGHUP]);
			CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
			CHECK_EQ(write(fds[1], "c", 1), 1);
			_exit(0);
		}
		CHECK_EQ(read(p.slave, &c, 1), -1); /* until the hang-up */
		CHECK(errno == EINTR || errno == EIO);
		wait_for(SIGHUP, 1);
		CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
		CHECK_EQ(read(p.slave, &c, 1), 0);
		CHECK_ERR(tcgetpgrp(p.slave), EIO);
		CHECK_EQ(write(fds[1], "l", 1), 1);
		CHECK_EQ(read(back[0], &c, 1), 1);
		_exit(0);
	}
	CHECK_EQ(read(fds[0], &c, 1), 1);
	wait_asleep(pid, SYS_read);
	close(p.master);
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(c, 'l');
	CHECK_EQ(write(back[1], "x", 1), 1);
	CHECK_EQ(reap(pid, 0), 0);
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(c, 'c');
}

/* The leader ends: the foreground group gets SIGHUP, and the terminal is free
 * for another session. */
static void leader_ends(void)
{
	int fds[2];
	pid_t pid;
	char c;

	CHECK(pipe(fds) == 0);
	ptypair_open(&p);
	pid = fork();
	if (pid == 0) {
		setsid();
		CHECK(ioctl(p.slave, TIOCSCTTY, 0) == 0);
		if (fork() == 0) {
			signal(SIGHUP, note);
			CHECK_EQ(write(fds[1], "r", 1), 1);
			WAIT_UNTIL(got[SIGHUP]);
			CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
			CHECK_EQ(write(fds[1], "h", 1), 1);
			_exit(0);
		}
		CHECK_EQ(read(fds[0], &c, 1), 1);
		_exit(0);
	}
	CHECK_EQ(reap(pid, 0), 0);
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(c, 'h');
	pid = fork();
	if (pid == 0) {
		setsid();
		CHECK(ioctl(p.slave, TIOCSCTTY, 0) == 0);
		_exit(0);
	}
	CHECK_EQ(reap(pid, 0), 0);
	ptypair_close(&p);
}

/* Typing for others is refused: to whoever has no special right, or to all. */
static void no_injection(void)
{
	struct ptypair other;
	char c = 'x';

	ptypair_open(&other);
	if (geteuid() == 0)
		CHECK(setuid(65534) == 0);
	CHECK_EQ(ioctl(other.slave, TIOCSTI, &c), -1);
	CHECK(errno == EIO || errno == EPERM);
}

static void gives_up(void)
{
	signal(SIGHUP, note);
	signal(SIGCONT, note);
	CHECK(ioctl(p.slave, TIOCNOTTY) == 0);
	CHECK_EQ(got[SIGHUP], 1);
	CHECK_EQ(got[SIGCONT], 1);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
	CHECK(ioctl(p.slave, TIOCSCTTY, 0) == 0);
}

/* /proc knows it by number. */
static void in_proc(void)
{
	int tty, tpgid, pid, ppid, pgrp, sid;
	FILE *f = fopen("/proc/self/stat", "r");

	CHECK(f != NULL);
	CHECK_EQ(fscanf(f, "%d (%*[^)]) %*c %d %d %d %d %d", &pid, &ppid, &pgrp, &sid, &tty,
			&tpgid),
		 6);
	fclose(f);
	CHECK_EQ(pid, getpid());
	CHECK_EQ(sid, getpid());
	CHECK_EQ(tty, 136 << 8 | atoi(p.name + strlen("/dev/pts/")));
	CHECK_EQ(tpgid, getpgrp());
}

int main(void)
{
	no_terminal();
	in_session(rules);
	in_session(keys);
	in_session(background_use);
	in_session(orphaned);
	in_session(suspend_key);
	in_session(no_injection);
	in_session(gives_up);
	in_session(in_proc);
	hang_up();
	leader_ends();
	return 0;
}
