/* How host/ turns libc's -1 and errno into a negative errno. */
#pragma once

#include <errno.h>

#include "base/base.h"

static inline long host_result(long ret)
{
	return ret == -1 ? -(long)errno : ret;
}

#define HOST_CALL(call) host_result((long)(call))

/* The same, again while a signal interrupted it. */
#define HOST_RETRY(call)                        \
	({                                      \
		long ret_;                      \
		do                              \
			ret_ = HOST_CALL(call); \
		while (ret_ == -EINTR);         \
		ret_;                           \
	})
