/* A pseudo terminal for tests: both ends, non-blocking reads, modes. */
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"

struct ptypair {
	int master, slave;
	char name[64];
};

static inline int open_slave(const struct ptypair *p, int flags)
{
	return open(p->name, O_RDWR | flags);
}

static inline void ptypair_open(struct ptypair *p)
{
	p->master = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(p->master >= 0);
	CHECK(grantpt(p->master) == 0);
	CHECK(unlockpt(p->master) == 0);
	CHECK(ptsname_r(p->master, p->name, sizeof(p->name)) == 0);
	p->slave = open_slave(p, O_NOCTTY);
	CHECK(p->slave >= 0);
}

static inline void ptypair_close(struct ptypair *p)
{
	close(p->slave);
	close(p->master);
}

static inline void set_modes(int fd, unsigned iflag, unsigned oflag, unsigned lflag)
{
	struct termios t;

	CHECK(tcgetattr(fd, &t) == 0);
	t.c_iflag = iflag;
	t.c_oflag = oflag;
	t.c_lflag = lflag;
	CHECK(tcsetattr(fd, TCSANOW, &t) == 0);
}

static inline void make_raw(int fd, int vmin, int vtime)
{
	struct termios t;

	CHECK(tcgetattr(fd, &t) == 0);
	cfmakeraw(&t);
	t.c_cc[VMIN] = (cc_t)vmin;
	t.c_cc[VTIME] = (cc_t)vtime;
	CHECK(tcsetattr(fd, TCSANOW, &t) == 0);
}

static inline int is_ready(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0;
}

/* Everything there is, until nothing has come for a moment. */
static inline int drain(int fd, char *buf, int size)
{
	int done = 0;

	while (done < size && is_ready(fd, 10)) {
		int n = (int)read(fd, buf + done, (size_t)(size - done));

		if (n <= 0)
			break;
		done += n;
	}
	return done;
}
