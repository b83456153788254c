/* Classic BPF: each rule of the check, each instruction, and random programs, valid
 * and not, of which the host's kernel says (as socket filters) what they should be. */
#include "base/bpf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/testlib_random.h"

#define S(code, k) BPF_STMT(code, k)
#define J(code, k, jt, jf) BPF_JUMP(code, k, jt, jf)
#define RET(k) S(BPF_RET | BPF_K, k)
#define RET_A S(BPF_RET | BPF_A, 0)
#define VALID(...)                                                         \
	bpf_is_valid((const struct sock_filter[]){ __VA_ARGS__ },          \
		     sizeof((const struct sock_filter[]){ __VA_ARGS__ }) / \
			     sizeof(struct sock_filter))
#define RUN(...) run((const struct sock_filter[]){ __VA_ARGS__ })

/* ---- a packet, as sockets see it ---- */

static bool packet_load(const struct bpf_view *v, uint32_t off, unsigned size, uint32_t *val)
{
	const uint8_t *p = v->data;

	if (off > v->size || size > v->size - off)
		return false;
	*val = 0;
	for (unsigned i = 0; i < size; i++)
		*val = *val << 8 | p[off + i];
	return true;
}

static const uint8_t packet[64] = { 0x45, 1, 2, 3, 4, 5, 6, 7, 0xff, 0xfe };

static uint32_t run(const struct sock_filter *prog)
{
	const struct bpf_view v = { packet, sizeof(packet), packet_load };

	return bpf_run(prog, &v);
}

/* ---- the check ---- */

static void a_program_has_an_end(void **state UNUSED)
{
	static struct sock_filter many[BPF_PROGRAM_MAX + 1];

	for (unsigned i = 0; i <= BPF_PROGRAM_MAX; i++)
		many[i] = (struct sock_filter)RET(1);
	assert_false(bpf_is_valid(many, 0));
	assert_true(bpf_is_valid(many, BPF_PROGRAM_MAX));
	assert_false(bpf_is_valid(many, BPF_PROGRAM_MAX + 1));
	assert_true(VALID(RET(0)));
	assert_true(VALID(RET_A));
	assert_false(VALID(S(BPF_RET | BPF_X, 0)));
	assert_false(VALID(S(BPF_LD | BPF_IMM, 0)));
	assert_false(VALID(RET(0), S(BPF_LD | BPF_IMM, 0)));
}

static void operands_are_checked(void **state UNUSED)
{
	assert_false(VALID(S(BPF_ALU | BPF_DIV | BPF_K, 0), RET_A));
	assert_false(VALID(S(BPF_ALU | BPF_MOD | BPF_K, 0), RET_A));
	assert_true(VALID(S(BPF_ALU | BPF_DIV | BPF_X, 0), RET_A));
	assert_false(VALID(S(BPF_ALU | BPF_LSH | BPF_K, 32), RET_A));
	assert_true(VALID(S(BPF_ALU | BPF_RSH | BPF_K, 31), RET_A));
	assert_false(VALID(S(BPF_ST, 16), RET_A));
	assert_true(VALID(S(BPF_ST, 15), RET_A));
	assert_false(VALID(S(BPF_ST | BPF_H, 1), RET_A));
	assert_false(VALID(S(BPF_ALU | BPF_NEG | BPF_X, 0), RET_A));
	assert_false(VALID(S(0x100 | BPF_RET, 0), RET_A));
	assert_true(VALID(S(BPF_LD | BPF_W | BPF_ABS, 0xffffefff), RET_A));
	assert_false(VALID(S(BPF_LD | BPF_W | BPF_ABS, 0xfffff001), RET_A));
	assert_true(VALID(S(BPF_LD | BPF_W | BPF_ABS, 0xfffff000 + SKF_AD_CPU), RET_A));
	assert_false(VALID(S(BPF_LD | BPF_W | BPF_ABS, 0xfffff000 + SKF_AD_MAX), RET_A));
}

