#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/host.h"
#include "host/internal.h"

static int mapping_result(void *at, void **out)
{
	if (at == MAP_FAILED) {
		*out = NULL;
		return -errno;
	}
	*out = at;
	return 0;
}

int host_mmap(void *addr, size_t size, int prot, int flags, int fd, fileoff_t off, void **out)
{
	void *at = mmap(addr, size, prot, flags, fd, (off_t)off); /* host: mmap */

	return mapping_result(at, out);
}

int host_munmap(void *addr, size_t size)
{
	return (int)HOST_CALL(munmap(addr, size)); /* host: munmap */
}

int host_mprotect(void *addr, size_t size, int prot)
{
	return (int)HOST_CALL(mprotect(addr, size, prot)); /* host: mprotect */
}

int host_madvise(void *addr, size_t size, int advice)
{
	return (int)HOST_RETRY(madvise(addr, size, advice)); /* host: madvise */
}

int host_mremap(void *old, size_t old_size, size_t new_size, int flags, void *new_addr, void **out)
{
	void *at = mremap(old, old_size, new_size, flags, new_addr); /* host: mremap */

	return mapping_result(at, out);
}

int host_msync(void *addr, size_t size, int flags)
{
	return (int)HOST_RETRY(msync(addr, size, flags)); /* host: msync */
}

int host_mlock(const void *addr, size_t size)
{
	return (int)HOST_CALL(mlock(addr, size)); /* host: mlock */
}

int host_munlock(const void *addr, size_t size)
{
	return (int)HOST_CALL(munlock(addr, size)); /* host: munlock */
}

int host_mincore(void *addr, size_t size, unsigned char *vec)
{
	return (int)HOST_CALL(mincore(addr, size, vec)); /* host: mincore */
}

int host_membarrier(int cmd, unsigned flags)
{
	return (int)HOST_CALL(syscall(SYS_membarrier, cmd, flags, 0)); /* host: membarrier */
}
