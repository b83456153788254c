/* Buffers of system calls in every kind of memory, and bad ones. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"
#include "touch.h"

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* An address that the compiler knows nothing of. */
static void *at(uintptr_t addr)
{
	volatile uintptr_t hidden = addr;

	return (void *)hidden;
}

static void bad_buffers_are_efault(void)
{
	int zero = open("/dev/zero", O_RDONLY), fds[2];
	char *p = mmap(NULL, 2 * P, RW, ANON, -1, 0);
	struct stat st;

	CHECK(pipe(fds) == 0 && munmap(p + P, P) == 0);
	CHECK_ERR(read(zero, at(8), 10), EFAULT);
	CHECK_ERR(read(zero, at((uintptr_t)1 << 60), 10), EFAULT);
	CHECK_ERR(read(zero, at(UINTPTR_MAX - 100), 10), EFAULT);
	CHECK_ERR(write(fds[1], at(8), 10), EFAULT);
	CHECK_ERR(pipe(at(8)), EFAULT);
	CHECK_ERR(stat("/", (struct stat *)(p + P)), EFAULT);
	CHECK_ERR(stat("/", (struct stat *)(p + P - sizeof(st) + 1)), EFAULT);
	CHECK(stat("/", (struct stat *)(p + P - sizeof(st))) == 0);
	CHECK_ERR(stat(at(8), &st), EFAULT);
	memset(p, 'x', P);
	CHECK_ERR(stat(p + P - 10, &st), EFAULT);
	CHECK(mprotect(p, P, PROT_READ) == 0);
	CHECK_ERR(read(zero, p, 10), EFAULT);
	CHECK(write(fds[1], p, 10) == 10);
	CHECK(mprotect(p, P, PROT_NONE) == 0);
	CHECK_ERR(write(fds[1], p, 10), EFAULT);
	CHECK(munmap(p, P) == 0);
	close(zero);
	close(fds[0]);
	close(fds[1]);
}

static void partial_reads_count(void)
{
	int fd = memfd_create("test", 0);
	char *p = mmap(NULL, 2 * P, RW, ANON, -1, 0);
	struct iovec v[2] = { { p, 10 }, { p + P, 10 } };

	CHECK(fd >= 0 && munmap(p + P, P) == 0);
	CHECK(pwrite(fd, "0123456789abcdefghij", 20, 0) == 20);
	CHECK(readv(fd, v, 2) == 10);
	CHECK(memcmp(p, "0123456789", 10) == 0);
	CHECK(lseek(fd, 0, SEEK_CUR) == 10);
	v[0].iov_len = (size_t)-1;
	CHECK_ERR(readv(fd, v, 2), EINVAL);
	CHECK_ERR(syscall(SYS_readv, fd, v, 1025), EINVAL);
	CHECK_ERR(syscall(SYS_readv, fd, v, -1), EINVAL);
	CHECK_ERR(readv(fd, at(8), 1), EFAULT);
	v[0] = (struct iovec){ at((uintptr_t)1 << 60), 10 };
	CHECK_ERR(readv(fd, v, 1), EFAULT);
	CHECK(munmap(p, P) == 0);
	close(fd);
}

static void fresh_memory_is_a_buffer(void)
{
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
	size_t size = (size_t)3 << 20;
	char *p = mmap(NULL, size, RW, ANON, -1, 0);

	CHECK(write(null, p, size) == (ssize_t)size);
	memset(p, 1, size);
	CHECK(read(zero, p + 5, size - 10) == (ssize_t)size - 10);
	CHECK(p[4] == 1 && p[5] == 0 && p[size / 2] == 0 && p[size - 6] == 0 && p[size - 5] == 1);
	CHECK(munmap(p, size) == 0);
	close(zero);
	close(null);
}

static void other_processes_are_read_and_written(void)
{
	char *p = mmap(NULL, 4 * P, RW, ANON, -1, 0), buf[8] = "";
	int to[2], from[2], status;
	struct iovec local = { buf, 5 }, remote = { p + P, 5 };
	pid_t pid;

	strcpy(p + P, "there");
	CHECK(pipe(to) == 0 && pipe(from) == 0);
	pid = fork();
	if (pid == 0) {
		strcpy(p + P, "child");
		CHECK(write(from[1], "r", 1) == 1 && read(to[0], buf, 1) == 1);
		CHECK(strcmp(p + P, "wrote") == 0);
		_exit(0);
	}
	CHECK(read(from[0], buf, 1) == 1);
	CHECK(process_vm_readv(pid, &local, 1, &remote, 1, 0) == 5);
	CHECK(memcmp(buf, "child", 5) == 0);
	memcpy(buf, "wrote", 5);
	CHECK(process_vm_writev(pid, &local, 1, &remote, 1, 0) == 5);
	remote.iov_base = at(8);
	CHECK_ERR(process_vm_readv(pid, &local, 1, &remote, 1, 0), EFAULT);
	CHECK_ERR(process_vm_readv(pid, &local, 1, &remote, 1, 1), EINVAL);
	CHECK_ERR(process_vm_readv(999999, &local, 1, &remote, 1, 0), ESRCH);
	CHECK(strcmp(p + P, "there") == 0);
	CHECK(write(to[1], "g", 1) == 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(munmap(p, 4 * P) == 0);
}

int main(void)
{
	bad_buffers_are_efault();
	partial_reads_count();
	fresh_memory_is_a_buffer();
	other_processes_are_read_and_written();
	return 0;
}
