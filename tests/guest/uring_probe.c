/* output: varies
 * IORING_REGISTER_PROBE: what it says of an operation is what submitting one gives.
 * Prints the table, which a test holds against docs/io_uring.md. */
#include "ring.h"

struct probe {
	struct io_uring_probe head;
	struct io_uring_probe_op op[256];
};

int main(void)
{
	static struct probe p;
	struct io_uring_sqe *s;
	struct uring r;
	int res;

	ring_need();
	ring_make(&r, 8, 0);
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_PROBE, &p, 256), 0);
	CHECK_EQ(p.head.ops_len, IORING_OP_LAST);
	CHECK_EQ(p.head.last_op, IORING_OP_LAST - 1);
	for (unsigned i = 0; i < IORING_OP_LAST; i++) {
		CHECK_EQ(p.op[i].op, i);
		printf("%u %d\n", i, p.op[i].flags & 1);
		if (p.op[i].flags & 1)
			continue;
		s = ring_sqe(&r, i, i);
		s->fd = -1;
		CHECK_EQ(ring_submit(&r, 1), 1);
		res = ring_result(&r, i);
		CHECK_EQ(res, -EINVAL);
	}
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_PROBE, &p, 256), -1);
	CHECK_EQ(errno, EINVAL);
	memset(&p, 0, sizeof(p));
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_PROBE, &p, 257), -1);
	CHECK_EQ(errno, EINVAL);
	ring_close(&r);
	return 0;
}
