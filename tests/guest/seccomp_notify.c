/* SECCOMP_RET_USER_NOTIF: a parent answers for its child's calls. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"
#include "filter.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define NR SYS_getpgid

static int listener;
static pid_t child;

static void send_fd(int sock, int fd)
{
	char c = 'x', ctl[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl)
	};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	CHECK_EQ(sendmsg(sock, &m, 0), 1);
}

static int recv_fd(int sock)
{
	char c, ctl[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl)
	};
	int fd;

	CHECK_EQ(recvmsg(sock, &m, 0), 1);
	CHECK(CMSG_FIRSTHDR(&m));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

/* A child that runs fn with a filter whose listener we have, and it has not. */
static void begin(void (*fn)(void), unsigned flags)
{
	int sock[2], fd;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sock) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		filter_prepare();
		fd = (int)filter_call(NR, SECCOMP_RET_USER_NOTIF,
				      SECCOMP_FILTER_FLAG_NEW_LISTENER | flags);
		CHECK(fd >= 0);
		CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
		send_fd(sock[1], fd);
		CHECK(close(fd) == 0 && close(sock[0]) == 0 && close(sock[1]) == 0);
		fn();
		_exit(0);
	}
	close(sock[1]);
	listener = recv_fd(sock[0]);
	close(sock[0]);
}

static int end_status(void)
{
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	if (listener >= 0)
		CHECK(close(listener) == 0);
	return status;
}

static struct seccomp_notif get(void)
{
	struct seccomp_notif n = { 0 };

	CHECK_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n), 0);
	return n;
}

static int reply(uint64_t id, int64_t val, int error, unsigned flags)
{
	struct seccomp_notif_resp r = { id, val, error, flags };

	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

/* There is one answer to a call, which perhaps has gone on already. */
static void answered(uint64_t id)
{
	CHECK(reply(id, 1, 0, 0) == -1);
	CHECK(errno == EINPROGRESS || errno == ENOENT);
}

static int events(int timeout)
{
	struct pollfd p = { listener, POLLIN | POLLOUT, 0 };

	CHECK(poll(&p, 1, timeout) >= 0);
	return p.revents;
}

/* ---- plain answers ---- */

static void ask_many(void)
{
	CHECK_EQ(getpgid(11), 1000);
	CHECK_EQ(getpgid(12), -1); /* any value goes */
	CHECK_ERR(getpgid(13), EXDEV);
	CHECK_EQ(getpgid(0), getpgrp());
	CHECK_EQ(syscall(NR, 15), -5000);
	CHECK_ERR(getpgid(16), 512);
}

static void answers(void)
{
	struct seccomp_notif n;
	uint64_t last;

	begin(ask_many, 0);
	n = get();
	CHECK_EQ(n.pid, child);
	CHECK_EQ(n.flags, 0);
	CHECK_EQ(n.data.nr, NR);
	CHECK_EQ(n.data.arch, AUDIT_ARCH_X86_64);
	CHECK_EQ(n.data.args[0], 11);
	CHECK(n.data.instruction_pointer != 0);
	CHECK_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id), 0);
	CHECK_EQ(reply(n.id, 1000, 0, 0), 0);
	answered(n.id);
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id), ENOENT);
	last = n.id;
	n = get();
	CHECK_EQ(n.id, last + 1);
	CHECK_EQ(reply(n.id, -1, 0, 0), 0);
	n = get();
	CHECK_EQ(reply(n.id, 77, -EXDEV, 0), 0); /* the error wins */
	n = get();
	CHECK_EQ(reply(n.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), 0);
	n = get();
	CHECK_EQ(reply(n.id, -5000, 0, 0), 0);
	n = get();
	CHECK_EQ(reply(n.id, 0, -512, 0), 0); /* no restart */
	CHECK_EQ(end_status(), 0);
}

static void ask_once(void)
{
	CHECK_EQ(getpgid(0), 1000);
}

static void errors(void)
{
	struct seccomp_notif n = { .pid = 1 };
	struct seccomp_notif_resp r = { 0 };
	uint64_t id;
	char *page;

	begin(ask_once, 0);
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n), EINVAL);
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, NULL), EFAULT);
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, NULL), EFAULT);
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, NULL), EFAULT);
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 2ul), EINVAL);
	CHECK_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1ul), 0);
	CHECK_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 0ul), 0);
	CHECK_ERR(ioctl(listener, 0x1234, 0), EINVAL);
	CHECK_ERR(ioctl(listener, TCGETS, 0), EINVAL);
	CHECK_ERR(read(listener, &n, sizeof(n)), EINVAL);
	CHECK_ERR(write(listener, &n, sizeof(n)), EINVAL);
	/* What could not be handed over is there again. */
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, page), EFAULT);
	CHECK(events(60000) & POLLIN);
	n = get();
	r.id = n.id;
	r.flags = 2;
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r), EINVAL);
	r.flags = 1;
	r.val = 1;
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r), EINVAL);
	id = n.id + 1;
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), ENOENT);
	CHECK_ERR(reply(id, 0, 0, 0), ENOENT);
	CHECK_EQ(reply(n.id, 1000, 0, 0), 0);
	CHECK_EQ(end_status(), 0);
}

