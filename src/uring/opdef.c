/*
 * The operations. One row each: its name, how it is prepared and issued, what it
 * allows. docs/io_uring.md is checked against this table.
 */
#include <string.h>

#include "uring/internal.h"
#include "uring/ops.h"

struct uring_externals uring_ext;
static bool denied[IORING_OP_LAST];

void uring_init(const struct uring_externals *ext)
{
	uring_ext = *ext;
}

const struct op_def op_defs[IORING_OP_LAST] = {
	[IORING_OP_NOP] = { .name = "nop",
			    .prep = nop_prep,
			    .issue = nop_issue,
			    .iopoll = 1,
			    .may_punt = 1 },
	[IORING_OP_POLL_ADD] = { .name = "poll_add",
				 .prep = poll_add_prep,
				 .issue = poll_add_issue,
				 .needs_file = 1 },
	[IORING_OP_POLL_REMOVE] = { .name = "poll_remove",
				    .prep = poll_remove_prep,
				    .issue = poll_remove_issue },
	[IORING_OP_TIMEOUT] = { .name = "timeout", .prep = timeout_prep, .issue = timeout_issue },
	[IORING_OP_TIMEOUT_REMOVE] = { .name = "timeout_remove",
				       .prep = timeout_remove_prep,
				       .issue = timeout_remove_issue },
	[IORING_OP_ASYNC_CANCEL] = { .name = "async_cancel",
				     .prep = async_cancel_prep,
				     .issue = async_cancel_issue },
	[IORING_OP_LINK_TIMEOUT] = { .name = "link_timeout",
				     .prep = link_timeout_prep,
				     .issue = op_no_issue },
};

int op_no_issue(struct req *req UNUSED, struct issue *is UNUSED)
{
	return -ECANCELED;
}

const char *uring_op_name(unsigned opcode)
{
	return opcode < IORING_OP_LAST ? op_defs[opcode].name : NULL;
}

bool uring_op_is_supported(unsigned opcode)
{
	return opcode < IORING_OP_LAST && op_defs[opcode].prep && !denied[opcode];
}

static int deny_one(const char *name, size_t size)
{
	for (unsigned i = 0; i < IORING_OP_LAST; i++) {
		const char *n = op_defs[i].name;

		if (n && strlen(n) == size && memcmp(n, name, size) == 0) {
			denied[i] = true;
			return 0;
		}
	}
	return -EINVAL;
}

int uring_deny(const char *names)
{
	int err = 0;

	while (*names && err == 0) {
		size_t n = strcspn(names, ",");

		err = deny_one(names, n);
		names += n + (names[n] == ',');
	}
	return err;
}
