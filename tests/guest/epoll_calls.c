/* epoll: level and edge triggering, one-shot, changes, closed files, nesting,
 * many descriptors, threads that wait, masks and times, errors. */
#include <fcntl.h>
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "waitfor.h"
#include "tmpdir.h"

static void add(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
}

static int ready(int ep)
{
	struct epoll_event ev[8];

	return epoll_wait(ep, ev, 8, 0);
}

static void triggering(void)
{
	int ep = epoll_create1(0), fd[2];
	struct epoll_event ev;
	char c;

	CHECK(pipe2(fd, O_NONBLOCK) == 0);
	add(ep, fd[0], EPOLLIN);
	CHECK_EQ(ready(ep), 0);
	CHECK_EQ(write(fd[1], "ab", 2), 2);
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	CHECK(ev.events == EPOLLIN && ev.data.fd == fd[0]);
	CHECK_EQ(ready(ep), 1);
	ev.events = EPOLLIN | EPOLLET;
	CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, fd[0], &ev) == 0);
	CHECK_EQ(ready(ep), 1);
	CHECK_EQ(ready(ep), 0);
	CHECK_EQ(read(fd[0], &c, 1), 1);
	CHECK_EQ(ready(ep), 0);
	CHECK_EQ(write(fd[1], "c", 1), 1);
	CHECK_EQ(ready(ep), 1);
	CHECK_EQ(ready(ep), 0);
	ev.events = EPOLLIN | EPOLLONESHOT;
	CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, fd[0], &ev) == 0);
	CHECK_EQ(ready(ep), 1);
	CHECK_EQ(write(fd[1], "d", 1), 1);
	CHECK_EQ(ready(ep), 0);
	CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, fd[0], &ev) == 0);
	CHECK_EQ(ready(ep), 1);
	CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, fd[0], NULL) == 0);
	CHECK_EQ(ready(ep), 0);
	/* A hang-up comes unasked. */
	add(ep, fd[0], 0);
	close(fd[1]);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 1000), 1);
	CHECK_EQ(ev.events, EPOLLHUP);
	close(fd[0]);
	CHECK_EQ(ready(ep), 0);
	close(ep);
}

/* The file is watched, not the number: a duplicate keeps it alive. */
static void duplicates(void)
{
	int ep = epoll_create1(0), fd = eventfd(1, 0), copy = dup(fd);

	add(ep, fd, EPOLLIN);
	add(ep, copy, EPOLLIN);
	CHECK_EQ(ready(ep), 2);
	close(fd);
	CHECK_EQ(ready(ep), 2);
	close(copy);
	CHECK_EQ(ready(ep), 0);
	close(ep);
}

static void nesting(void)
{
	int outer = epoll_create1(0), inner = epoll_create1(0), fd = eventfd(0, 0);
	struct epoll_event ev = { .events = EPOLLIN };
	uint64_t one = 1;

	add(inner, fd, EPOLLIN);
	add(outer, inner, EPOLLIN);
	CHECK_EQ(ready(outer), 0);
	CHECK_EQ(write(fd, &one, 8), 8);
	CHECK_EQ(ready(outer), 1);
	CHECK_ERR(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &ev), ELOOP);
	CHECK_ERR(epoll_ctl(inner, EPOLL_CTL_ADD, inner, &ev), EINVAL);
	close(fd);
	close(inner);
	close(outer);
}

/* An epoll that is polled looks at what it watches, not at its last report. */
static void nested_and_drained(void)
{
	int outer = epoll_create1(0), inner = epoll_create1(0), fd = eventfd(0, EFD_NONBLOCK);
	struct pollfd p = { .fd = inner, .events = POLLIN };
	uint64_t one = 1;

	add(inner, fd, EPOLLIN);
	add(outer, inner, EPOLLIN);
	CHECK_EQ(write(fd, &one, 8), 8);
	CHECK_EQ(ready(inner), 1);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(ready(outer), 1);
	CHECK_EQ(read(fd, &one, 8), 8);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(ready(outer), 0);
	CHECK_EQ(write(fd, &one, 8), 8);
	CHECK_EQ(ready(outer), 1);
	CHECK_EQ(ready(inner), 1);
	close(fd);
	CHECK_EQ(ready(outer), 0);
	close(inner);
	close(outer);
}

