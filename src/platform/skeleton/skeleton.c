/*
 * A platform that carries nothing: the porting guide. A new platform copies
 * this file, keeps the order of the table in platform/internal.h, and fills
 * one function after the other; test_platform.c tells how far it is.
 */
#include "base/log.h"
#include "platform/internal.h"

static int skeleton_create(const struct platform_options *opt UNUSED, struct platform **out)
{
	*out = NULL;
	log_error("skeleton: carries nothing yet");
	return -ENOSYS;
}

const struct platform_impl skeleton_impl = {
	.name = "skeleton",
	.create = skeleton_create,
};
