/*
 * The launcher. It opens what the sandbox needs of the host, so that a wrong
 * path is reported in the caller's words; forks the kernel process behind its
 * walls; then relays signals until that ends.
 *
 * Signals from the terminal (si_code SI_KERNEL) go to the guest's foreground
 * process group, others to its first process. A stop signal stops the launcher
 * itself too, so that the shell sees the job stop.
 */
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static int prepare(struct launch *l, const struct boot_config *cfg)
{
	l->cfg = cfg;
	l->root_fd = open_root(cfg);
	if (l->root_fd < 0)
		return l->root_fd;
	if (open_binds(cfg) < 0)
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

static void send_control(int fd, enum control_kind kind, int signo)
{
	struct control_msg m = { .kind = kind, .signo = signo };

	if (host_write(fd, &m, sizeof(m)) < 0)
		return; /* it is ending */
}

static void relay(int control, const siginfo_t *si)
{
	bool tty = si->si_code == SI_KERNEL;

	if (si->si_signo == SIGWINCH)
		send_control(control, CONTROL_WINCH, SIGWINCH);
	else
		send_control(control, tty ? CONTROL_TTY_SIGNAL : CONTROL_SIGNAL, si->si_signo);
	if (si->si_signo == SIGTSTP && tty)
		raise(SIGSTOP);
}

/* Waits for the end, relaying; the exit status for our caller. */
static int attend(pid_t kernel_pid, int control, int status_fd, const sigset_t *set,
		  const struct boot_config *cfg)
{
	struct launch_status st = { .code = -1 };
	siginfo_t si;
	int wstatus;

	for (;;) {
		if (sigwaitinfo(set, &si) < 0)
			continue;
		if (si.si_signo != SIGCHLD) {
			relay(control, &si);
			continue;
		}
		if (waitpid(kernel_pid, &wstatus, WNOHANG) == kernel_pid)
			break;
	}
	if (host_read(status_fd, &st, sizeof(st)) == (ssize_t)sizeof(st))
		return st.code;
	if (WIFSIGNALED(wstatus))
		fprintf(stderr, "nacre: the kernel process was killed by signal %d%s\n",
			WTERMSIG(wstatus), cfg->log_file ? "; see the log" : "");
	else
		fprintf(stderr, "nacre: the kernel process ended too early\n");
	return BOOT_EXIT_FAILED;
}

int boot_run(const struct boot_config *cfg)
{
	static struct launch l;
	int control[2], status[2];
	sigset_t set;
	pid_t pid;

	reserve_stdio();
	if (prepare(&l, cfg) < 0)
		return BOOT_EXIT_FAILED;
	if (host_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 ||
	    host_pipe2(status, O_CLOEXEC) < 0) {
		fprintf(stderr, "nacre: cannot make a channel to the kernel process\n");
		return BOOT_EXIT_FAILED;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(relayed); i++)
		sigaddset(&set, relayed[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	l.control_fd = control[1];
	l.status_fd = status[1];
	pid = walls_fork();
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		host_close(control[0]);
		host_close(status[0]);
		sandbox_main(&l);
	}
	if (pid < 0) {
		fprintf(stderr, "nacre: cannot fork: %s\n", strerror((int)-pid));
		return BOOT_EXIT_FAILED;
	}
	host_close(control[1]);
	host_close(status[1]);
	return attend(pid, control[0], status[0], &set, cfg);
}
