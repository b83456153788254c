/* Asynchronous i/o of the old kind: contexts, requests, events. */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "say.h"
#include "waitfor.h"

static aio_context_t ctx;
static struct io_event ev[64];

static long setup(unsigned n, aio_context_t *c)
{
	return syscall(SYS_io_setup, n, c);
}

static long submit(struct iocb *cb)
{
	return syscall(SYS_io_submit, ctx, 1L, &cb);
}

static long events(long min, long max, struct timespec *ts)
{
	return syscall(SYS_io_getevents, ctx, min, max, ev, ts);
}

static struct iocb request(int op, int fd, void *buf, size_t size, long off)
{
	struct iocb cb = { .aio_lio_opcode = (uint16_t)op, .aio_fildes = (uint32_t)fd };

	cb.aio_buf = (uint64_t)(uintptr_t)buf;
	cb.aio_nbytes = size;
	cb.aio_offset = off;
	return cb;
}

/* Submits, and shows the event. */
static void run(const char *title, struct iocb cb)
{
	long r;

	cb.aio_data = 0x1234;
	cb.aio_key = 77;
	errno = 0;
	r = submit(&cb);
	if (r != 1) {
		printf("%s: submit %s\n", title, strerrorname_np(errno));
		return;
	}
	r = events(1, 1, NULL);
	printf("%s: %ld event, result %lld %lld, %s, key %u\n", title, r, (long long)ev[0].res,
	       (long long)ev[0].res2,
	       ev[0].data == 0x1234 && ev[0].obj == (uint64_t)(uintptr_t)&cb ? "mine" : "?",
	       cb.aio_key);
	fflush(stdout);
}

static void contexts(void)
{
	struct timespec zero = { 0, 0 };
	aio_context_t other = 0, bad = 5;

	SAY(setup(0, &ctx));
	SAY(setup(10, &bad));
	SAY(setup(10, NULL));
	SAY(setup(1 << 20, &ctx));
	SAY(setup(10, &ctx));
	SAY(setup(10, &other));
	SAY(ctx != 0 && other != 0 && ctx != other);
	SAY(setup(10, &ctx));
	SAY(syscall(SYS_io_destroy, other));
	SAY(syscall(SYS_io_destroy, other));
	SAY(syscall(SYS_io_destroy, 8UL));
	SAY(events(0, 0, NULL));
	SAY(events(0, 10, NULL));
	SAY(events(1, 10, &zero));
	SAY(events(2, 1, &zero));
	SAY(events(-1, 1, &zero));
	SAY(events(0, 1, (struct timespec *)8));
	SAY(syscall(SYS_io_getevents, other, 0L, 1L, ev, &zero));
	IN_CHILD(SAY(events(0, 1, &zero)));
}

static void requests(int fd)
{
	static char out[10000], in[10000];
	struct iovec iov[2] = { { out, 100 }, { out + 5000, 200 } };
	struct iocb cb;

	memset(out, 'a', 5000);
	memset(out + 5000, 'b', 5000);
	run("write", request(IOCB_CMD_PWRITE, fd, out, sizeof(out), 0));
	run("read", request(IOCB_CMD_PREAD, fd, in, sizeof(in), 0));
	SAY(memcmp(in, out, sizeof(in)));
	run("read at the end", request(IOCB_CMD_PREAD, fd, in, sizeof(in), 9990));
	run("read behind it", request(IOCB_CMD_PREAD, fd, in, sizeof(in), 20000));
	run("writev", request(IOCB_CMD_PWRITEV, fd, iov, 2, 1000));
	iov[0].iov_base = in;
	iov[1].iov_base = in + 100;
	run("readv", request(IOCB_CMD_PREADV, fd, iov, 2, 1000));
	SAY(in[99] == 'a' && in[100] == 'b');
	run("too many ranges", request(IOCB_CMD_PREADV, fd, iov, 1025, 1000));
	run("fsync", request(IOCB_CMD_FSYNC, fd, NULL, 0, 0));
	run("fdsync", request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0));
	run("fsync of a range", request(IOCB_CMD_FSYNC, fd, NULL, 10, 0));
	run("bad memory", request(IOCB_CMD_PREAD, fd, (void *)8, 100, 0));
	run("bad vector", request(IOCB_CMD_PREADV, fd, (void *)8, 1, 0));
	run("bad place", request(IOCB_CMD_PREAD, fd, in, 10, -1));
	run("bad size", request(IOCB_CMD_PREAD, fd, in, (size_t)-1, 0));
	run("bad descriptor", request(IOCB_CMD_PREAD, 99, in, 10, 0));
	run("bad operation", request(99, fd, in, 10, 0));
	cb = request(IOCB_CMD_PREAD, fd, in, 10, 0);
	cb.aio_reserved2 = 1;
	run("reserved", cb);
	cb = request(IOCB_CMD_PREAD, fd, in, 10, 0);
	cb.aio_rw_flags = 0x40000000;
	run("bad flags", cb);
	cb.aio_rw_flags = 0;
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = (uint32_t)fd;
	run("no eventfd", cb);
	cb.aio_resfd = 99;
	run("no descriptor", cb);
	SAY(submit((struct iocb *)8));
	SAY(syscall(SYS_io_submit, ctx, 1L, (void *)8));
	SAY(syscall(SYS_io_submit, ctx, -1L, NULL));
	SAY(syscall(SYS_io_submit, ctx, 0L, NULL));
	SAY(syscall(SYS_io_submit, 8L, 1L, NULL));
	SAY(syscall(SYS_io_cancel, ctx, &cb, ev));
}