/* ---- waiting for it ---- */

static int gate[2];

static void ask_when_let(void)
{
	char c;

	CHECK_EQ(read(gate[0], &c, 1), 1);
	ask_once();
}

static void polls(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct seccomp_notif n;
	int ep = epoll_create1(0);

	CHECK(pipe(gate) == 0);
	begin(ask_when_let, 0);
	CHECK_EQ(events(0), 0);
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev) == 0);
	CHECK_EQ(write(gate[1], "x", 1), 1);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 60000), 1);
	CHECK_EQ(ev.events, EPOLLIN);
	CHECK_EQ(events(0), POLLIN);
	n = get();
	CHECK_EQ(events(0), POLLOUT);
	CHECK_EQ(reply(n.id, 1000, 0, 0), 0);
	/* The child ends, and with it all who could ask. */
	while (!(events(60000) & POLLHUP))
		;
	CHECK_EQ(events(0), POLLHUP);
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &(struct seccomp_notif){ 0 }), ENOENT);
	close(ep);
	CHECK_EQ(end_status(), 0);
}

static void ask_without_listener(void)
{
	CHECK_ERR(getpgid(0), ENOSYS);
	CHECK_ERR(getpgid(0), ENOSYS);
}

static void listener_leaves(void)
{
	begin(ask_without_listener, 0);
	get();
	CHECK(close(listener) == 0);
	listener = -1;
	CHECK_EQ(end_status(), 0);
	begin(ask_without_listener, 0);
	CHECK(events(60000) & POLLIN);
	CHECK(close(listener) == 0);
	listener = -1;
	CHECK_EQ(end_status(), 0);
}

/* ---- signals ---- */

static volatile int handled;

static void on_signal(int signo)
{
	(void)signo;
	handled++;
}

static void ask_and_be_interrupted(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &sa, NULL);
	if (flags & SA_RESTART)
		CHECK_EQ(getpgid(0), 1000);
	else
		CHECK_ERR(getpgid(0), EINTR);
	CHECK_EQ(handled, 1);
}

static void ask_interrupted(void)
{
	ask_and_be_interrupted(0);
}

static void ask_restarted(void)
{
	ask_and_be_interrupted(SA_RESTART);
}

static void interruption(void)
{
	struct seccomp_notif n;
	uint64_t first;

	begin(ask_interrupted, 0);
	n = get();
	CHECK(kill(child, SIGUSR1) == 0);
	CHECK_EQ(end_status(), 0);

	begin(ask_restarted, 0);
	n = get();
	first = n.id;
	CHECK(kill(child, SIGUSR1) == 0);
	n = get(); /* it asks again */
	CHECK(n.id != first);
	CHECK_ERR(reply(first, 5, 0, 0), ENOENT);
	CHECK_EQ(reply(n.id, 1000, 0, 0), 0);
	CHECK_EQ(end_status(), 0);

	/* Once received, only a kill interrupts. */
	begin(ask_restarted, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	n = get();
	CHECK(kill(child, SIGUSR1) == 0);
	usleep(30000);
	CHECK_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id), 0);
	CHECK_EQ(reply(n.id, 1000, 0, 0), 0);
	CHECK_EQ(end_status(), 0);

	begin(ask_once, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	n = get();
	CHECK(kill(child, SIGKILL) == 0);
	CHECK_EQ(end_status(), SIGKILL);

	/* It has left before it was heard. */
	begin(ask_once, 0);
	CHECK(events(60000) & POLLIN);
	CHECK(kill(child, SIGKILL) == 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n), EINVAL);
	memset(&n, 0, sizeof(n));
	CHECK_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n), ENOENT);
	CHECK(close(listener) == 0);
}

/* ---- descriptors ---- */

static void use_descriptors(void)
{
	char c;

	CHECK_EQ(getpgid(0), 1000);
	CHECK_EQ(read(60, &c, 1), 1);
	CHECK_EQ(c, 'a');
	CHECK_EQ(fcntl(60, F_GETFD), FD_CLOEXEC);
	/* The next call's result is one. */
	CHECK_EQ(getpgid(1), 61);
	CHECK_EQ(read(61, &c, 1), 1);
	CHECK_EQ(c, 'b');
	CHECK_EQ(fcntl(61, F_GETFD), 0);
	CHECK(close(3) == 0 || errno == EBADF);
}

static int addfd(struct seccomp_notif_addfd a)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
}

