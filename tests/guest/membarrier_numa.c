/* membarrier's commands, memory policies of a machine with one node, protection
 * keys' refusals: each is either not there or behaves. */
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define GET_REGISTRATIONS (1 << 9)

static volatile int stop;

static void *spin(void *arg)
{
	(void)arg;
	while (!stop)
		;
	return NULL;
}

static void barriers(void)
{
	long offered = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	pthread_t th;

	if (offered < 0) {
		CHECK_EQ(errno, ENOSYS);
		return;
	}
	CHECK_ERR(syscall(SYS_membarrier, 1 << 30, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 8, 0), EINVAL);
	CHECK(pthread_create(&th, NULL, spin, NULL) == 0);
	if (offered & MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
		CHECK(offered & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
		CHECK_ERR(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
		CHECK_EQ(syscall(SYS_membarrier, GET_REGISTRATIONS, 0, 0), 0);
		CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) ==
		      0);
		CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
		CHECK_EQ(syscall(SYS_membarrier, GET_REGISTRATIONS, 0, 0),
			 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	}
	if (offered & MEMBARRIER_CMD_GLOBAL)
		CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0);
	stop = 1;
	CHECK(pthread_join(th, NULL) == 0);
}

static void policies(void)
{
	unsigned long nodes[16] = { 0 };
	int mode = -1;
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) < 0) {
		CHECK_EQ(errno, ENOSYS);
		return;
	}
	CHECK_EQ(mode, 0);
	CHECK(syscall(SYS_get_mempolicy, NULL, nodes, 1024, NULL, 4) == 0);
	CHECK(nodes[0] & 1);
	CHECK(syscall(SYS_set_mempolicy, 0, NULL, 0) == 0);
	nodes[0] = 1;
	CHECK(syscall(SYS_mbind, p, 4096, 2, nodes, 65, 0) == 0);
	CHECK_ERR(syscall(SYS_set_mempolicy, 99, NULL, 0), EINVAL);
	CHECK_ERR(syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 64), EINVAL);
	CHECK_ERR(syscall(SYS_get_mempolicy, 1, NULL, 0, NULL, 0), EFAULT);
	CHECK_ERR(syscall(SYS_mbind, (char *)p + 1, 4096, 0, NULL, 0, 0), EINVAL);
	if (geteuid() == 0 && fork() == 0) {
		CHECK_EQ(setuid(65534), 0);
		/* Pages of others are moved by the privileged. */
		CHECK_ERR(syscall(SYS_mbind, p, 4096, 0, NULL, 0, 4), EPERM);
		_exit(0);
	}
	if (geteuid() == 0) {
		int status;

		CHECK(wait(&status) > 0 && status == 0);
	}
}

static void keys(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long key;

	CHECK(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_WRITE, -1) == 0);
	*(volatile char *)p = 1;
	CHECK_ERR(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ, 99), EINVAL);
	CHECK_ERR(syscall(SYS_pkey_alloc, 1, 0), EINVAL);
	key = syscall(SYS_pkey_alloc, 0, 0);
	if (key < 0)
		CHECK(errno == ENOSPC || errno == EINVAL);
	else
		CHECK(syscall(SYS_pkey_free, key) == 0);
	CHECK_ERR(syscall(SYS_pkey_free, 99), EINVAL);
}

int main(void)
{
	barriers();
	policies();
	keys();
	return 0;
}