static void jumps_stay_inside(void **state UNUSED)
{
	assert_true(VALID(S(BPF_JMP | BPF_JA, 0), RET_A));
	assert_false(VALID(S(BPF_JMP | BPF_JA, 1), RET_A));
	assert_false(VALID(S(BPF_JMP | BPF_JA, -1u), RET_A));
	assert_false(VALID(S(BPF_JMP | BPF_JA | BPF_X, 0), RET_A));
	assert_true(VALID(J(BPF_JMP | BPF_JEQ, 0, 1, 0), RET(1), RET_A));
	assert_false(VALID(J(BPF_JMP | BPF_JEQ, 0, 2, 0), RET(1), RET_A));
	assert_false(VALID(J(BPF_JMP | BPF_JSET | BPF_X, 0, 0, 2), RET(1), RET_A));
	assert_false(VALID(J(BPF_JMP | 0x50, 0, 0, 0), RET_A));
}

static void memory_is_stored_before_it_is_loaded(void **state UNUSED)
{
	assert_false(VALID(S(BPF_LD | BPF_MEM, 0), RET_A));
	assert_true(VALID(S(BPF_ST, 0), S(BPF_LD | BPF_MEM, 0), RET_A));
	assert_true(VALID(S(BPF_STX, 3), S(BPF_LDX | BPF_MEM, 3), RET_A));
	assert_false(VALID(S(BPF_ST, 0), S(BPF_LD | BPF_MEM, 1), RET_A));
	/* One way to the load does not store. */
	assert_false(
		VALID(J(BPF_JMP | BPF_JEQ, 0, 0, 1), S(BPF_ST, 0), S(BPF_LD | BPF_MEM, 0), RET_A));
	assert_true(VALID(J(BPF_JMP | BPF_JEQ, 0, 0, 2), S(BPF_ST, 0), S(BPF_JMP | BPF_JA, 1),
			  S(BPF_STX, 0), S(BPF_LD | BPF_MEM, 0), RET_A));
	/* What nobody reaches may load anything. */
	assert_true(
		VALID(RET(1), S(BPF_JMP | BPF_JA, 0), S(BPF_ST, 0), S(BPF_LD | BPF_MEM, 0), RET_A));
	assert_true(VALID(S(BPF_JMP | BPF_JA, 1), S(BPF_LD | BPF_MEM, 5), RET_A));
}

/* ---- running ---- */

static void loads(void **state UNUSED)
{
	assert_int_equal(RUN(S(BPF_LD | BPF_W | BPF_ABS, 4), RET_A), 0x04050607);
	assert_int_equal(RUN(S(BPF_LD | BPF_H | BPF_ABS, 8), RET_A), 0xfffe);
	assert_int_equal(RUN(S(BPF_LD | BPF_B | BPF_ABS, 9), RET_A), 0xfe);
	assert_int_equal(RUN(S(BPF_LDX | BPF_IMM, 5), S(BPF_LD | BPF_B | BPF_IND, 1), RET_A), 6);
	assert_int_equal(RUN(S(BPF_LD | BPF_W | BPF_LEN, 0), RET_A), 64);
	assert_int_equal(RUN(S(BPF_LDX | BPF_W | BPF_LEN, 0), S(BPF_MISC | BPF_TXA, 0), RET_A), 64);
	assert_int_equal(RUN(S(BPF_LDX | BPF_B | BPF_MSH, 0), S(BPF_MISC | BPF_TXA, 0), RET_A), 20);
	/* Beyond the end the program ends. */
	assert_int_equal(RUN(S(BPF_LD | BPF_W | BPF_ABS, 61), RET(7)), 0);
	assert_int_equal(RUN(S(BPF_LDX | BPF_IMM, -1u), S(BPF_LD | BPF_B | BPF_IND, 0), RET(7)), 0);
}

