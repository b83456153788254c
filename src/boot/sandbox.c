/*
 * The kernel process, from its first instruction to its last.
 *
 * The order matters and is the same every time:
 *	1. die with the launcher; a session of our own; the log
 *	2. the platform: its zygote is a fork of us, so before threads, large
 *	   mappings and our own filter
 *	3. the memory file, the mount tree, descriptors 0 to 2
 *	4. the outer walls, then the seccomp filter: from here on nothing new
 *	   can be reached
 *	5. the first program; wait for its end; tear down
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/kmem.h"
#include "base/log.h"
#include "base/pool.h"
#include "boot/console.h"
#include "boot/internal.h"
#include "fs/epoll/epoll.h"
#include "fs/mqueue/mqueue.h"
#include "fs/eventfd/eventfd.h"
#include "fs/hostfd/hostfd.h"
#include "fs/pipe/pipe.h"
#include "fs/tty/tty.h"
#include "host/host.h"
#include "host/proc.h"
#include "host/safecopy.h"
#include "ipc/ipc.h"
#include "loader/loader.h"
#include "syscall/exec.h"
#include "syscall/stats.h"
#include "syscall/strace.h"
#include "syscall/syscall.h"
#include "uring/uring.h"

#define NAME_SHOWN 300 /* of a command's, so that what is wrong with it is seen */

static struct kernel kernel;

NORETURN static void end_with(const struct launch *l, int code)
{
	struct launch_status st = { .code = code };

	if (host_write(l->status_fd, &st, sizeof(st)) < 0)
		code = BOOT_EXIT_FAILED;
	host_exit(code & 0xff);
}

void say(const char *fmt, ...)
{
	static const char name[] = "nacre: ";
	char line[1024];
	size_t n = sizeof(name) - 1;
	va_list ap;
	int body;

	memcpy(line, name, n);
	va_start(ap, fmt);
	body = vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	if (body > 0)
		n += MIN((size_t)body, sizeof(line) - n - 1);
	line[n++] = '\n';
	if (host_write(2, line, n) < 0)
		log_error("%.*s", (int)n - 1, line);
}

NORETURN static void fail(const struct launch *l, const char *what, int err)
{
	say("%s: %s", what, strerror(-err));
	end_with(l, BOOT_EXIT_FAILED);
}

/* ---- 1 ---- */

static void detach_from_caller(const struct launch *l)
{
	struct rlimit lim;

	(void)host_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)!host_setsid();
	(void)host_prctl(PR_SET_NAME, (unsigned long)"nacre-kernel", 0, 0, 0);
	(void)host_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	log_init(l->log_fd, (enum log_level)l->cfg->log_level);
	host_random(&hash_key, sizeof(hash_key));
	/* Guests open files through descriptors of ours. */
	if (host_prlimit(0, RLIMIT_NOFILE, NULL, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)!host_prlimit(0, RLIMIT_NOFILE, &lim, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
}

/* ---- 2, 3 ---- */

static unsigned host_cpus(void)
{
	uint64_t mask[16] = { 0 };
	unsigned n = 0;
	int r = host_sched_getaffinity(0, mask, sizeof(mask));

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(mask); i++)
		n += (unsigned)__builtin_popcountll(mask[i]);
	return n ? n : 1;
}

/* Nothing more can be evicted. */
static void memory_is_short(void *arg, uint64_t excess)
{
	static atomic_bool said;

	if (!oom_kill(arg) && !atomic_exchange(&said, true))
		log_warn("guests use %llu KiB more memory than the limit, and none of them may be "
			 "killed",
			 (unsigned long long)excess >> 10);
}

/* Then the job that the user's shell sees stops too. */
static void first_stopped(int signo)
{
	control_tell(CONTROL_STOPPED, signo);
}

/* Somebody killed what address spaces are made from. */
static void platform_broken(void *arg)
{
	fail(arg, "the process that makes others died", -ECHILD);
}

