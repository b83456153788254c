/* See restrict.h. */
#include "uring/restrict.h"

#include <stdlib.h>

#include "base/bitmap.h"
#include "uring/internal.h"

struct restrictions {
	uint64_t register_ops[BITMAP_WORDS(IORING_REGISTER_LAST)];
	uint64_t sqe_ops[BITMAP_WORDS(IORING_OP_LAST)];
	uint8_t flags_allowed, flags_required;
};

static int add_one(struct restrictions *rs, const struct io_uring_restriction *in)
{
	switch (in->opcode) {
	case IORING_RESTRICTION_REGISTER_OP:
		if (in->value >= IORING_REGISTER_LAST)
			return -EINVAL;
		bitmap_set(rs->register_ops, in->value);
		return 0;
	case IORING_RESTRICTION_SQE_OP:
		if (in->value >= IORING_OP_LAST)
			return -EINVAL;
		bitmap_set(rs->sqe_ops, in->value);
		return 0;
	case IORING_RESTRICTION_SQE_FLAGS_ALLOWED:
		rs->flags_allowed = in->value;
		return 0;
	case IORING_RESTRICTION_SQE_FLAGS_REQUIRED:
		rs->flags_required = in->value;
		return 0;
	default:
		return -EINVAL;
	}
}

long restrictions_register(struct ring *r, struct task *t, gva_t arg, unsigned nr)
{
	struct restrictions *rs;
	int err = 0;

	if (!atomic_load(&r->is_disabled))
		return -EBADFD;
	if (r->restrictions)
		return -EBUSY;
	if (!arg || nr > IORING_MAX_RESTRICTIONS)
		return -EINVAL;
	rs = calloc(1, sizeof(*rs));
	if (!rs)
		return -ENOMEM;
	for (unsigned i = 0; i < nr && err == 0; i++) {
		struct io_uring_restriction in;

		err = mm_copy_in(t->mm, &in, arg + (uint64_t)i * sizeof(in), sizeof(in));
		if (err == 0)
			err = add_one(rs, &in);
	}
	if (err < 0) {
		free(rs);
		return err;
	}
	r->restrictions = rs;
	return 0;
}

bool restrictions_allow_sqe(const struct restrictions *rs, const struct io_uring_sqe *sqe)
{
	if (!bitmap_test(rs->sqe_ops, sqe->opcode))
		return false;
	if ((sqe->flags & rs->flags_required) != rs->flags_required)
		return false;
	return !(sqe->flags & ~(unsigned)(rs->flags_allowed | rs->flags_required));
}

bool restrictions_allow_register(const struct restrictions *rs, unsigned opcode)
{
	return opcode < IORING_REGISTER_LAST && bitmap_test(rs->register_ops, opcode);
}
