/*
 * host/: the only folder that calls the host kernel (base/park.c's futex and
 * the log's write apart). Thin wrappers, one host call each, by family:
 *
 *	file.c    files, directories, descriptors, polling
 *	mem.c     mappings
 *	time.c    clocks
 *	proc.c    processes, signals, namespaces, credentials (proc.h)
 *	net.c     sockets (net.h)
 *	random.c  random bytes
 *	thread.c  host threads (thread.h)
 *	hostfd.c  the list of host descriptors that the kernel holds (hostfd.h)
 *	safecopy  copies that survive faults (safecopy.h)
 *
 * Rules:
 *  - A wrapper returns 0, a descriptor or a count, or a negative errno. errno
 *    itself is seen nowhere else.
 *  - EINTR is retried, except where the caller waits for an event and may want
 *    to be interrupted: poll, epoll_wait, nanosleep, waitid, connect, accept4,
 *    sendmsg, recvmsg. Those return -EINTR.
 *  - Descriptors are opened close-on-exec, whatever the flags say.
 *  - Beside each call stands a comment that names the host system calls made:
 *    `host:` for those that run after the kernel's seccomp filter is installed
 *    (a build step collects them into the filter), `host-setup:` for those
 *    that run only before.
 */
#pragma once

#include "base/base.h"

struct epoll_event;
struct flock;
struct iovec;
struct itimerspec;
struct pollfd;
struct stat;
struct statfs;
struct statx;
struct timespec;

/* --- files ---------------------------------------------------------------- */

/* resolve: RESOLVE_* of <linux/openat2.h>. -ENOSYS on hosts before 5.6. */
int host_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
	MUST_CHECK;
int host_openat(int dirfd, const char *path, int flags, mode_t mode) MUST_CHECK;
/* Never retried; the descriptor is gone even on failure. */
int host_close(int fd);
int host_close_range(unsigned first, unsigned last);

ssize_t host_read(int fd, void *buf, size_t size) MUST_CHECK;
ssize_t host_write(int fd, const void *buf, size_t size) MUST_CHECK;
ssize_t host_pread(int fd, void *buf, size_t size, fileoff_t off) MUST_CHECK;
ssize_t host_pwrite(int fd, const void *buf, size_t size, fileoff_t off) MUST_CHECK;
ssize_t host_readv(int fd, const struct iovec *iov, int count) MUST_CHECK;
ssize_t host_writev(int fd, const struct iovec *iov, int count) MUST_CHECK;
/* off -1: the file position. flags: RWF_*. */
ssize_t host_preadv2(int fd, const struct iovec *iov, int count, int64_t off, int flags) MUST_CHECK;
ssize_t host_pwritev2(int fd, const struct iovec *iov, int count, int64_t off, int flags)
	MUST_CHECK;
int64_t host_lseek(int fd, int64_t off, int whence) MUST_CHECK;
ssize_t host_copy_file_range(int in, int64_t *in_off, int out, int64_t *out_off, size_t size,
			     unsigned flags) MUST_CHECK;
ssize_t host_splice(int in, int64_t *in_off, int out, int64_t *out_off, size_t size, unsigned flags)
	MUST_CHECK;

int host_fstat(int fd, struct stat *st) MUST_CHECK;
int host_fstatat(int dirfd, const char *path, struct stat *st, int flags) MUST_CHECK;
int host_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx) MUST_CHECK;
int host_fstatfs(int fd, struct statfs *st) MUST_CHECK;
int host_faccessat(int dirfd, const char *path, int mode, int flags) MUST_CHECK;
/* Fills buf with struct linux_dirent64 records; 0 at the end. */
ssize_t host_getdents64(int fd, void *buf, size_t size) MUST_CHECK;
/* The count of bytes, not terminated; size when it may have been cut. */
ssize_t host_readlinkat(int dirfd, const char *path, char *buf, size_t size) MUST_CHECK;

int host_ftruncate(int fd, fileoff_t size) MUST_CHECK;
int host_fallocate(int fd, int mode, fileoff_t off, fileoff_t size) MUST_CHECK;
int host_fsync(int fd) MUST_CHECK;
int host_fdatasync(int fd) MUST_CHECK;
int host_syncfs(int fd) MUST_CHECK;
int host_sync_file_range(int fd, fileoff_t off, fileoff_t size, unsigned flags) MUST_CHECK;
int host_fadvise(int fd, fileoff_t off, fileoff_t size, int advice) MUST_CHECK;
int host_flock(int fd, int operation) MUST_CHECK;

