/* Pseudo terminals as files: making, names, locking, attributes, who closed,
 * poll, sizes, packet mode, flushing, VMIN and VTIME. */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>

#include "ptypair.h"
#include "waitfor.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int poll_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void names(void)
{
	struct ptypair p;
	struct stat st, byname;
	struct statfs fs;
	char link[64], want[64], proc[64];
	unsigned n;
	int found = 0, fd;
	DIR *d;
	struct dirent *e;

	ptypair_open(&p);
	CHECK(ioctl(p.master, TIOCGPTN, &n) == 0);
	snprintf(want, sizeof(want), "/dev/pts/%u", n);
	CHECK(strcmp(p.name, want) == 0);
	CHECK(strcmp(ttyname(p.slave), want) == 0);
	CHECK(isatty(p.slave) && isatty(p.master));
	CHECK(fstat(p.slave, &st) == 0 && stat(want, &byname) == 0);
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(major(st.st_rdev), 136);
	CHECK_EQ(minor(st.st_rdev), n);
	CHECK_EQ(st.st_ino, byname.st_ino);
	CHECK_EQ(st.st_dev, byname.st_dev);
	CHECK_EQ(st.st_mode & 0757, 0600); /* writable by group tty, or not */
	CHECK_EQ(st.st_uid, geteuid());
	CHECK(fstat(p.master, &st) == 0);
	CHECK_EQ(major(st.st_rdev), 5);
	CHECK_EQ(minor(st.st_rdev), 2);
	CHECK(statfs("/dev/pts", &fs) == 0);
	CHECK_EQ(fs.f_type, 0x1cd1);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", p.slave);
	CHECK((fd = (int)readlink(proc, link, sizeof(link) - 1)) > 0);
	link[fd] = 0;
	CHECK(strcmp(link, want) == 0);
	d = opendir("/dev/pts");
	CHECK(d != NULL);
	while ((e = readdir(d))) {
		if (atoi(e->d_name) == (int)n && e->d_name[0] != 'p' && e->d_name[0] != '.')
			found++;
	}
	closedir(d);
	CHECK_EQ(found, 1);
	/* A file system of its own: nothing is made or removed by hand. */
	CHECK_ERR(open("/dev/pts/new", O_CREAT | O_RDWR, 0600), EACCES);
	CHECK_ERR(open("/dev/pts/007", O_RDWR), ENOENT);
	CHECK_ERR(unlink(want), EPERM);
	CHECK(chmod(want, 0600) == 0);
	CHECK(stat(want, &st) == 0);
	CHECK_EQ(st.st_mode & 07777, 0600);
	/* The slave without its name. */
	fd = ioctl(p.master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	CHECK(fd >= 0);
	CHECK(strcmp(ttyname(fd), want) == 0);
	close(fd);
	ptypair_close(&p);
	CHECK_ERR(open(want, O_RDWR | O_NOCTTY), ENOENT);
	CHECK_ERR(stat(want, &st), ENOENT);
}

static void locks(void)
{
	int m = posix_openpt(O_RDWR | O_NOCTTY), one = 1, zero = 0, v;
	char name[64];

	CHECK(m >= 0);
	CHECK(ptsname_r(m, name, sizeof(name)) == 0);
	CHECK_ERR(open(name, O_RDWR | O_NOCTTY), EIO); /* not unlocked yet */
	CHECK(ioctl(m, TIOCGPTLCK, &v) == 0);
	CHECK_EQ(v, 1);
	CHECK(ioctl(m, TIOCSPTLCK, &zero) == 0);
	v = open(name, O_RDWR | O_NOCTTY);
	CHECK(v >= 0);
	CHECK(ioctl(m, TIOCSPTLCK, &one) == 0);
	CHECK_ERR(open(name, O_RDWR | O_NOCTTY), EIO);
	CHECK(ioctl(m, TIOCSPTLCK, &zero) == 0);
	/* What belongs to the master only. */
	CHECK_ERR(ioctl(v, TIOCGPTN, &one), ENOTTY);
	CHECK_ERR(ioctl(v, TIOCSPTLCK, &one), ENOTTY);
	CHECK_ERR(ioctl(m, TIOCSPTLCK, NULL), EFAULT);
	close(v);
	close(m);
}

/* Who has closed, as the other side sees it. */
static void closing(void)
{
	struct ptypair p;
	char buf[64];
	int fd;

	ptypair_open(&p);
	CHECK_EQ(poll_now(p.master), POLLOUT);
	CHECK_EQ(poll_now(p.slave), POLLOUT);
	CHECK_EQ(write(p.slave, "last", 4), 4);
	close(p.slave);
	CHECK(is_ready(p.master, 60000));
	CHECK_EQ(poll_now(p.master), POLLIN | POLLOUT | POLLHUP);
	CHECK_EQ(read(p.master, buf, sizeof(buf)), 4);
	CHECK_ERR(read(p.master, buf, sizeof(buf)), EIO);
	CHECK_EQ(poll_now(p.master), POLLOUT | POLLHUP);
	CHECK_EQ(write(p.master, "kept\n", 5), 5);
	/* Opened again, it is as before. */
	p.slave = open_slave(&p, O_NOCTTY);
	CHECK(p.slave >= 0);
	CHECK_EQ(read(p.slave, buf, sizeof(buf)), 5);
	CHECK_EQ(read(p.master, buf, sizeof(buf)), 6);
	CHECK_EQ(poll_now(p.master), POLLOUT);
	fd = dup(p.slave);
	close(p.slave);
	CHECK_EQ(poll_now(p.master), POLLOUT);
	close(p.master);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
	CHECK_ERR(write(fd, "x", 1), EIO);
	CHECK_ERR(ioctl(fd, TIOCGWINSZ, buf), EIO);
	CHECK_EQ(poll_now(fd), POLLIN | POLLOUT | POLLERR | POLLHUP);
	CHECK(!isatty(fd));
	close(fd);
}

static void sizes(void)
{
	struct winsize ws = { 25, 81, 3, 4 }, back;
	struct ptypair p;

	ptypair_open(&p);
	CHECK(ioctl(p.slave, TIOCGWINSZ, &back) == 0);
	CHECK_EQ(back.ws_row + back.ws_col + back.ws_xpixel, 0);
	CHECK(ioctl(p.master, TIOCSWINSZ, &ws) == 0);
	CHECK(ioctl(p.slave, TIOCGWINSZ, &back) == 0);
	CHECK(memcmp(&ws, &back, sizeof(ws)) == 0);
	ws.ws_col = 100;
	CHECK(ioctl(p.slave, TIOCSWINSZ, &ws) == 0);
	CHECK(ioctl(p.master, TIOCGWINSZ, &back) == 0);
	CHECK_EQ(back.ws_col, 100);
	CHECK_ERR(ioctl(p.slave, TIOCSWINSZ, NULL), EFAULT);
	ptypair_close(&p);
}

static void modes(void)
{
	struct termios t, u;
	struct ptypair p;
	int v;

	ptypair_open(&p);
	CHECK(tcgetattr(p.slave, &t) == 0);
	CHECK_EQ(t.c_iflag, ICRNL | IXON);
	CHECK_EQ(t.c_oflag, OPOST | ONLCR);
	CHECK_EQ(t.c_cflag, B38400 | CS8 | CREAD);
	CHECK_EQ(t.c_lflag, ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN);
	CHECK_EQ(t.c_cc[VINTR], 3);
	CHECK_EQ(t.c_cc[VERASE], 127);
	CHECK_EQ(t.c_cc[VMIN], 1);
	CHECK_EQ(t.c_cc[VEOL], 0);
	CHECK_EQ(t.c_cc[VSUSP], 26);
	/* The master's modes are the slave's. */
	t.c_lflag &= ~(tcflag_t)ECHO;
	t.c_cc[VQUIT] = 'q';
	cfsetspeed(&t, B9600);
	CHECK(tcsetattr(p.master, TCSANOW, &t) == 0);
	CHECK(tcgetattr(p.slave, &u) == 0);
	CHECK_EQ(u.c_lflag, t.c_lflag);
	CHECK_EQ(u.c_cc[VQUIT], 'q');
	CHECK_EQ(cfgetospeed(&u), B9600);
	/* There are no wires: always 8 bits, no parity. */
	t.c_cflag = (t.c_cflag & ~(tcflag_t)CSIZE) | CS7 | PARENB;
	tcsetattr(p.slave, TCSADRAIN, &t);
	CHECK(tcgetattr(p.slave, &u) == 0);
	CHECK_EQ(u.c_cflag & (CSIZE | PARENB), CS8);
	CHECK(tcsendbreak(p.slave, 0) == 0);
	CHECK(tcdrain(p.slave) == 0);
	CHECK_ERR(tcflow(p.slave, 99), EINVAL);
	CHECK_ERR(tcflush(p.slave, 99), EINVAL);
	CHECK(ioctl(p.slave, TIOCGETD, &v) == 0);
	CHECK_EQ(v, 0);
	CHECK_ERR(ioctl(p.slave, TIOCMGET, &v), ENOTTY);
	CHECK_ERR(ioctl(p.slave, 0x5499, &v), ENOTTY);
	CHECK_ERR(lseek(p.slave, 0, SEEK_SET), ESPIPE);
	ptypair_close(&p);
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Writes the one when we sleep in read(2), and the other when we do so again; of a
 * descriptor `between` a byte is read before that. */
static void writer(int fd, const char *a, const char *b, int between)
{
	pid_t self = getpid();
	char c;

	if (fork() == 0) {
		wait_asleep(self, SYS_read);
		write(fd, a, strlen(a));
		if (between >= 0)
			CHECK_EQ(read(between, &c, 1), 1);
		wait_asleep(self, SYS_read);
		write(fd, b, strlen(b));
		_exit(0);
	}
}

static void min_and_time(void)
{
	struct ptypair p;
	char buf[64];
	long long t;
	int n, ends[2];

	CHECK(pipe(ends) == 0);
	ptypair_open(&p);
	make_raw(p.slave, 0, 0);
	CHECK_EQ(read(p.slave, buf, sizeof(buf)), 0);
	make_raw(p.slave, 0, 1);
	t = now_ms();
	CHECK_EQ(read(p.slave, buf, sizeof(buf)), 0);
	CHECK(now_ms() - t >= 99);
	/* A number of bytes, however they come. */
	make_raw(p.slave, 4, 0);
	writer(p.master, "ab", "cd", -1);
	CHECK_EQ(read(p.slave, buf, sizeof(buf)), 4);
	writer(p.master, "a", "b", -1);
	CHECK_EQ(read(p.slave, buf, 2), 2); /* no more than asked for */
	/* poll says so only when there are as many. */
	CHECK_EQ(write(p.master, "abc", 3), 3);
	CHECK(!is_ready(p.slave, 30));
	CHECK(ioctl(p.slave, FIONREAD, &n) == 0);
	CHECK_EQ(n, 3);
	CHECK_EQ(write(p.master, "d", 1), 1);
	CHECK(is_ready(p.slave, 60000));
	CHECK_EQ(read(p.slave, buf, sizeof(buf)), 4);
	/* A time between bytes ends it, once the first is there. */
	make_raw(p.slave, 10, 1);
	writer(p.master, "ab", "cd", ends[0]);
	CHECK_EQ(read(p.slave, buf, sizeof(buf)), 2);
	CHECK_EQ(write(ends[1], "n", 1), 1);
	CHECK_EQ(read(p.slave, buf, sizeof(buf)), 2);
	close(ends[0]);
	close(ends[1]);
	/* Not there: not waited for. */
	fcntl(p.slave, F_SETFL, O_NONBLOCK);
	make_raw(p.slave, 1, 0);
	CHECK_ERR(read(p.slave, buf, sizeof(buf)), EAGAIN);
	make_raw(p.slave, 0, 5);
	CHECK_ERR(read(p.slave, buf, sizeof(buf)), EAGAIN);
	make_raw(p.slave, 0, 0);
	CHECK_EQ(read(p.slave, buf, sizeof(buf)), 0);
	ptypair_close(&p);
}

static int packet(int m, char *buf, int size)
{
	CHECK(is_ready(m, 60000));
	return (int)read(m, buf, (size_t)size);
}

static void packets(void)
{
	struct termios t;
	struct ptypair p;
	char buf[64];
	int one = 1, v;

	ptypair_open(&p);
	CHECK(ioctl(p.master, TIOCPKT, &one) == 0);
	CHECK(ioctl(p.master, TIOCGPKT, &v) == 0);
	CHECK_EQ(v, 1);
	CHECK_EQ(write(p.slave, "hi", 2), 2);
	CHECK_EQ(packet(p.master, buf, sizeof(buf)), 3);
	CHECK(buf[0] == TIOCPKT_DATA && buf[1] == 'h' && buf[2] == 'i');
	/* Stop and start by key, flushes, and whether ^S and ^Q mean that. */
	CHECK_EQ(write(p.master, "\023", 1), 1);
	CHECK_EQ(packet(p.master, buf, sizeof(buf)), 1);
	CHECK_EQ(buf[0], TIOCPKT_STOP);
	CHECK_EQ(write(p.master, "\021", 1), 1);
	CHECK(is_ready(p.master, 60000));
	CHECK(poll_now(p.master) & POLLPRI);
	CHECK_EQ(packet(p.master, buf, sizeof(buf)), 1);
	CHECK_EQ(buf[0], TIOCPKT_START);
	CHECK(tcflush(p.slave, TCIFLUSH) == 0);
	CHECK_EQ(packet(p.master, buf, sizeof(buf)), 1);
	CHECK_EQ(buf[0], TIOCPKT_FLUSHREAD);
	CHECK(tcflush(p.slave, TCOFLUSH) == 0);
	CHECK_EQ(packet(p.master, buf, sizeof(buf)), 1);
	CHECK_EQ(buf[0], TIOCPKT_FLUSHWRITE);
	CHECK(tcgetattr(p.slave, &t) == 0);
	t.c_iflag &= ~(tcflag_t)IXON;
	CHECK(tcsetattr(p.slave, TCSANOW, &t) == 0);
	CHECK_EQ(packet(p.master, buf, sizeof(buf)), 1);
	CHECK_EQ(buf[0], TIOCPKT_NOSTOP);
	t.c_iflag |= IXON;
	CHECK(tcsetattr(p.slave, TCSANOW, &t) == 0);
	CHECK_EQ(packet(p.master, buf, sizeof(buf)), 1);
	CHECK_EQ(buf[0], TIOCPKT_DOSTOP);
	one = 0;
	CHECK(ioctl(p.master, TIOCPKT, &one) == 0);
	CHECK_EQ(write(p.slave, "hi", 2), 2);
	CHECK_EQ(packet(p.master, buf, sizeof(buf)), 2);
	ptypair_close(&p);
}

/* Output that is stopped waits; what nobody reads fills up. */
static void flow(void)
{
	struct ptypair p;
	static char big[100000];
	char buf[64];
	int n, total = 0;

	ptypair_open(&p);
	make_raw(p.slave, 1, 0);
	CHECK(tcflow(p.slave, TCOOFF) == 0);
	fcntl(p.slave, F_SETFL, O_NONBLOCK);
	fcntl(p.master, F_SETFL, O_NONBLOCK);
	CHECK_ERR(write(p.slave, "x", 1), EAGAIN);
	CHECK(!(poll_now(p.slave) & POLLOUT));
	CHECK(tcflow(p.slave, TCOON) == 0);
	CHECK_EQ(write(p.slave, "x", 1), 1);
	CHECK(is_ready(p.master, 60000));
	CHECK_EQ(read(p.master, buf, sizeof(buf)), 1);
	CHECK(tcflow(p.slave, TCIOFF) == 0);
	CHECK(is_ready(p.master, 60000));
	CHECK_EQ(read(p.master, buf, sizeof(buf)), 1);
	CHECK_EQ(buf[0], 023);
	while ((n = (int)write(p.slave, big, sizeof(big))) > 0)
		total += n;
	CHECK(errno == EAGAIN && total > 4000);
	CHECK(!(poll_now(p.slave) & POLLOUT));
	while (is_ready(p.master, 20)) {
		n = (int)read(p.master, big, sizeof(big));
		CHECK(n > 0);
		total -= n;
	}
	CHECK_EQ(total, 0);
	CHECK(poll_now(p.slave) & POLLOUT);
	while ((n = (int)write(p.master, big, sizeof(big))) > 0)
		total += n;
	CHECK(errno == EAGAIN && total > 4000);
	while (is_ready(p.slave, 20)) {
		n = (int)read(p.slave, big, sizeof(big));
		CHECK(n > 0);
		total -= n;
	}
	CHECK_EQ(total, 0);
	ptypair_close(&p);
}

static void exclusive(void)
{
	struct ptypair p;
	int v = 0;

	ptypair_open(&p);
	CHECK(ioctl(p.slave, TIOCEXCL) == 0);
	CHECK(ioctl(p.slave, TIOCGEXCL, &v) == 0);
	CHECK_EQ(v, 1);
	if (geteuid() != 0)
		CHECK_ERR(open_slave(&p, O_NOCTTY), EBUSY);
	CHECK(ioctl(p.slave, TIOCNXCL) == 0);
	v = open_slave(&p, O_NOCTTY);
	CHECK(v >= 0);
	close(v);
	ptypair_close(&p);
}

/* Numbers are the lowest free ones, and come back. */
static void numbers(void)
{
	struct ptypair a, b;
	char name[64];

	ptypair_open(&a);
	ptypair_open(&b);
	CHECK(strcmp(a.name, b.name) != 0);
	strcpy(name, a.name);
	ptypair_close(&a);
	ptypair_open(&a);
	CHECK(strcmp(a.name, name) == 0);
	ptypair_close(&a);
	ptypair_close(&b);
}

int main(void)
{
	names();
	locks();
	closing();
	sizes();
	modes();
	min_and_time();
	packets();
	flow();
	exclusive();
	numbers();
	return 0;
}