/* epoll_ctl(2) and epoll_wait(2) for io_uring, which knows no epoll. */
static int control_epoll(struct file *ep, int op, struct file *target, int fd, const void *event)
{
	struct epoll_event ev = { 0 };

	if (event)
		memcpy(&ev, event, sizeof(ev));
	return epoll_control(ep, op, target, fd, &ev);
}

static int events_epoll(struct file *ep, void *out, int max, const struct vfs_ctx *ctx)
{
	return epoll_wait_events(ep, out, max, 0, ctx);
}

static void uring_bring_up(const struct launch *l)
{
	static const struct uring_externals ext = {
		.file_is_eventfd = file_is_eventfd,
		.file_is_epoll = file_is_epoll,
		.epoll_control = control_epoll,
		.epoll_events = events_epoll,
		.pipe_create = pipe_create,
		.pipe_tee = pipe_tee,
	};

	uring_init(&ext);
	if (l->cfg->no_uring)
		uring_disable();
	if (l->cfg->uring_pages)
		uring_use_pages();
	if (l->cfg->no_uring_ops && uring_deny(l->cfg->no_uring_ops) < 0) {
		say("--no-io-uring-op %s: one of these is no operation of io_uring",
		    l->cfg->no_uring_ops);
		end_with(l, BOOT_EXIT_FAILED);
	}
}

/* What guests can have us allocate follows from the memory that they have, as in
 * Linux: an open file takes less than 10 KiB; pipes an eighth, up to 64 MiB; objects of
 * one type an eighth, at least 16 MiB; each use of base/kmem.h an eighth, up to 1 GiB. */
static void limit_kernel_memory(struct kernel *k)
{
	uint64_t objects = MAX(k->memory_limit / 8, (uint64_t)16 << 20);
	uint64_t files = MAX(k->memory_limit / 10240, (uint64_t)8192);

	vfs_set_files_max((unsigned)MIN(files, (uint64_t)4 << 20));
	k->pipe_memory = MIN(k->memory_limit / 8, (uint64_t)64 << 20);
	pipe_init(k->pipe_memory);
	pool_set_limit(objects);
	/* Files that only a cached name holds must not fill their pools. */
	vfs_set_names_max((unsigned)MIN(objects / 512, (uint64_t)65536));
	kmem_set_limit(MIN(k->memory_limit / 8, (uint64_t)1 << 30));
}

static void bring_up(struct kernel *k, const struct launch *l)
{
	const struct boot_config *cfg = l->cfg;
	const char *why = "";
	struct platform_options opt = { .name = cfg->platform,
					.why = &why,
					.broken = platform_broken,
					.broken_arg = (void *)(uintptr_t)l };
	int r;

	k->ncpus = cfg->ncpus ? cfg->ncpus : host_cpus();
	opt.ncpus = host_cpus();
	opt.pool_max = 8;
	r = platform_create(&opt, &k->platform);
	if (r < 0) {
		say("--platform %s: %s: %s", cfg->platform ? cfg->platform : "systrap", why,
		    strerror(-r));
		end_with(l, BOOT_EXIT_FAILED);
	}
	safecopy_init();
	block_safecopy = safecopy;
	block_safezero = safecopy_zero;
	r = memfile_create(l->memory, &k->memfile);
	if (r < 0)
		fail(l, "cannot make the memory file", r);
	k->memory_limit = memfile_limit(k->memfile);
	memfile_watch(k->memfile, memory_is_short, k);
	k->mm_env = (struct mm_env){ .platform = k->platform, .memfile = k->memfile, .aslr = true };
	k->no_trampolines = cfg->no_trampolines;
	k->boot_ns = host_clock_ns(CLOCK_BOOTTIME);
	mounts_register_types();
	snprintf(uts_ns_first.hostname, sizeof(uts_ns_first.hostname), "%s",
		 cfg->hostname ? cfg->hostname : "nacre");
	k->stats = &kernel_stats;
	static const struct task_ops ops = {
		.syscall = syscall_dispatch,
		.trace_signal = strace_signal,
		.trace_exit = strace_exit,
		.first_stopped = first_stopped,
		.uring_leave = uring_leave,
	};
	k->ops = &ops;
	r = task_init(k);
	if (r == 0)
		r = loader_vdso_init(k->memfile, k->platform);
	if (r < 0)
		fail(l, "cannot initialise the kernel", r);
	loader_vdso_set_cpus(k->ncpus);
	hostfd_init();
	limit_kernel_memory(k);
	epoll_init();
	tty_register_devices();
	uring_bring_up(l);
	r = ipc_init(k);
	if (r == 0)
		r = mqueue_init();
	if (r < 0)
		fail(l, "cannot initialise IPC", r);
	report_init(k);
}

