/*
 * A platform that carries nothing: the porting guide. A new platform copies
 * this file, keeps the order of the table in platform/internal.h, and fills
 * one function after the other; test_platform.c tells how far it is.
 */
#include "platform/internal.h"

static int skeleton_create(const struct platform_options *opt, struct platform **out)
{
	*out = NULL;
	if (opt->why)
		*opt->why = "it carries nothing yet";
	return -ENOSYS;
}

const struct platform_impl skeleton_impl = {
	.name = "skeleton",
	.create = skeleton_create,
};
