/*
 * The launcher. It opens what the sandbox needs of the host, so that a wrong
 * path is reported in the caller's words; forks the kernel process behind its
 * walls; then relays signals until that ends.
 *
 * Signals from the terminal (si_code SI_KERNEL) go to the guest's foreground
 * process group, others to its first process. When that stops, the launcher stops
 * itself too, so that the user's shell sees its job stop: see console.h.
 */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "boot/internal.h"
#include "host/host.h"
#include "host/net.h"
#include "host/proc.h"

static const int relayed[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,
			       SIGUSR2, SIGALRM, SIGTSTP, SIGCONT, SIGWINCH };

static int open_root(const struct boot_config *cfg)
{
	const char *dir = cfg->rootfs ? cfg->rootfs : "/";
	int fd = host_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0)
		fprintf(stderr,
			"nacre: --rootfs %s: %s (it must be a directory that you may enter)\n", dir,
			strerror(-fd));
	return fd;
}

/* A file is opened for what it allows: later there is no path to it. */
static int open_source(const struct boot_bind *b)
{
	int fd = host_openat(AT_FDCWD, b->src, O_PATH | O_CLOEXEC, 0), flags, r = -EACCES;
	struct stat st;

	if (fd < 0 || host_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fd;
	flags = O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	if (!b->readonly)
		r = host_openat(AT_FDCWD, b->src, O_RDWR | flags, 0);
	if (r < 0)
		r = host_openat(AT_FDCWD, b->src, O_RDONLY | flags, 0);
	host_close(fd);
	return r;
}

static int open_binds(const struct boot_config *cfg)
{
	for (size_t i = 0; i < cfg->nbinds; i++) {
		struct boot_bind *b = &cfg->binds[i];

		b->fd = open_source(b);
		if (b->fd < 0) {
			fprintf(stderr, "nacre: --bind %s:%s: source: %s\n", b->src, b->dst,
				strerror(-b->fd));
			return b->fd;
		}
	}
	return 0;
}

static int open_log(const struct boot_config *cfg)
{
	int fd;

	/* Not 2 itself: that is the guest's, to close when it likes. */
	if (!cfg->log_file)
		return host_dup(2);
	fd = host_openat(AT_FDCWD, cfg->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		fprintf(stderr, "nacre: --log %s: %s\n", cfg->log_file, strerror(-fd));
	return fd;
}

static void fill_identity(struct launch *l, const struct boot_config *cfg)
{
	gid_t groups[ARRAY_SIZE(l->groups)];
	int n;

	l->uid = cfg->has_user ? cfg->uid : host_geteuid();
	l->gid = cfg->has_user ? cfg->gid : host_getegid();
	l->ngroups = 0;
	if (cfg->has_user)
		return;
	n = getgroups((int)ARRAY_SIZE(groups), groups);
	for (int i = 0; i < n; i++)
		l->groups[l->ngroups++] = groups[i];
}

/* What our cgroup leaves, without what we and the stubs need ourselves. 0: the host's. */
static uint64_t memory_of_cgroup(void)
{
	uint64_t limit = cgroup_memory_limit("/proc/self/cgroup", "/sys/fs/cgroup");
	uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	return limit < host ? limit - limit / 16 : 0;
}

static int prepare(struct launch *l, const struct boot_config *cfg)
{
	l->cfg = cfg;
	l->root_fd = open_root(cfg);
	if (l->root_fd < 0)
		return l->root_fd;
	if (open_binds(cfg) < 0 || connector_open(cfg) < 0)
		return -ENOENT;
	l->log_fd = open_log(cfg);
	if (l->log_fd < 0)
		return l->log_fd;
	l->err_fd = host_dup(2);
	if (l->err_fd < 0)
		return l->err_fd;
	if (cfg->cwd)
		snprintf(l->cwd, sizeof(l->cwd), "%s", cfg->cwd);
	else if (!getcwd(l->cwd, sizeof(l->cwd)))
		strcpy(l->cwd, "/");
	fill_identity(l, cfg);
	l->memory = cfg->memory ? cfg->memory : memory_of_cgroup();
	return 0;
}

/* Descriptors 0 to 2 may be closed: nothing that we open may take their place
 * (the guest would get it). */
static void reserve_stdio(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", O_RDWR | O_CLOEXEC) != fd)
			continue;
		/* Close-on-exec marks it as ours: sandbox.c leaves it closed. */
	}
}

/* ---- our place in the user's shell ---- */

/* No shell would continue us: nobody of our session outside of our process group
 * started us. */
static bool is_orphaned(void)
{
	pid_t parent = getppid();

	return getsid(parent) != getsid(0) || getpgid(parent) == getpgrp();
}

static enum control_kind our_place(const struct launch *l)
{
	pid_t pgrp = l->console_fd < 0 ? -1 : tcgetpgrp(l->console_fd);

	/* Not our controlling terminal: no shell takes turns with us. */
	if (pgrp < 0 || pgrp == getpgrp())
		return CONTROL_FOREGROUND;
	return is_orphaned() ? CONTROL_ORPHANED : CONTROL_BACKGROUND;
}

/* A description of the terminal that is nobody else's can be non-blocking. */
static int open_console(int fd, bool *is_own)
{
	char path[32];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	*is_own = own >= 0;
	return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* The first terminal among 0 to 2, and which of them are that one. */
static void find_console(struct launch *l)
{
	struct stat st, first = { 0 };

	l->console_fd = -1;
	for (int fd = 0; fd <= 2; fd++) {
		l->stdio_same_as[fd] = fd;
		if (!isatty(fd) || fstat(fd, &st) < 0)
			continue;
		if (l->console_fd < 0) {
			first = st;
			l->console_fd = open_console(fd, &l->console_is_own);
		}
		l->stdio_is_console[fd] = l->console_fd >= 0 && st.st_rdev == first.st_rdev &&
					  st.st_dev == first.st_dev && st.st_ino == first.st_ino;
		for (int i = fd - 1; i >= 0; i--) {
			if (l->stdio_is_console[i] && host_same_description(i, fd))
				l->stdio_same_as[fd] = i;
		}
	}
	l->place = our_place(l);
	l->has_job_control = !is_orphaned();
}

/* ---- while it runs ---- */

static void send_control(int fd, enum control_kind kind, int signo)
{
	struct control_msg m = { .kind = kind, .signo = signo };

	if (host_write(fd, &m, sizeof(m)) < 0)
		return; /* it is ending */
}

/* As the guest's job, so we: until the user's shell continues us. */
static void stop_ourselves(int signo)
{
	sigset_t set;

	if (signo != SIGSTOP && signo != SIGTSTP && signo != SIGTTIN && signo != SIGTTOU)
		return;
	sigemptyset(&set);
	sigaddset(&set, signo);
	kill(getpid(), signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void from_kernel(const struct launch *l, int control, const struct control_msg *m)
{
	enum control_kind place = our_place(l);

	switch (m->kind) {
	case CONTROL_STOPPED:
		if (l->has_job_control)
			stop_ourselves(m->signo);
		break;
	case CONTROL_WANTS_TERMINAL:
		if (place == CONTROL_BACKGROUND)
			stop_ourselves(m->signo);
		break;
	}
	send_control(control, our_place(l), 0);
}

static void relay(const struct launch *l, int control, const struct signalfd_siginfo *si)
{
	bool tty = si->ssi_code == SI_KERNEL;
	int signo = (int)si->ssi_signo;

	if (signo == SIGCONT)
		send_control(control, our_place(l), 0);
	send_control(control, tty || signo == SIGWINCH ? CONTROL_TTY_SIGNAL : CONTROL_SIGNAL,
		     signo);
}

/* Until the kernel process ends: its wait status. */
static int attend(const struct launch *l, pid_t kernel_pid, int control, int connector, int signals)
{
	struct pollfd fds[3] = { { .fd = signals, .events = POLLIN },
				 { .fd = control, .events = POLLIN },
				 { .fd = connector, .events = POLLIN } };
	struct signalfd_siginfo si;
	struct control_msg m;
	int wstatus;

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents) {
			if (host_read(control, &m, sizeof(m)) == (ssize_t)sizeof(m))
				from_kernel(l, control, &m);
			else
				fds[1].fd = -1; /* it is ending */
		}
		if (fds[2].revents && !connector_serve(connector, l->cfg))
			fds[2].fd = -1;
		if (!fds[0].revents || host_read(signals, &si, sizeof(si)) != (ssize_t)sizeof(si))
			continue;
		if (si.ssi_signo != SIGCHLD)
			relay(l, control, &si);
		else if (waitpid(kernel_pid, &wstatus, WNOHANG) == kernel_pid)
			return wstatus;
	}
}

/* The exit status for our caller. */
static int exit_status(const struct boot_config *cfg, int wstatus, int status_fd)
{
	struct launch_status st = { .code = -1 };

	if (host_read(status_fd, &st, sizeof(st)) == (ssize_t)sizeof(st))
		return st.code;
	if (WIFSIGNALED(wstatus))
		fprintf(stderr, "nacre: the kernel process was killed by signal %d%s\n",
			WTERMSIG(wstatus), cfg->log_file ? "; see the log" : "");
	else
		fprintf(stderr, "nacre: the kernel process ended too early\n");
	return BOOT_EXIT_FAILED;
}

/* A guest that ended by a signal may have left the terminal raw. */
static void restore_terminal(const struct launch *l, const struct termios *before, int code)
{
	if (l->console_fd >= 0 && (code >= 124 && code != BOOT_EXIT_NOTFOUND) &&
	    our_place(l) == CONTROL_FOREGROUND)
		(void)tcsetattr(l->console_fd, TCSADRAIN, before);
}

/* What the caller ignores and blocks is the guest's, and how nice it is; we want to hear
 * of our child, and be killed by what we do not relay. */
static void inherit(struct launch *l)
{
	const uint64_t none = 0;

	l->ignored = host_ignored_signals();
	(void)host_sigprocmask(SIG_SETMASK, &none, &l->blocked);
	signal(SIGCHLD, SIG_DFL);
	l->nice = getpriority(PRIO_PROCESS, 0);
}

/* With less, programs would meet strange errors, or nothing starts at all. The sizes
 * are those of sparse files. */
static bool limits_suffice(void)
{
	static const struct {
		int resource;
		uint64_t least, unit;
		const char *what;
	} needs[] = {
		{ RLIMIT_NOFILE, 64, 1, "ulimit -n (descriptors)" },
		{ RLIMIT_AS, (uint64_t)5 << 30, 1024, "ulimit -v (address space, KiB)" },
		{ RLIMIT_FSIZE, (uint64_t)8 << 30, 1024, "ulimit -f (file size, KiB)" },
	};
	struct rlimit lim;

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		if (getrlimit(needs[i].resource, &lim) < 0)
			continue;
		/* Descriptors are raised to what they may be. */
		if ((needs[i].unit == 1 ? lim.rlim_max : lim.rlim_cur) >= needs[i].least)
			continue;
		fprintf(stderr, "nacre: %s is too low: at least %llu are needed\n", needs[i].what,
			(unsigned long long)(needs[i].least / needs[i].unit));
		return false;
	}
	return true;
}

int boot_run(const struct boot_config *cfg)
{
	static struct launch l;
	int control[2], connector[2], status[2], signals, code;
	struct termios modes;
	sigset_t set;
	pid_t pid;

	if (!limits_suffice())
		return BOOT_EXIT_FAILED;
	reserve_stdio();
	inherit(&l);
	find_console(&l);
	if (l.console_fd >= 0)
		(void)tcgetattr(l.console_fd, &modes);
	if (prepare(&l, cfg) < 0)
		return BOOT_EXIT_FAILED;
	if (host_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 ||
	    host_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, connector) < 0 ||
	    host_pipe2(status, O_CLOEXEC) < 0) {
		fprintf(stderr, "nacre: cannot make a channel to the kernel process\n");
		return BOOT_EXIT_FAILED;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(relayed); i++)
		sigaddset(&set, relayed[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0)
		return BOOT_EXIT_FAILED;
	l.control_fd = control[1];
	l.connector_fd = connector[1];
	l.status_fd = status[1];
	pid = walls_fork();
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		host_close(control[0]);
		host_close(connector[0]);
		host_close(status[0]);
		host_close(signals);
		sandbox_main(&l);
	}
	if (pid < 0) {
		fprintf(stderr, "nacre: cannot fork: %s\n", strerror((int)-pid));
		return BOOT_EXIT_FAILED;
	}
	host_close(control[1]);
	host_close(connector[1]);
	host_close(status[1]);
	connector_forget(cfg);
	code = exit_status(cfg, attend(&l, pid, control[0], connector[0], signals), status[0]);
	restore_terminal(&l, &modes, code);
	return code;
}