static void arithmetic(void **state UNUSED)
{
	assert_int_equal(RUN(RET_A), 0);
	assert_int_equal(RUN(S(BPF_LD | BPF_IMM, 7), S(BPF_ALU | BPF_SUB | BPF_K, 8), RET_A), -1u);
	assert_int_equal(RUN(S(BPF_LD | BPF_IMM, 7), S(BPF_ALU | BPF_NEG, 0), RET_A), -7u);
	assert_int_equal(RUN(S(BPF_LD | BPF_IMM, -1u), S(BPF_ALU | BPF_MOD | BPF_K, 16), RET_A),
			 15);
	/* Not the undefined shift of C. */
	assert_int_equal(RUN(S(BPF_LD | BPF_IMM, 3), S(BPF_LDX | BPF_IMM, 33),
			     S(BPF_ALU | BPF_LSH | BPF_X, 0), RET_A),
			 6);
	assert_int_equal(RUN(S(BPF_ALU | BPF_DIV | BPF_X, 0), RET(7)), 0);
	assert_int_equal(RUN(S(BPF_ALU | BPF_MOD | BPF_X, 0), RET(7)), 0);
}

static void jumps(void **state UNUSED)
{
	assert_int_equal(RUN(S(BPF_LD | BPF_IMM, 5), J(BPF_JMP | BPF_JGT, 4, 0, 1), RET(1), RET(2)),
			 1);
	assert_int_equal(
		RUN(S(BPF_LD | BPF_IMM, 5), J(BPF_JMP | BPF_JSET, 2, 0, 1), RET(1), RET(2)), 2);
	assert_int_equal(RUN(J(BPF_JMP | BPF_JGE | BPF_X, 9, 1, 0), RET(1), RET(2)), 2);
	assert_int_equal(RUN(S(BPF_JMP | BPF_JA, 1), RET(1), RET(2)), 2);
}

static unsigned converted(const struct sock_filter i)
{
	const struct sock_filter prog[] = { i, RET(0), RET(0) };

	return bpf_converted_count(prog, 3) - 3 - 4;
}

static void linux_own_form(void **state UNUSED)
{
	assert_int_equal(converted((struct sock_filter)RET_A), 1);
	assert_int_equal(converted((struct sock_filter)RET(1)), 2);
	assert_int_equal(converted((struct sock_filter)S(BPF_ALU | BPF_DIV | BPF_X, 0)), 5);
	assert_int_equal(converted((struct sock_filter)S(BPF_JMP | BPF_JA, 1)), 1);
	assert_int_equal(converted((struct sock_filter)J(BPF_JMP | BPF_JEQ, 1, 1, 0)), 1);
	assert_int_equal(converted((struct sock_filter)J(BPF_JMP | BPF_JEQ, 1, 0, 1)), 1);
	assert_int_equal(converted((struct sock_filter)J(BPF_JMP | BPF_JSET, 1, 0, 1)), 2);
	assert_int_equal(converted((struct sock_filter)J(BPF_JMP | BPF_JSET, -1u, 1, 1)), 3);
}

/* ---- random programs ---- */

static uint16_t draw_code(struct test_random *r)
{
	static const uint16_t often[] = {
		BPF_LD | BPF_IMM,
		BPF_LDX | BPF_IMM,
		BPF_LD | BPF_MEM,
		BPF_LDX | BPF_MEM,
		BPF_ST,
		BPF_STX,
		BPF_LD | BPF_W | BPF_ABS,
		BPF_LD | BPF_H | BPF_IND,
		BPF_LD | BPF_B | BPF_ABS,
		BPF_LDX | BPF_B | BPF_MSH,
		BPF_LD | BPF_W | BPF_LEN,
		BPF_LDX | BPF_W | BPF_LEN,
		BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA,
		BPF_RET | BPF_A,
		BPF_RET | BPF_K,
	};

	switch (test_pick(r, 64)) {
	case 0:
		return (uint16_t)test_pick(r, 256);
	case 1 ... 12:
		return (uint16_t)(BPF_JMP | test_pick(r, 5) << 4 | test_pick(r, 2) << 3);
	case 13 ... 30:
		return (uint16_t)(BPF_ALU | test_pick(r, 11) << 4 | test_pick(r, 2) << 3);
	default:
		return often[test_pick(r, ARRAY_SIZE(often))];
	}
}