/* Room to write is no edge for who waits for input. */
static void edges_of_the_other_direction(void)
{
	int ep = epoll_create1(0), fd[2];
	char buf[1000] = { 0 };

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	add(ep, fd[0], EPOLLIN | EPOLLET);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EQ(ready(ep), 1);
	while (write(fd[0], buf, sizeof(buf)) > 0)
		;
	while (read(fd[1], buf, sizeof(buf)) > 0)
		;
	CHECK_EQ(ready(ep), 0);
	CHECK_EQ(write(fd[1], "y", 1), 1);
	CHECK_EQ(ready(ep), 1);
	close(fd[0]);
	close(fd[1]);
	close(ep);
}

static void many(void)
{
	int ep = epoll_create1(0), fds[300];
	struct epoll_event ev[400];
	char seen[2048] = { 0 };
	int n = 0, r;

	for (int i = 0; i < 300; i++) {
		fds[i] = eventfd(1, EFD_NONBLOCK);
		CHECK(fds[i] >= 0 && fds[i] < 2048);
		add(ep, fds[i], EPOLLIN | EPOLLET);
	}
	while ((r = epoll_wait(ep, ev, 400, 0)) > 0) {
		for (int i = 0; i < r; i++) {
			CHECK(!seen[ev[i].data.fd]);
			seen[ev[i].data.fd] = 1;
		}
		n += r;
		CHECK_EQ(n, 300); /* all at once */
	}
	CHECK_EQ(n, 300);
	/* A small buffer gives everybody a turn. */
	for (int i = 0; i < 300; i++) {
		ev[0] = (struct epoll_event){ .events = EPOLLIN, .data.fd = fds[i] };
		CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, fds[i], ev) == 0);
	}
	memset(seen, 0, sizeof(seen));
	n = 0;
	for (int turn = 0; turn < 300; turn++) {
		CHECK_EQ(epoll_wait(ep, ev, 1, 0), 1);
		n += !seen[ev[0].data.fd];
		seen[ev[0].data.fd] = 1;
	}
	CHECK_EQ(n, 300);
	for (int i = 0; i < 300; i++)
		close(fds[i]);
	close(ep);
}

static int shared_ep;

struct waits {
	int fd;
	volatile pid_t tid;
	pthread_t th;
};

static void *waiter(void *arg)
{
	struct waits *w = arg;
	struct epoll_event ev;

	w->tid = (pid_t)syscall(SYS_gettid);
	CHECK_EQ(epoll_wait(shared_ep, &ev, 1, 60000), 1);
	CHECK_EQ(ev.data.fd, w->fd);
	return NULL;
}

/* A thread that waits for fd's event, and sleeps by now. */
static void start_waiter(struct waits *w, int fd)
{
	w->fd = fd;
	w->tid = 0;
	CHECK(pthread_create(&w->th, NULL, waiter, w) == 0);
	WAIT_UNTIL(w->tid);
	wait_asleep(w->tid, SYS_epoll_wait);
}

