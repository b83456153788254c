/* timerfd and eventfd: counts, blocking, intervals, absolute times, poll and
 * epoll, errors. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

#include "check.h"
#include "waitfor.h"

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void one_shot(int clock)
{
	struct itimerspec its = { { 0, 0 }, { 1000, 0 } }, cur;
	int fd = timerfd_create(clock, TFD_NONBLOCK);
	double start;
	struct pollfd p = { fd, POLLIN, 0 };
	uint64_t n;

	CHECK(fd >= 0);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
	CHECK(timerfd_settime(fd, 0, &its, NULL) == 0);
	CHECK(timerfd_gettime(fd, &cur) == 0);
	CHECK(cur.it_value.tv_sec >= 800 && cur.it_value.tv_sec <= 1000);
	CHECK(cur.it_value.tv_sec < 1000 || cur.it_value.tv_nsec == 0);
	CHECK_EQ(poll(&p, 1, 0), 0);
	its.it_value = (struct timespec){ 0, 20000000 };
	start = now();
	CHECK(timerfd_settime(fd, 0, &its, NULL) == 0);
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK(now() - start >= 0.0195);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
	CHECK(timerfd_gettime(fd, &cur) == 0);
	CHECK(cur.it_value.tv_sec == 0 && cur.it_value.tv_nsec == 0);
	close(fd);
}

static void intervals(void)
{
	struct itimerspec its = { { 0, 5000000 }, { 0, 5000000 } }, old;
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t n, sum = 0;
	double start = now();

	CHECK(timerfd_settime(fd, 0, &its, NULL) == 0);
	usleep(23000);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(n >= 4);
	for (sum = n; sum < 10; sum += n)
		CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(now() - start >= 0.0495);
	memset(&its, 0, sizeof(its));
	CHECK(timerfd_settime(fd, 0, &its, &old) == 0);
	CHECK_EQ(old.it_interval.tv_nsec, 5000000);
	CHECK(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 5000000);
	close(fd);
}

static void absolute(int clock)
{
	struct itimerspec its = { 0 };
	int fd = timerfd_create(clock, TFD_CLOEXEC);
	uint64_t n;
	double start = now();

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	clock_gettime(clock, &its.it_value);
	its.it_value.tv_nsec += 20000000;
	if (its.it_value.tv_nsec >= 1000000000) {
		its.it_value.tv_nsec -= 1000000000;
		its.it_value.tv_sec++;
	}
	CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL) == 0);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(n == 1 && now() - start >= 0.0195);
	/* In the past: at once. */
	its.it_value.tv_sec = 1;
	CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL) == 0);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
	close(fd);
}

static void in_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = 77 };
	struct itimerspec its = { { 0, 0 }, { 0, 10000000 } };
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK), ep = epoll_create1(0);

	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	CHECK(timerfd_settime(fd, 0, &its, NULL) == 0);
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	CHECK_EQ(ev.data.u64, 77);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
	/* Set again: a new edge. */
	CHECK(timerfd_settime(fd, 0, &its, NULL) == 0);
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	close(ep);
	close(fd);
}

static void timer_errors(void)
{
	struct itimerspec its = { { 0, 0 }, { 0, 1000000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0), pfd[2];
	char small[4];

	CHECK_ERR(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	CHECK_ERR(timerfd_create(99, 0), EINVAL);
	CHECK_ERR(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
	CHECK_ERR(timerfd_settime(fd, 0, &its, NULL), EINVAL);
	its.it_value.tv_nsec = 1;
	CHECK_ERR(timerfd_settime(fd, 8, &its, NULL), EINVAL);
	CHECK_ERR(timerfd_settime(999, 0, &its, NULL), EBADF);
	CHECK(pipe(pfd) == 0);
	CHECK_ERR(timerfd_settime(pfd[0], 0, &its, NULL), EINVAL);
	CHECK_ERR(timerfd_gettime(pfd[0], &its), EINVAL);
	CHECK_ERR(syscall(SYS_timerfd_settime, fd, 0, 1, NULL), EFAULT);
	CHECK_ERR(syscall(SYS_timerfd_gettime, fd, 1), EFAULT);
	CHECK_ERR(read(fd, small, 4), EINVAL);
	close(pfd[0]);
	close(pfd[1]);
	close(fd);
}

static void *add_later(void *arg)
{
	uint64_t n = 5;

	wait_asleep(getpid(), SYS_read);
	CHECK_EQ(write(*(int *)arg, &n, 8), 8);
	return NULL;
}

static void *take_later(void *arg)
{
	uint64_t n;

	wait_asleep(getpid(), SYS_write);
	CHECK_EQ(read(*(int *)arg, &n, 8), 8);
	return NULL;
}

static void counting(void)
{
	int fd = eventfd(3, EFD_NONBLOCK);
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	uint64_t n = 4;

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, &n, 8), 8);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 7);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	n = UINT64_MAX;
	CHECK_ERR(write(fd, &n, 8), EINVAL);
	n = UINT64_MAX - 1;
	CHECK_EQ(write(fd, &n, 8), 8);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	n = 1;
	CHECK_ERR(write(fd, &n, 8), EAGAIN);
	CHECK_ERR(write(fd, &n, 4), EINVAL);
	CHECK_ERR(read(fd, &n, 4), EINVAL);
	close(fd);
	fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
	close(fd);
	CHECK_ERR(eventfd(0, 0x100), EINVAL);
	fd = (int)syscall(SYS_eventfd, 9);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 9);
	close(fd);
}

static void blocking(void)
{
	int fd = eventfd(0, 0);
	uint64_t n;
	pthread_t th;

	CHECK(pthread_create(&th, NULL, add_later, &fd) == 0);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 5);
	pthread_join(th, NULL);
	n = UINT64_MAX - 1;
	CHECK_EQ(write(fd, &n, 8), 8);
	CHECK(pthread_create(&th, NULL, take_later, &fd) == 0);
	n = 3;
	CHECK_EQ(write(fd, &n, 8), 8);
	pthread_join(th, NULL);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 3);
	close(fd);
}

int main(void)
{
	one_shot(CLOCK_MONOTONIC);
	one_shot(CLOCK_REALTIME);
	intervals();
	absolute(CLOCK_MONOTONIC);
	absolute(CLOCK_REALTIME);
	in_epoll();
	timer_errors();
	counting();
	blocking();
	return 0;
}