static struct cred *first_cred(const struct launch *l)
{
	struct cred *c = cred_create(l->uid, l->gid);

	if (c && cred_set_groups(c, l->groups, l->ngroups) < 0)
		return NULL;
	return c;
}

static struct file *open_stdio(struct task *t, const struct launch *l, int fd)
{
	struct file *f = NULL;
	bool cloexec;
	int r;

	if (l->stdio_is_console[fd] && l->stdio_same_as[fd] < fd)
		return fdtable_get_file(t->files, l->stdio_same_as[fd], &cloexec);
	r = console_stdio(l, task_vfs_begin(t), fd, &f);
	task_vfs_end(t);
	if (r == 0)
		r = hostfd_file_create(fd, t->cred, &f);
	return r < 0 ? NULL : f;
}

/* The guest's 0, 1 and 2 are ours, where they were open for the launcher. */
static void install_stdio(struct task *t, const struct launch *l)
{
	for (int fd = 0; fd <= 2; fd++) {
		int flags = host_fcntl(fd, F_GETFD, 0);
		struct file *f;

		if (flags < 0 || (flags & FD_CLOEXEC))
			continue;
		f = open_stdio(t, l, fd);
		if (f && fd_install_at(t, f, fd, false) < 0)
			file_put(f);
	}
}

static struct fs_context *first_place(const struct launch *l, struct path root,
				      const struct cred *cred)
{
	struct vfs_ctx ctx = { .cred = cred, .root = root, .cwd = root };
	struct path cwd;
	struct waiter w;
	int r;

	waiter_init(&w);
	ctx.waiter = &w;
	r = vfs_lookup(&ctx, NULL, l->cwd, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &cwd);
	if (r < 0) {
		if (l->cfg->cwd)
			fail(l, l->cfg->cwd, r);
		cwd = root;
		path_get(&cwd);
	}
	return fs_context_create(root, cwd, 022);
}

/* ---- 5 ---- */

static int exec_status(int err)
{
	return err == -ENOENT || err == -ENOTDIR ? BOOT_EXIT_NOTFOUND : BOOT_EXIT_NOEXEC;
}

/* -ENOENT may mean the command, or what is to run it. */
static const char *exec_error(struct task *t, const char *command, int err)
{
	struct path found;

	if (err != -ENOENT)
		return strerror(-err);
	if (strchr(command, '/') &&
	    vfs_lookup(task_vfs_begin(t), NULL, command, LOOKUP_FOLLOW, &found) == 0) {
		path_put(&found);
		return "its interpreter is not there";
	}
	return "command not found";
}

