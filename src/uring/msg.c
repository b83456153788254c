/* See msg.h. */
#include "uring/msg.h"

long register_without_ring(struct task *t, unsigned opcode, gva_t arg, unsigned nr)
{
	(void)t;
	(void)opcode;
	(void)arg;
	(void)nr;
	return -EINVAL;
}