static void threads(void)
{
	int fd = eventfd(0, 0);
	uint64_t one = 1;
	struct waits a, b;

	shared_ep = epoll_create1(EPOLL_CLOEXEC);
	CHECK_EQ(fcntl(shared_ep, F_GETFD), FD_CLOEXEC);
	add(shared_ep, fd, EPOLLIN | EPOLLEXCLUSIVE);
	start_waiter(&a, fd);
	CHECK_EQ(write(fd, &one, 8), 8);
	CHECK(pthread_join(a.th, NULL) == 0);
	close(fd);
	/* What nobody has read yet wakes the next waiter, too. */
	fd = eventfd(0, 0);
	add(shared_ep, fd, EPOLLIN);
	start_waiter(&a, fd);
	start_waiter(&b, fd);
	CHECK_EQ(write(fd, &one, 8), 8);
	CHECK(pthread_join(a.th, NULL) == 0);
	CHECK(pthread_join(b.th, NULL) == 0);
	close(fd);
	/* A file that is added while somebody waits. */
	fd = eventfd(1, 0);
	start_waiter(&a, fd);
	add(shared_ep, fd, EPOLLIN);
	CHECK(pthread_join(a.th, NULL) == 0);
	close(fd);
	close(shared_ep);
}

static volatile sig_atomic_t handled;

static void on_alarm(int sig)
{
	(void)sig;
	handled++;
}

static void signals_and_times(void)
{
	struct itimerval it = { { 0, 0 }, { 0, 20000 } };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct timespec ts = { 0, 20000000 }, bad = { 0, -1 }, a, b;
	int ep = epoll_create1(0);
	struct epoll_event ev;
	sigset_t block, none;
	pid_t pid;

	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	pid = signal_when_asleep(SIGALRM, SYS_epoll_wait, 1);
	CHECK_ERR(epoll_wait(ep, &ev, 1, 60000), EINTR);
	CHECK_EQ(handled, 1);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	sigprocmask(SIG_BLOCK, &block, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	CHECK_ERR(epoll_pwait(ep, &ev, 1, 60000, &none), EINTR);
	CHECK_EQ(handled, 2);
	clock_gettime(CLOCK_MONOTONIC, &a);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 20), 0);
	if (syscall(SYS_epoll_pwait2, ep, &ev, 1, &ts, NULL, 0) == 0) {
		clock_gettime(CLOCK_MONOTONIC, &b);
		CHECK((b.tv_sec - a.tv_sec) * 1000000000l + b.tv_nsec - a.tv_nsec >= 40000000);
		CHECK_ERR(syscall(SYS_epoll_pwait2, ep, &ev, 1, &bad, NULL, 0), EINVAL);
	}
	CHECK_ERR(syscall(SYS_epoll_pwait, ep, &ev, 1, 0, &none, 4), EINVAL);
	close(ep);
}

static void errors(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0), fd[2], file;

	CHECK(pipe(fd) == 0);
	CHECK_ERR(epoll_create1(1), EINVAL);
	CHECK_ERR(syscall(SYS_epoll_create, 0), EINVAL);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &ev), EBADF);
	CHECK_ERR(epoll_ctl(999, EPOLL_CTL_ADD, fd[0], &ev), EBADF);
	CHECK_ERR(epoll_ctl(fd[0], EPOLL_CTL_ADD, fd[1], &ev), EINVAL);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_MOD, fd[0], &ev), ENOENT);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, fd[0], &ev), ENOENT);
	CHECK_ERR(epoll_ctl(ep, 9, fd[0], &ev), EINVAL);
	CHECK_ERR(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd[0], 1), EFAULT);
	add(ep, fd[0], EPOLLIN);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &ev), EEXIST);
	CHECK_ERR(epoll_wait(ep, &ev, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_epoll_wait, ep, &ev, -1, 0), EINVAL);
	CHECK_ERR(epoll_wait(fd[0], &ev, 1, 0), EINVAL);
	CHECK_ERR(epoll_wait(999, &ev, 1, 0), EBADF);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_ERR(syscall(SYS_epoll_wait, ep, 1, 1, 0), EFAULT);
	tmpdir_enter();
	file = open("f", O_CREAT | O_RDWR, 0600);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, file, &ev), EPERM);
	close(file);
	tmpdir_leave();
	close(fd[0]);
	close(fd[1]);
	close(ep);
}

int main(void)
{
	triggering();
	duplicates();
	nesting();
	nested_and_drained();
	edges_of_the_other_direction();
	many();
	threads();
	signals_and_times();
	errors();
	return 0;
}
