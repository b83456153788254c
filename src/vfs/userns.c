/* User namespaces. */
#include "vfs/userns.h"

static struct ns *user_ns_above(struct ns *ns)
{
	return ns->owner ? &ns->owner->ns : NULL;
}

static const struct ns_ops user_ns_ops = { .kind = NS_USER, .parent = user_ns_above };

struct user_ns user_ns_first = { .ns = NS_FIRST(&user_ns_ops, NS_INO_USER) };
