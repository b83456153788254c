/* Descriptors that are no files of a file system, and waiting for them. */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "host/host.h"
#include "host/internal.h"

int host_dup(int fd)
{
	return (int)HOST_CALL(fcntl(fd, F_DUPFD_CLOEXEC, 0)); /* host: fcntl */
}

int host_dup3(int oldfd, int newfd, int flags)
{
	return (int)HOST_RETRY(dup3(oldfd, newfd, flags)); /* host: dup3 */
}

int host_pipe2(int fds[2], int flags)
{
	return (int)HOST_CALL(pipe2(fds, flags | O_CLOEXEC)); /* host: pipe2 */
}

int host_eventfd(unsigned initial, int flags)
{
	return (int)HOST_CALL(eventfd(initial, flags | EFD_CLOEXEC)); /* host: eventfd2 */
}

int host_memfd_create(const char *name, unsigned flags)
{
	return (int)HOST_CALL(memfd_create(name, flags | MFD_CLOEXEC)); /* host: memfd_create */
}

int host_timerfd_create(int clock, int flags)
{
	return (int)HOST_CALL(
		timerfd_create(clock, flags | TFD_CLOEXEC)); /* host: timerfd_create */
}

int host_timerfd_settime(int fd, int flags, const struct itimerspec *value)
{
	return (int)HOST_CALL(timerfd_settime(fd, flags, value, NULL)); /* host: timerfd_settime */
}

int host_inotify_init(int flags)
{
	return (int)HOST_CALL(inotify_init1(flags | IN_CLOEXEC)); /* host: inotify_init1 */
}

int host_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	return (int)HOST_CALL(inotify_add_watch(fd, path, mask)); /* host: inotify_add_watch */
}

int host_fcntl(int fd, int cmd, unsigned long arg)
{
	return (int)HOST_CALL(fcntl(fd, cmd, arg)); /* host: fcntl */
}

int host_fcntl_lock(int fd, int cmd, struct flock *lock)
{
	return (int)HOST_CALL(fcntl(fd, cmd, lock)); /* host: fcntl */
}

int host_ioctl(int fd, unsigned long request, void *arg)
{
	return (int)HOST_CALL(ioctl(fd, request, arg)); /* host: ioctl */
}

static struct timespec *timeout_from_ns(struct timespec *ts, int64_t ns)
{
	if (ns < 0)
		return NULL;
	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return ts;
}

int host_poll(struct pollfd *fds, size_t count, int64_t timeout_ns)
{
	struct timespec ts;

	return (int)HOST_CALL(
		ppoll(fds, count, timeout_from_ns(&ts, timeout_ns), NULL)); /* host: ppoll */
}

int host_epoll_wait(int epfd, struct epoll_event *events, int count, int64_t timeout_ns)
{
	struct timespec ts, *timeout = timeout_from_ns(&ts, timeout_ns);
	long ret, ms;

	ret = HOST_CALL(syscall(SYS_epoll_pwait2, epfd, events, count, timeout, NULL,
				8L)); /* host: epoll_pwait2 */
	if (ret != -ENOSYS)
		return (int)ret;
	/* Before Linux 5.11: whole milliseconds, rounded up. */
	ms = timeout ? MIN((timeout_ns + 999999) / 1000000, INT32_MAX) : -1;
	return (int)HOST_CALL(epoll_wait(epfd, events, count, (int)ms)); /* host: epoll_wait */
}

int host_epoll_create(void)
{
	return (int)HOST_CALL(epoll_create1(EPOLL_CLOEXEC)); /* host: epoll_create1 */
}

int host_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	return (int)HOST_CALL(epoll_ctl(epfd, op, fd, event)); /* host: epoll_ctl */
}
