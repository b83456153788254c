#include <sys/random.h>

#include "host/host.h"
#include "host/internal.h"

void host_random(void *buf, size_t size)
{
	char *at = buf;

	while (size > 0) {
		ssize_t got = HOST_RETRY(getrandom(at, size, 0)); /* host: getrandom */

		if (got <= 0)
			panic("getrandom failed: %zd", got);
		at += got;
		size -= (size_t)got;
	}
}
