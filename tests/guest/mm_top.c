/* Memory calls at the top of the address space, where a sandbox keeps what guests
 * must not touch: nothing there can be changed, and no copy reaches it. A plain Linux
 * has nothing there and lets a fixed mapping in, so some answers depend on the kernel. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check.h"

#define P 4096ul

static bool is_nacre(void)
{
	struct utsname u;

	CHECK_EQ(uname(&u), 0);
	return strstr(u.release, "nacre") || strstr(u.version, "nacre");
}

static void nothing_there(char *at)
{
	struct iovec local = { (char[8]){ 0 }, 8 }, remote = { at, 8 };
	unsigned char vec[1];
	int fd = open("/proc/self/exe", O_RDONLY);

	CHECK_ERR(mprotect(at, P, PROT_READ | PROT_WRITE), ENOMEM);
	CHECK_ERR(mremap(at, P, 2 * P, MREMAP_MAYMOVE), EFAULT);
	CHECK_ERR(mincore(at, P, vec), ENOMEM);
	CHECK_ERR(mlock(at, P), ENOMEM);
	CHECK_ERR(msync(at, P, MS_SYNC), ENOMEM);
	CHECK_ERR(madvise(at, P, MADV_DONTNEED), ENOMEM);
	CHECK_ERR(read(fd, at, 8), EFAULT);
	CHECK_ERR(pread(fd, at, P, 0), EFAULT);
	CHECK_ERR(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), EFAULT);
	CHECK_ERR(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), EFAULT);
	close(fd);
}

static void cannot_be_mapped(char *at)
{
	char *p = mmap(NULL, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK_ERR((intptr_t)mmap(at, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		  ENOMEM);
	CHECK_ERR((intptr_t)mmap(at, P, PROT_READ,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		  ENOMEM);
	/* As a hint it is only a wish. */
	p = mmap(at, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && p != at);
	CHECK_EQ(munmap(at, P), 0); /* nothing is there */
	nothing_there(at);
	CHECK_ERR((intptr_t)mremap(p, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, at), EINVAL);
	CHECK_EQ(munmap(p, P), 0);
}

int main(void)
{
	/* Text, constants, request page, answers, vDSO, thread areas, and beyond. */
	static const uintptr_t at[] = { 0x7fffe0000000, 0x7fffe0001000, 0x7fffe0002000,
					0x7fffe0004000, 0x7fffe0010000, 0x7fffe1000000,
					0x7fffe1004000, 0x7fffefff0000, 0x7fffeffff000 };

	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		nothing_there((char *)at[i]);
		if (is_nacre())
			cannot_be_mapped((char *)at[i]);
	}
	/* Ranges that begin below and reach in. */
	if (is_nacre()) {
		CHECK_ERR((intptr_t)mmap((void *)0x7fffdfff0000, 0x100000, PROT_READ,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			  ENOMEM);
	}
	/* Past all: wrap-around, and addresses of the kernel. */
	CHECK_ERR(munmap((void *)~(P - 1), 2 * P), EINVAL);
	CHECK_ERR(munmap((void *)0xffff800000000000, P), EINVAL);
	CHECK_ERR(mprotect((void *)0xffff800000000000, P, PROT_READ), ENOMEM);
	CHECK_ERR((intptr_t)mmap((void *)0xffff800000000000, P, PROT_READ,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		  ENOMEM);
	return 0;
}