int host_unlinkat(int dirfd, const char *path, int flags) MUST_CHECK;
int host_mkdirat(int dirfd, const char *path, mode_t mode) MUST_CHECK;
int host_renameat2(int olddir, const char *oldpath, int newdir, const char *newpath, unsigned flags)
	MUST_CHECK;
int host_linkat(int olddir, const char *oldpath, int newdir, const char *newpath, int flags)
	MUST_CHECK;
int host_symlinkat(const char *target, int dirfd, const char *path) MUST_CHECK;
int host_mknodat(int dirfd, const char *path, mode_t mode, dev_t dev) MUST_CHECK;
int host_fchmod(int fd, mode_t mode) MUST_CHECK;
/* Follows symbolic links; with AT_* flags -ENOSYS on hosts before 6.6. */
int host_fchmodat(int dirfd, const char *path, mode_t mode, int flags) MUST_CHECK;
int host_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags) MUST_CHECK;
/* path NULL: dirfd itself. times: access, modification. */
int host_utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
	MUST_CHECK;

ssize_t host_fgetxattr(int fd, const char *name, void *value, size_t size) MUST_CHECK;
ssize_t host_lgetxattr(const char *path, const char *name, void *value, size_t size) MUST_CHECK;
int host_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags) MUST_CHECK;
int host_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)
	MUST_CHECK;
ssize_t host_flistxattr(int fd, char *list, size_t size) MUST_CHECK;
ssize_t host_llistxattr(const char *path, char *list, size_t size) MUST_CHECK;
int host_fremovexattr(int fd, const char *name) MUST_CHECK;
int host_lremovexattr(const char *path, const char *name) MUST_CHECK;

/* --- descriptors and polling ---------------------------------------------- */

int host_dup(int fd) MUST_CHECK;
int host_dup3(int oldfd, int newfd, int flags) MUST_CHECK;
int host_pipe2(int fds[2], int flags) MUST_CHECK;
int host_eventfd(unsigned initial, int flags) MUST_CHECK;
int host_memfd_create(const char *name, unsigned flags) MUST_CHECK;
int host_timerfd_create(int clock, int flags) MUST_CHECK;
int host_timerfd_settime(int fd, int flags, const struct itimerspec *value) MUST_CHECK;
int host_inotify_init(int flags) MUST_CHECK;
int host_inotify_add_watch(int fd, const char *path, uint32_t mask) MUST_CHECK;
int host_fcntl(int fd, int cmd, unsigned long arg);
int host_fcntl_lock(int fd, int cmd, struct flock *lock) MUST_CHECK;
int host_ioctl(int fd, unsigned long request, void *arg);

/* timeout_ns < 0: for ever. Both return -EINTR. */
int host_poll(struct pollfd *fds, size_t count, int64_t timeout_ns) MUST_CHECK;
int host_epoll_wait(int epfd, struct epoll_event *events, int count, int64_t timeout_ns) MUST_CHECK;
int host_epoll_create(void) MUST_CHECK;
int host_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event) MUST_CHECK;

/* --- memory --------------------------------------------------------------- */

int host_mmap(void *addr, size_t size, int prot, int flags, int fd, fileoff_t off, void **out)
	MUST_CHECK;
int host_munmap(void *addr, size_t size);
int host_mprotect(void *addr, size_t size, int prot) MUST_CHECK;
int host_madvise(void *addr, size_t size, int advice) MUST_CHECK;
int host_mremap(void *old, size_t old_size, size_t new_size, int flags, void *new_addr, void **out)
	MUST_CHECK;
int host_msync(void *addr, size_t size, int flags) MUST_CHECK;
int host_mlock(const void *addr, size_t size) MUST_CHECK;
int host_munlock(const void *addr, size_t size);
int host_mincore(void *addr, size_t size, unsigned char *vec) MUST_CHECK;
int host_membarrier(int cmd, unsigned flags) MUST_CHECK;

/* --- time ------------------------------------------------------------------ */

/* Nanoseconds of a clock that exists (else panics); no host call for the usual ones. */
uint64_t host_clock_ns(int clock);
int host_clock_gettime(int clock, struct timespec *ts) MUST_CHECK;
int host_clock_getres(int clock, struct timespec *ts) MUST_CHECK;
/* flags: TIMER_ABSTIME. left (may be NULL) is set on -EINTR of a relative sleep. */
int host_clock_nanosleep(int clock, int flags, const struct timespec *ts, struct timespec *left)
	MUST_CHECK;
/* The CPU time clock of the calling thread's process or of host thread tid. */
uint64_t host_thread_cpu_ns(uint32_t tid);

/* --- random ---------------------------------------------------------------- */

/* Fills buf entirely or panics: there is no kernel without random bytes. */
void host_random(void *buf, size_t size);
