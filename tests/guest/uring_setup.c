/* nacre:
 * nacre: --io-uring-pages
 * io_uring_setup: every flag and combination, sizes, offsets, features; mmap. */
#include <fcntl.h>
#include <sys/stat.h>

#include "ring.h"

static int try_flags(unsigned entries, unsigned flags, unsigned cq)
{
	struct io_uring_params p = { .flags = flags, .cq_entries = cq };
	int fd = io_setup_ring(entries, &p);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -errno : 0;
}

static void flags_one_by_one(void)
{
	static const struct {
		unsigned flags;
		int err;
	} cases[] = {
		{ 0, 0 },
		{ IORING_SETUP_IOPOLL, 0 },
		{ IORING_SETUP_SQPOLL, 0 },
		{ IORING_SETUP_SQ_AFF, EINVAL },
		{ IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF, 0 },
		{ IORING_SETUP_CQSIZE, 0 },
		{ IORING_SETUP_CLAMP, 0 },
		{ IORING_SETUP_R_DISABLED, 0 },
		{ IORING_SETUP_SUBMIT_ALL, 0 },
		{ IORING_SETUP_COOP_TASKRUN, 0 },
		{ IORING_SETUP_TASKRUN_FLAG, EINVAL },
		{ IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_COOP_TASKRUN, 0 },
		{ IORING_SETUP_SQE128, 0 },
		{ IORING_SETUP_CQE32, 0 },
		{ IORING_SETUP_CQE_MIXED, 0 },
		{ IORING_SETUP_CQE_MIXED | IORING_SETUP_CQE32, EINVAL },
		{ IORING_SETUP_SINGLE_ISSUER, 0 },
		{ IORING_SETUP_DEFER_TASKRUN, EINVAL },
		{ IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER, 0 },
		{ IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER |
			  IORING_SETUP_TASKRUN_FLAG,
		  0 },
		{ IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SQPOLL,
		  EINVAL },
		{ IORING_SETUP_SQPOLL | IORING_SETUP_COOP_TASKRUN, EINVAL },
		{ IORING_SETUP_NO_MMAP, EFAULT },
		{ IORING_SETUP_REGISTERED_FD_ONLY, EINVAL },
		{ IORING_SETUP_REGISTERED_FD_ONLY | IORING_SETUP_NO_MMAP, EFAULT },
		{ IORING_SETUP_NO_SQARRAY, 0 },
		{ IORING_SETUP_HYBRID_IOPOLL, EINVAL },
		{ IORING_SETUP_HYBRID_IOPOLL | IORING_SETUP_IOPOLL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_EQ(try_flags(8, cases[i].flags, 16), -cases[i].err);
	for (unsigned bit = 21; bit < 32; bit++)
		CHECK_EQ(try_flags(8, 1u << bit, 16), -EINVAL);
}

static void sizes(void)
{
	static const struct {
		unsigned entries, flags, cq;
		int err;
		unsigned got_sq, got_cq;
	} cases[] = {
		{ 0, 0, 0, EINVAL, 0, 0 },
		{ 1, 0, 0, 0, 1, 2 },
		{ 3, 0, 0, 0, 4, 8 },
		{ 32768, 0, 0, 0, 32768, 65536 },
		{ 32769, 0, 0, EINVAL, 0, 0 },
		{ UINT32_MAX, IORING_SETUP_CLAMP, 0, 0, 32768, 65536 },
		{ 8, IORING_SETUP_CQSIZE, 0, EINVAL, 0, 0 },
		{ 8, IORING_SETUP_CQSIZE, 5, 0, 8, 8 },
		{ 8, IORING_SETUP_CQSIZE, 4, EINVAL, 0, 0 },
		{ 8, IORING_SETUP_CQSIZE, 9, 0, 8, 16 },
		{ 8, IORING_SETUP_CQSIZE, 65537, EINVAL, 0, 0 },
		{ 8, IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP, 165537, 0, 8, 65536 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct io_uring_params p = { .flags = cases[i].flags, .cq_entries = cases[i].cq };
		int fd = io_setup_ring(cases[i].entries, &p);

		if (cases[i].err) {
			CHECK(fd < 0);
			CHECK_EQ(errno, cases[i].err);
			continue;
		}
		CHECK(fd >= 0);
		CHECK_EQ(p.sq_entries, cases[i].got_sq);
		CHECK_EQ(p.cq_entries, cases[i].got_cq);
		close(fd);
	}
}

static void offsets_and_features(void)
{
	static const struct {
		unsigned flags, array;
	} cases[] = {
		{ 0, 320 },
		{ IORING_SETUP_CQE32, 576 },
		{ IORING_SETUP_SQE128, 320 },
		{ IORING_SETUP_NO_SQARRAY, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct io_uring_params p = { .flags = cases[i].flags };
		int fd = io_setup_ring(8, &p);

		CHECK(fd >= 0);
		CHECK_EQ(p.sq_off.head, 0);
		CHECK_EQ(p.sq_off.tail, 4);
		CHECK_EQ(p.cq_off.head, 8);
		CHECK_EQ(p.cq_off.tail, 12);
		CHECK_EQ(p.sq_off.ring_mask, 16);
		CHECK_EQ(p.cq_off.ring_mask, 20);
		CHECK_EQ(p.sq_off.ring_entries, 24);
		CHECK_EQ(p.cq_off.ring_entries, 28);
		CHECK_EQ(p.sq_off.dropped, 32);
		CHECK_EQ(p.sq_off.flags, 36);
		CHECK_EQ(p.cq_off.flags, 40);
		CHECK_EQ(p.cq_off.overflow, 44);
		CHECK_EQ(p.cq_off.cqes, 64);
		if (cases[i].flags != IORING_SETUP_CQE32)
			CHECK_EQ(p.sq_off.array, cases[i].array);
		CHECK_EQ(p.features & 0x1ffff, 0x1ffff);
		CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
		CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
		close(fd);
	}
}

static void bad_params(void)
{
	struct io_uring_params p = { 0 };

	CHECK_ERR(syscall(425, 8, NULL), EFAULT);
	for (int i = 0; i < 3; i++) {
		memset(&p, 0, sizeof(p));
		p.resv[i] = 1;
		CHECK_ERR(io_setup_ring(8, &p), EINVAL);
	}
	memset(&p, 0, sizeof(p));
	p.flags = IORING_SETUP_ATTACH_WQ;
	p.wq_fd = 9999;
	CHECK_ERR(io_setup_ring(8, &p), ENXIO);
	p.wq_fd = 0;
	CHECK_ERR(io_setup_ring(8, &p), EINVAL);
	memset(&p, 0, sizeof(p));
	p.flags = IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF;
	p.sq_thread_cpu = 100000;
	CHECK_ERR(io_setup_ring(8, &p), EINVAL);
}

static void mapping(void)
{
	struct io_uring_params p = { 0 };
	int fd = io_setup_ring(8, &p);
	uint32_t *a, *b, *longer;
	char *sqes;

	CHECK(fd >= 0);
	a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_CQ_RING);
	sqes = mmap(NULL, 512, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	CHECK(a != MAP_FAILED && b != MAP_FAILED && (void *)sqes != MAP_FAILED);
	CHECK_EQ(a[4], 7);
	CHECK_EQ(a[6], 8);
	CHECK_EQ(a[5], 15);
	CHECK_EQ(a[7], 16);
	a[2] = 77; /* one region by two names */
	CHECK_EQ(b[2], 77);
	a[2] = 0;
	longer = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	CHECK(longer != MAP_FAILED);
	CHECK_EQ(longer[4], 7);
	munmap(longer, 8192);
	CHECK_ERR((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, IORING_OFF_PBUF_RING), ENOMEM);
	/* The mapping outlives the descriptor. */
	close(fd);
	a[2] = 5;
	CHECK_EQ(b[2], 5);
	munmap(a, 4096);
	munmap(b, 4096);
	munmap(sqes, 512);
}

static void no_mmap(void)
{
	struct io_uring_params p = { .flags = IORING_SETUP_NO_MMAP };
	char *mem =
		mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uring r = { 0 };

	CHECK(mem != MAP_FAILED);
	memset(mem, 0xff, 3 * 4096);
	p.cq_off.user_addr = (uintptr_t)mem + 8;
	p.sq_off.user_addr = (uintptr_t)mem + 4096;
	CHECK_ERR(io_setup_ring(8, &p), EINVAL);
	p.cq_off.user_addr = (uintptr_t)mem;
	p.sq_off.user_addr = 0x1000;
	CHECK_ERR(io_setup_ring(8, &p), EFAULT);
	p.sq_off.user_addr = (uintptr_t)mem + 4096;
	r.fd = io_setup_ring(8, &p);
	CHECK(r.fd >= 0);
	r.p = p;
	r.rings = mem;
	r.sqes = mem + 4096;
	CHECK_EQ(p.cq_off.user_addr, (uintptr_t)mem);
	CHECK_ERR((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, r.fd, IORING_OFF_SQ_RING), ENOMEM);
	for (int i = 0; i < 100; i++) {
		ring_sqe(&r, IORING_OP_NOP, (uint64_t)i);
		CHECK_EQ(ring_submit(&r, 1), 1);
		CHECK_EQ(ring_result(&r, (uint64_t)i), 0);
	}
	/* The pages stay the kernel's when the program takes them away. */
	CHECK(munmap(mem, 3 * 4096) == 0);
	CHECK(io_enter(r.fd, 1, 0, 0, NULL, 0) >= 0);
	close(r.fd);
}

static void registered_only(void)
{
	char *mem =
		mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_params p = {
		.flags = IORING_SETUP_NO_MMAP | IORING_SETUP_REGISTERED_FD_ONLY,
		.cq_off.user_addr = (uintptr_t)mem,
		.sq_off.user_addr = (uintptr_t)mem + 4096,
	};
	int i = io_setup_ring(8, &p);

	CHECK(i >= 0 && i < 16);
	CHECK_EQ(io_enter(i, 0, 0, IORING_ENTER_REGISTERED_RING, NULL, 0), 0);
	CHECK_ERR(io_enter(i + 1, 0, 0, IORING_ENTER_REGISTERED_RING, NULL, 0), EBADF);
	CHECK_ERR(io_enter(16, 0, 0, IORING_ENTER_REGISTERED_RING, NULL, 0), EINVAL);
}

static void file_calls(void)
{
	struct io_uring_params p = { 0 };
	int fd = io_setup_ring(8, &p);
	struct stat st;
	char c;

	CHECK(fd >= 0);
	CHECK_ERR(read(fd, &c, 1), EINVAL);
	CHECK_ERR(write(fd, "x", 1), EINVAL);
	CHECK_ERR(lseek(fd, 0, SEEK_SET), ESPIPE);
	CHECK(fstat(fd, &st) == 0);
	close(fd);
}

int main(void)
{
	ring_need();
	flags_one_by_one();
	sizes();
	offsets_and_features();
	bad_params();
	mapping();
	no_mmap();
	registered_only();
	file_calls();
	return 0;
}
