/* POSIX message queues: names, sending, waiting, notification, the files. */
#include <dirent.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#include "say.h"
#include "waitfor.h"

#define NAME "/nacre-queue"

static char buf[9000];

static mqd_t make(const char *name, int flags, long maxmsg, long msgsize)
{
	struct mq_attr a = { .mq_maxmsg = maxmsg, .mq_msgsize = msgsize };

	return mq_open(name, flags | O_CREAT, 0600, &a);
}

/* The calls as they are: the C library looks at names and arguments itself. */
static long raw_open(const char *name, int flags)
{
	return syscall(SYS_mq_open, name, flags, 0600, NULL);
}

static int put(mqd_t q, const char *text, unsigned prio)
{
	return mq_send(q, text, strlen(text), prio);
}

static void get(mqd_t q, size_t size)
{
	unsigned prio = 77;
	long n;

	memset(buf, 0, sizeof(buf));
	n = mq_receive(q, buf, size, &prio);
	if (n < 0)
		printf("get: %s\n", strerrorname_np(errno));
	else
		printf("get: %ld bytes, priority %u: %s\n", n, prio, buf);
	fflush(stdout);
}

static struct timespec in_ms(long ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += ms * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static long waiting_messages(mqd_t q)
{
	struct mq_attr a;

	return mq_getattr(q, &a) < 0 ? -1 : a.mq_curmsgs;
}

static void names(void)
{
	char long_name[300];
	mqd_t q, r;

	SAY(raw_open("none", O_RDWR));
	SAY(raw_open("", O_RDWR | O_CREAT));
	SAY(raw_open(".", O_RDWR | O_CREAT));
	SAY(raw_open("..", O_RDWR));
	SAY(raw_open("a/b", O_RDWR | O_CREAT));
	SAY(raw_open("/a", O_RDWR | O_CREAT));
	SAY(raw_open((char *)8, O_RDWR));
	memset(long_name, 'x', sizeof(long_name));
	long_name[256] = 0;
	SAY(raw_open(long_name, O_RDWR | O_CREAT));
	long_name[255] = 0;
	SAY_OK(q = raw_open(long_name, O_RDWR | O_CREAT));
	close(q);
	SAY(syscall(SYS_mq_unlink, long_name));
	SAY(syscall(SYS_mq_unlink, long_name));
	SAY(syscall(SYS_mq_unlink, ""));
	SAY(syscall(SYS_mq_unlink, "a/b"));
	SAY_OK(q = make(NAME, O_RDWR, 4, 100));
	SAY(fcntl(q, F_GETFD));
	SAY(fcntl(q, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_CREAT));
	SAY(make(NAME, O_RDWR | O_EXCL, 4, 100));
	SAY_OK(r = make(NAME, O_RDONLY, -7, -7)); /* it is there: no matter */
	SAY(put(q, "same", 0));
	get(r, 100);
	SAY(put(r, "read only", 0));
	SAY(mq_unlink(NAME));
	SAY(mq_open(NAME, O_RDWR));
	SAY(put(q, "still", 0));
	get(r, 100);
	SAY_OK(raw_open("other", O_RDWR | O_CREAT | O_EXCL));
	SAY(mq_unlink("/other"));
	mq_close(q);
	SAY(mq_close(r));
	SAY(mq_close(r));
}

static void sizes(void)
{
	struct mq_attr a = { 0 }, old = { 0 };
	mqd_t q;

	SAY(make(NAME, O_RDWR, 0, 10));
	SAY(make(NAME, O_RDWR, 10, 0));
	SAY(make(NAME, O_RDWR, -1, 10));
	SAY(make(NAME, O_RDWR, 65537, 10));
	SAY(make(NAME, O_RDWR, 1, (16 << 20) + 1));
	SAY(mq_open(NAME, O_RDWR | O_CREAT, 0600, (struct mq_attr *)8));
	SAY_OK(q = mq_open(NAME, O_RDWR | O_CREAT, 0640, NULL));
	SAY(mq_getattr(q, &a));
	printf("%ld %ld %ld %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
	mq_close(q);
	mq_unlink(NAME);
	SAY_OK(q = make(NAME, O_RDWR | O_NONBLOCK, 3, 10));
	SAY(put(q, "0123456789", 0));
	SAY(put(q, "0123456789x", 0));
	SAY(mq_send(q, NULL, 0, 5));
	SAY(mq_send(q, (char *)8, 3, 5));
	SAY(mq_send(q, "x", 1, 32767));
	SAY(mq_send(q, "x", 1, 32768));
	SAY(put(q, "full", 0));
	SAY(waiting_messages(q));
	get(q, 9);
	get(q, 10);
	get(q, 10);
	SAY(mq_receive(q, (char *)8, 10, NULL)); /* and it is gone */
	get(q, 10);
	SAY(mq_getattr(q, &a));
	SAY(a.mq_flags);
	a.mq_flags = 1;
	SAY(mq_setattr(q, &a, NULL));
	a.mq_flags = 0;
	a.mq_maxmsg = 100;
	SAY(mq_setattr(q, &a, &old));
	a = old;
	printf("%ld %ld %ld %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
	SAY(fcntl(q, F_GETFL) & O_NONBLOCK);
	SAY(put(0, "x", 0));
	SAY(mq_receive(99, buf, 100, NULL));
	SAY(mq_getattr(0, &a));
	mq_close(q);
	mq_unlink(NAME);
}

static void order(void)
{
	mqd_t q = make(NAME, O_RDWR, 10, 20);

	put(q, "low", 1);
	put(q, "high", 9);
	put(q, "low again", 1);
	put(q, "middle", 5);
	put(q, "high again", 9);
	for (int i = 0; i < 5; i++)
		get(q, 20);
	mq_close(q);
	mq_unlink(NAME);
}

static volatile sig_atomic_t hits;
static siginfo_t told;

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	hits++;
	told = *info;
}

static pid_t receiver(mqd_t q)
{
	pid_t pid = fork();

	if (pid == 0) {
		long n = mq_receive(q, buf, sizeof(buf), NULL);

		_exit(n < 0 ? 100 : (int)n);
	}
	wait_asleep(pid, SYS_mq_timedreceive);
	return pid;
}

static void waiting(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct timespec soon, past = { 1, 0 }, bad = { 0, 1000000000 };
	mqd_t q = make(NAME, O_RDWR, 2, 20);
	pid_t a, b, parent = getpid();

	soon = in_ms(20);
	SAY(mq_timedreceive(q, buf, 20, NULL, &soon));
	SAY(mq_timedreceive(q, buf, 20, NULL, &past));
	SAY(mq_timedreceive(q, buf, 20, NULL, &bad));
	SAY(mq_timedsend(q, "x", 1, 0, &past)); /* it need not wait */
	SAY(mq_timedsend(q, "x", 1, 0, &bad));
	put(q, "y", 0);
	SAY(mq_timedsend(q, "z", 1, 0, &past));
	soon = in_ms(20);
	SAY(mq_timedsend(q, "z", 1, 0, &soon));
	/* Who waits to send comes in when there is room. */
	a = fork();
	if (a == 0)
		_exit(put(q, "urgent", 3));
	wait_asleep(a, SYS_mq_timedsend);
	SAY(waiting_messages(q));
	get(q, 20);
	SAY(reap(a));
	SAY(waiting_messages(q));
	get(q, 20);
	get(q, 20);
	/* The first who waits gets it. */
	a = receiver(q);
	b = receiver(q);
	SAY(put(q, "four", 0));
	SAY(WEXITSTATUS(reap(a)));
	SAY(put(q, "fives", 0));
	SAY(WEXITSTATUS(reap(b)));
	/* Signals. */
	sigaction(SIGUSR1, &sa, NULL);
	a = fork();
	if (a == 0) {
		wait_asleep(parent, SYS_mq_timedreceive);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	SAY(mq_receive(q, buf, 20, NULL));
	reap(a);
	sa.sa_flags |= SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	a = fork();
	if (a == 0) {
		wait_asleep(parent, SYS_mq_timedreceive);
		kill(parent, SIGUSR1);
		wait_asleep(parent, SYS_mq_timedreceive);
		_exit(put(q, "restarted", 0));
	}
	get(q, 20);
	SAY(hits);
	reap(a);
	mq_close(q);
	mq_unlink(NAME);
}

static void polling(void)
{
	mqd_t q = make(NAME, O_RDWR, 1, 20);
	struct pollfd p = { q, POLLIN | POLLOUT, 0 };
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);
	pid_t pid, parent = getpid();

	SAY(poll(&p, 1, 0));
	SAY(p.revents);
	SAY(epoll_ctl(ep, EPOLL_CTL_ADD, q, &ev));
	SAY(epoll_wait(ep, &ev, 1, 0));
	pid = fork();
	if (pid == 0) {
		wait_asleep(parent, SYS_epoll_wait);
		_exit(put(q, "x", 0));
	}
	SAY(epoll_wait(ep, &ev, 1, 60000));
	SAY(poll(&p, 1, 0));
	SAY(p.revents);
	reap(pid);
	get(q, 20);
	SAY(epoll_wait(ep, &ev, 1, 0));
	close(ep);
	mq_close(q);
	mq_unlink(NAME);
}

static void show_state(mqd_t q)
{
	char text[200];
	char *pid;
	long n = pread(q, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = 0;
	pid = strstr(text, "NOTIFY_PID:");
	if (pid)
		printf("%ld bytes: %.*s%s\n", n, (int)(pid - text), text,
		       atoi(pid + 11) == getpid() ? "me"
		       : atoi(pid + 11) == 0      ? "nobody"
						  : "?");
	fflush(stdout);
}

static void notification(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	mqd_t q = make(NAME, O_RDWR, 4, 20), other;
	pid_t pid;

	sigaction(SIGUSR2, &sa, NULL);
	hits = 0;
	ev.sigev_value.sival_int = 42;
	SAY(mq_notify(q, NULL));
	SAY(mq_notify(q, &ev));
	SAY(mq_notify(q, &ev));
	show_state(q);
	IN_CHILD(SAY(mq_notify(q, &ev)); SAY(mq_notify(q, NULL)); put(q, "x", 0));
	SAY(hits);
	SAY(told.si_signo == SIGUSR2 && told.si_code == SI_MESGQ);
	SAY(told.si_value.sival_int);
	SAY(told.si_pid != getpid());
	show_state(q);
	/* Once, and only when it was empty. */
	SAY(mq_notify(q, &ev));
	put(q, "y", 0);
	SAY(hits);
	get(q, 20);
	get(q, 20);
	/* Not when somebody waits for the message. */
	pid = receiver(q);
	put(q, "for him", 0);
	reap(pid);
	SAY(hits);
	put(q, "z", 0);
	SAY(hits);
	get(q, 20);
	/* Taken back; gone with a descriptor. */
	SAY(mq_notify(q, &ev));
	SAY(mq_notify(q, NULL));
	put(q, "z", 0);
	get(q, 20);
	SAY(hits);
	SAY(mq_notify(q, &ev));
	other = mq_open(NAME, O_RDONLY);
	mq_close(other);
	show_state(q);
	IN_CHILD(SAY(mq_notify(q, &ev)));
	show_state(q);
	ev.sigev_notify = SIGEV_NONE;
	SAY(mq_notify(q, &ev));
	SAY(mq_notify(q, &ev));
	show_state(q);
	put(q, "z", 0);
	show_state(q);
	get(q, 20);
	ev.sigev_notify = 77;
	SAY(mq_notify(q, &ev));
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = 65;
	SAY(mq_notify(q, &ev));
	ev.sigev_signo = 0;
	SAY(mq_notify(q, &ev));
	SAY(mq_notify(q, NULL));
	SAY(mq_notify(0, &ev));
	SAY(syscall(SYS_mq_notify, q, (void *)8));
	ev.sigev_notify = SIGEV_THREAD;
	ev.sigev_value.sival_ptr = buf;
	ev.sigev_signo = 0;
	SAY(syscall(SYS_mq_notify, q, &ev));
	ev.sigev_signo = 99;
	SAY(syscall(SYS_mq_notify, q, &ev));
	ev.sigev_value.sival_ptr = NULL;
	SAY(syscall(SYS_mq_notify, q, &ev));
	mq_close(q);
	mq_unlink(NAME);
}

static volatile int thread_told;

static void in_thread(union sigval v)
{
	thread_told = v.sival_int;
}

static void notification_by_thread(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD };
	mqd_t q = make(NAME, O_RDWR, 4, 20);

	ev.sigev_notify_function = in_thread;
	ev.sigev_value.sival_int = 55;
	SAY(mq_notify(q, &ev));
	SAY(put(q, "x", 0));
	WAIT_UNTIL(thread_told);
	SAY(thread_told);
	SAY(mq_notify(q, &ev));
	SAY(mq_notify(q, NULL));
	mq_close(q);
	mq_unlink(NAME);
}

static void limits(void)
{
	struct rlimit little = { 5000, 5000 };

	IN_CHILD(setrlimit(RLIMIT_MSGQUEUE, &little); setuid(54322);
		 SAY_OK(make("/mq-a", O_RDWR, 10, 100)); SAY(make("/mq-b", O_RDWR, 10, 400));
		 SAY(make("/mq-b", O_RDWR, 10, 210)); SAY_OK(make("/mq-b", O_RDWR, 10, 200));
		 SAY(mq_unlink("/mq-a")); SAY(mq_unlink("/mq-b"));
		 SAY(make("/mq-c", O_RDWR, 10, 100)));
	if (geteuid() != 0)
		return;
	IN_CHILD(setuid(54323); SAY(make("/mq-d", O_RDWR, 11, 100));
		 SAY(make("/mq-d", O_RDWR, 10, 8193)); SAY_OK(make("/mq-d", O_RDWR, 10, 8192));
		 SAY(mq_unlink("/mq-d")));
	SAY_OK(make("/mq-e", O_RDWR, 10, 8192));
	IN_CHILD(setgid(77); setuid(54323); SAY(mq_open("/mq-e", O_RDONLY));
		 SAY(mq_unlink("/mq-e")));
	SAY(mq_unlink("/mq-e"));
}

/* The directory: the same queues, as files. */
static void files(void)
{
	int types[3] = { 0 };
	struct statfs sfs;
	struct dirent *d;
	struct stat st;
	mqd_t q;
	DIR *dir;
	int fd;

	(void)!unshare(CLONE_NEWNS);
	mkdir("queues", 0755);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("mqueue", "queues", "mqueue", 0, NULL) < 0) {
		rmdir("queues");
		if (symlink("/dev/mqueue", "queues") < 0)
			return;
	}
	umask(022);
	q = mq_open(NAME, O_RDWR | O_CREAT, 0666, NULL);
	put(q, "hello", 0);
	SAY(stat("queues/nacre-queue", &st));
	SAY(st.st_mode);
	SAY(st.st_size);
	SAY(st.st_nlink);
	SAY(fstat(q, &st));
	SAY(stat("queues/.", &st));
	SAY(st.st_mode);
	SAY(st.st_size);
	SAY(statfs("queues/.", &sfs));
	SAY(sfs.f_type == 0x19800202);
	fd = open("queues/by-name", O_CREAT | O_RDWR, 0644);
	SAY(fd >= 0);
	show_state(q);
	SAY(write(fd, "x", 1));
	SAY(lseek(q, 0, SEEK_END));
	close(fd);
	dir = opendir("queues/.");
	while ((d = readdir(dir)))
		types[d->d_name[0] == '.' ? 0 : d->d_name[0] == 'n' ? 1 : 2] += 1 + d->d_type;
	closedir(dir);
	SAY(types[0]); /* two directories */
	SAY(types[1]);
	SAY(types[2]);
	SAY(mkdir("queues/dir", 0700));
	SAY(rename("queues/by-name", "queues/another"));
	SAY(link("queues/by-name", "queues/another"));
	SAY(symlink("x", "queues/another"));
	SAY(unlink("queues/by-name"));
	SAY(mq_unlink(NAME));
	SAY(stat("queues/nacre-queue", &st));
	SAY(fstat(q, &st) == 0 ? (long)st.st_nlink : -1);
	mq_close(q);
	umount("queues");
	rmdir("queues");
	unlink("queues");
}

int main(void)
{
	(void)!unshare(CLONE_NEWIPC);
	names();
	sizes();
	order();
	waiting();
	polling();
	notification();
	notification_by_thread();
	limits();
	files();
	return 0;
}
