/*
 * Memory policies on a machine with one node: every policy that names no other
 * node is accepted and means the same.
 */
#include "abi/errno.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

#define MPOL_DEFAULT_MODE 0
#define MPOL_MODES 7u /* DEFAULT to WEIGHTED_INTERLEAVE */
#define MPOL_MODE_FLAGS 0xe000u
#define MPOL_F_NODE_BIT 1u
#define MPOL_F_ADDR_BIT 2u
#define MPOL_F_MEMS_ALLOWED_BIT 4u
#define MPOL_MF_FLAGS 7u
#define MPOL_MF_MOVE_ALL_BIT 4u
#define NODES_MAX 1024u

/* A mask of maxnode - 1 bits at user names node 0 at most. */
static int check_nodes(struct task *t, gva_t user, uint64_t maxnode)
{
	uint64_t bits = maxnode ? maxnode - 1 : 0, word;

	if (!user || !bits)
		return 0;
	if (bits > PAGE_SIZE * 8)
		return -EINVAL;
	for (uint64_t at = 0; at < bits; at += 64) {
		if (syscall_copy_in(t, &word, user + at / 8, sizeof(word)) < 0)
			return -EFAULT;
		if (bits - at < 64)
			word &= ((uint64_t)1 << (bits - at)) - 1;
		if (word & ~(uint64_t)(at ? 0 : 1))
			return -EINVAL;
	}
	return 0;
}

static int check_policy(struct task *t, unsigned mode, gva_t nodes, uint64_t maxnode)
{
	if ((mode & ~MPOL_MODE_FLAGS) >= MPOL_MODES)
		return -EINVAL;
	return check_nodes(t, nodes, maxnode);
}

static int put_nodes(struct task *t, gva_t user, uint64_t maxnode, uint64_t nodes)
{
	uint64_t size = (MIN(maxnode - 1, (uint64_t)NODES_MAX) + 63) / 64 * 8;

	if (maxnode <= 1)
		return -EINVAL;
	if (mm_zero_out(t->mm, user, size) < 0)
		return -EFAULT;
	return syscall_copy_out(t, user, &nodes, sizeof(nodes));
}

SYSCALL(get_mempolicy)
{
	unsigned flags = (unsigned)args->a[4];
	int32_t mode = MPOL_DEFAULT_MODE; /* with MPOL_F_NODE: node 0 */

	if (flags & ~(MPOL_F_NODE_BIT | MPOL_F_ADDR_BIT | MPOL_F_MEMS_ALLOWED_BIT))
		return -EINVAL;
	if ((flags & MPOL_F_MEMS_ALLOWED_BIT) && flags != MPOL_F_MEMS_ALLOWED_BIT)
		return -EINVAL;
	if (!(flags & MPOL_F_ADDR_BIT) && args->a[3])
		return -EINVAL;
	if (args->a[0] && syscall_copy_out(t, args->a[0], &mode, sizeof(mode)) < 0)
		return -EFAULT;
	if (!args->a[1])
		return 0;
	return put_nodes(t, args->a[1], args->a[2], flags == MPOL_F_MEMS_ALLOWED_BIT);
}

SYSCALL(set_mempolicy)
{
	return check_policy(t, (unsigned)args->a[0], args->a[1], args->a[2]);
}

SYSCALL(mbind)
{
	if (args->a[5] & ~(uint64_t)MPOL_MF_FLAGS)
		return -EINVAL;
	if ((args->a[5] & MPOL_MF_MOVE_ALL_BIT) && !cred_has_cap(t->cred, CAP_SYS_NICE))
		return -EPERM;
	if (args->a[0] & ~PAGE_MASK)
		return -EINVAL;
	return check_policy(t, (unsigned)args->a[2], args->a[3], args->a[4]);
}
