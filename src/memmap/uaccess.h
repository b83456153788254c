/* Guest memory as folders below mm/ see it: for ioctl arguments and the like.
 * mm/ fills the ops, the task layer hands the pair over. */
#pragma once

#include "base/base.h"

struct uaccess_ops {
	int (*copy_in)(void *space, void *dst, gva_t src, size_t size);
	int (*copy_out)(void *space, gva_t dst, const void *src, size_t size);
};

struct uaccess {
	const struct uaccess_ops *ops;
	void *space;
};

static inline MUST_CHECK int copy_in(const struct uaccess *ua, void *dst, gva_t src, size_t size)
{
	return ua->ops->copy_in(ua->space, dst, src, size);
}

static inline MUST_CHECK int copy_out(const struct uaccess *ua, gva_t dst, const void *src,
				      size_t size)
{
	return ua->ops->copy_out(ua->space, dst, src, size);
}