static void descriptors(void)
{
	const unsigned setfd = SECCOMP_ADDFD_FLAG_SETFD, now = SECCOMP_ADDFD_FLAG_SEND;
	struct {
		struct seccomp_notif_addfd a;
		uint64_t more;
	} large = { .more = 0 };
	struct seccomp_notif n;
	unsigned fd[2];
	int any;

	CHECK(pipe((int *)fd) == 0);
	CHECK(write((int)fd[1], "ab", 2) == 2);
	begin(use_descriptors, 0);
	CHECK(events(60000) & POLLIN);
	CHECK_ERR(addfd((struct seccomp_notif_addfd){ 1, 0, fd[0], 0, 0 }), ENOENT);
	n = get();
	CHECK_ERR(addfd((struct seccomp_notif_addfd){ n.id, 4, fd[0], 0, 0 }), EINVAL);
	CHECK_ERR(addfd((struct seccomp_notif_addfd){ n.id, 0, fd[0], 60, 0 }), EINVAL);
	CHECK_ERR(addfd((struct seccomp_notif_addfd){ n.id, 0, fd[0], 0, O_NONBLOCK }), EINVAL);
	CHECK_ERR(addfd((struct seccomp_notif_addfd){ n.id, 0, 9999, 0, 0 }), EBADF);
	CHECK_ERR(addfd((struct seccomp_notif_addfd){ n.id + 1, 0, fd[0], 0, 0 }), ENOENT);
	CHECK_ERR(addfd((struct seccomp_notif_addfd){ n.id, setfd, fd[0], 1 << 30, 0 }), EBADF);
	CHECK_ERR(addfd((struct seccomp_notif_addfd){ n.id, setfd | now, fd[0], 1 << 30, 0 }),
		  EBADF);
	CHECK_ERR(ioctl(listener, _IOC(_IOC_WRITE, '!', 3, 16), &large), EINVAL);
	CHECK_ERR(ioctl(listener, _IOC(_IOC_WRITE, '!', 3, 4096), &large), EINVAL);
	large.a = (struct seccomp_notif_addfd){ n.id, setfd, fd[0], 60, 0 };
	CHECK_EQ(ioctl(listener, _IOC(_IOC_WRITE, '!', 3, sizeof(large)), &large), 60);
	large.more = 1;
	CHECK_ERR(ioctl(listener, _IOC(_IOC_WRITE, '!', 3, sizeof(large)), &large), E2BIG);
	CHECK_EQ(addfd((struct seccomp_notif_addfd){ n.id, setfd, fd[0], 60, O_CLOEXEC }), 60);
	any = addfd((struct seccomp_notif_addfd){ n.id, 0, fd[0], 0, 0 });
	CHECK(any >= 3 && any < 60);
	CHECK_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id), 0);
	CHECK_EQ(reply(n.id, 1000, 0, 0), 0);
	n = get();
	CHECK_EQ(addfd((struct seccomp_notif_addfd){ n.id, setfd | now, fd[0], 61, 0 }), 61);
	answered(n.id);
	CHECK_EQ(end_status(), 0);
	close((int)fd[0]);
	close((int)fd[1]);
}

/* ---- several ---- */

static void *ask_one(void *arg)
{
	CHECK_EQ(getpgid((pid_t)(long)arg), 2000 + (long)arg);
	return NULL;
}

static void ask_threads(void)
{
	pthread_t t[4];

	for (long i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, ask_one, (void *)i) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
}

static void many_askers(void)
{
	struct seccomp_notif n[4];

	begin(ask_threads, 0);
	for (int i = 0; i < 4; i++)
		n[i] = get();
	CHECK_EQ(events(0), POLLOUT);
	for (int i = 3; i >= 0; i--)
		CHECK_EQ(reply(n[i].id, 2000 + (int64_t)n[i].data.args[0], 0, 0), 0);
	CHECK_EQ(end_status(), 0);
}

static void one_listener_in_a_chain(void)
{
	unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	int status, fd;

	child = fork();
	if (child == 0) {
		filter_prepare();
		fd = (int)filter_call(NR, SECCOMP_RET_USER_NOTIF, flags);
		CHECK(fd >= 0);
		CHECK_ERR(filter_call(SYS_getppid, SECCOMP_RET_USER_NOTIF, flags), EBUSY);
		CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
		CHECK(close(fd) == 0);
		CHECK_EQ(filter_call(SYS_getppid, SECCOMP_RET_USER_NOTIF, flags), fd);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

/* The listener is a thread of the one that asks. */
static void *own_listener(void *arg)
{
	struct seccomp_notif n = get();

	(void)arg;
	CHECK_EQ(n.pid, (unsigned)getpid());
	CHECK_EQ(reply(n.id, 1000, 0, 0), 0);
	return NULL;
}

static void listens_to_itself(void)
{
	pthread_t t;
	int status;

	child = fork();
	if (child == 0) {
		filter_prepare();
		listener = (int)filter_call(NR, SECCOMP_RET_USER_NOTIF,
					    SECCOMP_FILTER_FLAG_NEW_LISTENER |
						    SECCOMP_FILTER_FLAG_TSYNC |
						    SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
		CHECK(listener >= 0);
		CHECK(pthread_create(&t, NULL, own_listener, NULL) == 0);
		CHECK_EQ(getpgid(0), 1000);
		CHECK(pthread_join(t, NULL) == 0);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

int main(void)
{
	answers();
	errors();
	polls();
	listener_leaves();
	interruption();
	descriptors();
	many_askers();
	one_listener_in_a_chain();
	listens_to_itself();
	return 0;
}