static void start_first(struct kernel *k, const struct launch *l, struct path root)
{
	const struct boot_config *cfg = l->cfg;
	struct cred *cred = first_cred(l);
	struct fdtable *files;
	struct fs_context *fs;
	struct task *t;
	int r;

	if (!cred)
		fail(l, "cannot make credentials", -ENOMEM);
	files = fdtable_create();
	fs = first_place(l, root, cred);
	if (!files || !fs)
		fail(l, "cannot make the first process", -ENOMEM);
	r = task_create_first(k, cred, files, fs, &t);
	if (r < 0)
		fail(l, "cannot make the first process", r);
	signal_inherit(t, l->ignored, l->blocked);
	t->nice = l->nice;
	console_give(k);
	install_stdio(t, l);
	r = exec_first(t, cfg->argv[0], cfg->argv, cfg->envp);
	if (r < 0) {
		say("%.*s: %s", NAME_SHOWN, cfg->argv[0], exec_error(t, cfg->argv[0], r));
		end_with(l, exec_status(r));
	}
	r = task_start(t);
	if (r < 0)
		fail(l, "cannot start the first process", r);
}

/* Waits for the first process; a time limit kills it. Returns the exit status
 * as a shell would give it. */
static int wait_for_end(struct kernel *k, const struct launch *l)
{
	uint64_t deadline = l->cfg->timeout_ns ? host_clock_ns(CLOCK_MONOTONIC) + l->cfg->timeout_ns
					       : PARK_FOREVER;
	struct waitq_entry e;
	struct waiter w;
	bool timed_out = false;

	waiter_init(&w);
	waitq_entry_init(&e, &w, EV_ALL);
	waitq_add(&k->ended_waitq, &e);
	for (;;) {
		waiter_prepare(&w);
		if (atomic_load(&k->ended))
			break;
		if (waiter_wait(&w, deadline) == -ETIMEDOUT) {
			struct thread_group *g = pid_find_group(k, 2);

			timed_out = true;
			deadline = PARK_FOREVER;
			log_warn("time limit reached: killed");
			if (g)
				group_kill(g, SIGKILL);
			group_put(g);
		}
	}
	waitq_remove(&k->ended_waitq, &e);
	if (timed_out)
		return 124;
	if (WIFSIGNALED(k->exit_status))
		return 128 + WTERMSIG(k->exit_status);
	return WEXITSTATUS(k->exit_status);
}

/* One line: of walls, and of what only makes it slower. */
static void say_what_is_missing(struct kernel *k)
{
	bool has_clocks = platform_vdso_symbol(k->platform, "__vdso_clock_gettime") != 0;
	char missing[512];

	if (walls_describe_missing(missing, sizeof(missing)))
		log_warn("running without: %s%s", missing,
			 has_clocks ? "" : "; and without the host's clock functions");
	else if (!has_clocks)
		log_warn("running without: the host's clock functions (no /proc)");
}

NORETURN void sandbox_main(const struct launch *l)
{
	struct kernel *k = &kernel;
	const struct boot_config *cfg = l->cfg;
	struct super *devpts;
	struct path root;
	int r, code;

	detach_from_caller(l);
	platform_prepare();
	walls_enter(l);
	bring_up(k, l);
	r = mounts_build(k, l, &root, &devpts);
	if (r < 0)
		end_with(l, BOOT_EXIT_FAILED);
	k->has_job_control = l->has_job_control;
	r = console_init(k, l, devpts);
	if (r < 0)
		fail(l, "cannot hand the terminal over", r);
	r = filter_install();
	walls[WALL_SECCOMP].up = r == 0;
	if (r < 0)
		fail(l, "cannot install the kernel's seccomp filter", r);
	if (!cfg->quiet_walls)
		say_what_is_missing(k);
	if (cfg->strace && strace_enable(cfg->strace, l->log_fd) < 0)
		fail(l, "--strace: unknown system call or class in the filter", -EINVAL);
	r = control_start(k, l->control_fd);
	if (r < 0)
		fail(l, "cannot start the control thread", r);
	start_first(k, l, root);
	code = wait_for_end(k, l);
	task_kill_all(k);
	mounts_sync();
	if (cfg->stats)
		report_stats(k, l->err_fd, cfg->stats_json);
	platform_destroy(k->platform);
	end_with(l, code);
}