static void access_modes(void)
{
	int r = open("aio-file", O_RDONLY), w = open("aio-file", O_WRONLY | O_APPEND);
	char buf[10] = "appended!";
	int p[2];

	run("write where only reading is allowed", request(IOCB_CMD_PWRITE, r, buf, 9, 0));
	run("read where only writing is allowed", request(IOCB_CMD_PREAD, w, buf, 9, 0));
	run("append", request(IOCB_CMD_PWRITE, w, buf, 9, 0));
	SAY(lseek(r, 0, SEEK_END));
	close(r);
	close(w);
	pipe(p);
	run("into a pipe", request(IOCB_CMD_PWRITE, p[1], buf, 9, 0));
	run("from a pipe", request(IOCB_CMD_PREAD, p[0], buf, 9, 0));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	run("into a broken pipe", request(IOCB_CMD_PWRITE, p[1], buf, 9, 0));
	run("sync of a pipe", request(IOCB_CMD_FSYNC, p[1], NULL, 0, 0));
	close(p[1]);
}

static void many(int fd)
{
	struct iocb cb[20], *p[20];
	static char buf[20][100];
	struct timespec zero = { 0, 0 };
	int efd = eventfd(0, EFD_NONBLOCK);
	uint64_t told = 0;
	long sum = 0;

	for (int i = 0; i < 20; i++) {
		cb[i] = request(IOCB_CMD_PREAD, fd, buf[i], 100, i * 100);
		cb[i].aio_data = (uint64_t)i;
		cb[i].aio_flags = IOCB_FLAG_RESFD;
		cb[i].aio_resfd = (uint32_t)efd;
		p[i] = &cb[i];
	}
	SAY(syscall(SYS_io_submit, ctx, 20L, p));
	SAY(events(20, 64, NULL));
	for (int i = 0; i < 20; i++)
		sum += (long)ev[i].data + ev[i].res;
	SAY(sum);
	SAY(read(efd, &told, 8));
	SAY(told);
	/* The first that is wrong ends it. */
	cb[3].aio_fildes = 99;
	SAY(syscall(SYS_io_submit, ctx, 10L, p));
	SAY(events(3, 64, NULL));
	SAY(events(1, 64, &zero));
	SAY(syscall(SYS_io_submit, ctx, 1L, p + 3));
	/* No more than fit. */
	cb[3].aio_fildes = (uint32_t)fd;
	for (sum = 0; sum < 10000 && syscall(SYS_io_submit, ctx, 20L, p) == 20;)
		sum += 20;
	SAY(errno == EAGAIN || errno == 0);
	SAY(sum >= 20 && sum < 10000);
	while (events(0, 64, NULL) > 0)
		;
	SAY(syscall(SYS_io_submit, ctx, 20L, p));
	SAY(events(20, 20, NULL));
	/* What could not be given out is not lost. */
	SAY(syscall(SYS_io_submit, ctx, 1L, p));
	SAY(syscall(SYS_io_getevents, ctx, 1L, 1L, (void *)8, NULL));
	SAY(events(1, 1, NULL));
	close(efd);
}

static void *submit_later(void *arg)
{
	wait_asleep(getpid(), SYS_io_getevents);
	submit(arg);
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void *signal_later(void *arg)
{
	wait_asleep(getpid(), SYS_io_getevents);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void *destroy_later(void *arg)
{
	(void)arg;
	wait_asleep(getpid(), SYS_io_getevents);
	syscall(SYS_io_destroy, ctx);
	return NULL;
}

static void waiting(int fd)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct timespec soon = { 0, 20000000 };
	char buf[10];
	struct iocb cb = request(IOCB_CMD_PREAD, fd, buf, 10, 0);
	pthread_t th, me = pthread_self();

	SAY(events(1, 1, &soon));
	pthread_create(&th, NULL, submit_later, &cb);
	SAY(events(1, 1, NULL));
	pthread_join(th, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	pthread_create(&th, NULL, signal_later, &me);
	SAY(events(1, 1, NULL));
	pthread_join(th, NULL);
	pthread_create(&th, NULL, destroy_later, NULL);
	SAY(events(1, 1, NULL));
	pthread_join(th, NULL);
	SAY(events(0, 1, &soon));
}

int main(void)
{
	int fd = open("aio-file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	contexts();
	requests(fd);
	access_modes();
	many(fd);
	waiting(fd);
	unlink("aio-file");
	/* One that is left to the end of the process. */
	ctx = 0;
	SAY(setup(100, &ctx));
	return 0;
}