static uint32_t draw_operand(struct test_random *r, uint16_t code)
{
	uint32_t any = (uint32_t)test_draw(r);

	if (test_pick(r, 100) == 0)
		return any;
	switch (BPF_CLASS(code)) {
	case BPF_ST:
	case BPF_STX:
		return any % 4;
	case BPF_JMP:
		return BPF_OP(code) == BPF_JA ? any % 3 : any % 64;
	case BPF_LD:
	case BPF_LDX:
		return BPF_MODE(code) == BPF_MEM   ? any % 4
		       : BPF_MODE(code) == BPF_IMM ? any >> any % 32
						   : any % 66;
	default:
		return any % 2 ? any % 32 : any;
	}
}

/* Few of them load from a word that was not stored: it starts with stores of some. */
static unsigned draw_program(struct test_random *r, struct sock_filter *prog, unsigned max)
{
	/* Folds all of A into what a packet's length can show. */
	static const struct sock_filter end[] = {
		S(BPF_MISC | BPF_TAX, 0),         S(BPF_ALU | BPF_RSH | BPF_K, 16),
		S(BPF_ALU | BPF_XOR | BPF_X, 0),  S(BPF_MISC | BPF_TAX, 0),
		S(BPF_ALU | BPF_RSH | BPF_K, 7),  S(BPF_ALU | BPF_XOR | BPF_X, 0),
		S(BPF_ALU | BPF_AND | BPF_K, 63), RET_A,
	};
	unsigned n = 1 + test_pick(r, max - ARRAY_SIZE(end)), i = 0;

	for (; i < n && i < 4; i++)
		prog[i] = (struct sock_filter)S(BPF_ST, i);
	for (; i < n; i++) {
		uint16_t code = draw_code(r);

		prog[i] = (struct sock_filter)J(code, draw_operand(r, code), test_pick(r, 4),
						test_pick(r, 4));
	}
	memcpy(&prog[n], end, sizeof(end));
	return n + ARRAY_SIZE(end);
}

/* The host's answer: how many bytes of the packet the filter leaves. */
static uint32_t host_run(const int fd[2])
{
	uint8_t buf[sizeof(packet)];
	ssize_t n;

	assert_int_equal(send(fd[0], packet, sizeof(packet), 0), sizeof(packet));
	n = recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT);
	return n < 0 ? 0 : (uint32_t)n;
}

static void random_programs_are_as_the_host_has_them(void **state UNUSED)
{
	struct test_random r;
	unsigned nvalid = 0, nrun = 0;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) < 0)
		skip();
	test_random_init(&r, "bpf", 20000);
	while (test_random_goes_on(&r)) {
		struct sock_filter prog[48];
		unsigned n = draw_program(&r, prog, ARRAY_SIZE(prog));
		struct sock_fprog fprog = { (unsigned short)n, prog };
		bool valid = bpf_is_valid(prog, n);
		int err = setsockopt(fd[1], SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog));

		if (err < 0 && errno != EINVAL)
			continue;
		assert_int_equal(valid, err == 0);
		if (!valid)
			continue;
		nvalid++;
		/* Our packet has no headers and no extensions. */
		assert_int_equal(MIN(run(prog), (uint32_t)sizeof(packet)), host_run(fd));
		nrun += run(prog) != 0;
	}
	printf("%u were valid, %u of them let something through\n", nvalid, nrun);
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_has_an_end),
		cmocka_unit_test(operands_are_checked),
		cmocka_unit_test(jumps_stay_inside),
		cmocka_unit_test(memory_is_stored_before_it_is_loaded),
		cmocka_unit_test(loads),
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(jumps),
		cmocka_unit_test(linux_own_form),
		cmocka_unit_test(random_programs_are_as_the_host_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
