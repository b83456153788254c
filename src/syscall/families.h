/* Every handler, by the file that holds it. */
#pragma once

#include "syscall/syscall.h"

/* ---- file.c ---- */
SYSCALL(read);
SYSCALL(write);
SYSCALL(pread64);
SYSCALL(pwrite64);
SYSCALL(readv);
SYSCALL(writev);
SYSCALL(preadv);
SYSCALL(pwritev);
SYSCALL(preadv2);
SYSCALL(pwritev2);
SYSCALL(lseek);

/* ---- transfer.c ---- */
SYSCALL(sendfile);
SYSCALL(copy_file_range);
SYSCALL(splice);
SYSCALL(tee);
SYSCALL(tee);
SYSCALL(vmsplice);

/* ---- sync.c ---- */
SYSCALL(fsync);
SYSCALL(fdatasync);
SYSCALL(sync);
SYSCALL(syncfs);
SYSCALL(sync_file_range);
SYSCALL(fallocate);
SYSCALL(ftruncate);
SYSCALL(truncate);
SYSCALL(fadvise64);
SYSCALL(readahead);
SYSCALL(flock);

/* ---- fd.c ---- */
SYSCALL(close);
SYSCALL(close_range);
SYSCALL(dup);
SYSCALL(dup2);
SYSCALL(dup3);

/* ---- fcntl.c ---- */
SYSCALL(fcntl);

/* ---- ioctl.c ---- */
SYSCALL(ioctl);

/* ---- seccomp.c ---- */
SYSCALL(seccomp);

/* ---- open.c ---- */
SYSCALL(open);
SYSCALL(openat);
SYSCALL(openat2);
SYSCALL(creat);

/* ---- stat.c ---- */
SYSCALL(stat);
SYSCALL(lstat);
SYSCALL(fstat);
SYSCALL(newfstatat);
SYSCALL(statx);
SYSCALL(statfs);
SYSCALL(fstatfs);

/* ---- access.c ---- */
SYSCALL(access);
SYSCALL(faccessat);
SYSCALL(faccessat2);
SYSCALL(readlink);
SYSCALL(readlinkat);

/* ---- names.c ---- */
SYSCALL(mkdir);
SYSCALL(mkdirat);
SYSCALL(rmdir);
SYSCALL(unlink);
SYSCALL(unlinkat);
SYSCALL(rename);
SYSCALL(renameat);
SYSCALL(renameat2);
SYSCALL(link);
SYSCALL(linkat);
SYSCALL(symlink);
SYSCALL(symlinkat);
SYSCALL(mknod);
SYSCALL(mknodat);

/* ---- attr.c ---- */
SYSCALL(chmod);
SYSCALL(fchmod);
SYSCALL(fchmodat);
SYSCALL(fchmodat2);
SYSCALL(chown);
SYSCALL(fchown);
SYSCALL(lchown);
SYSCALL(fchownat);
SYSCALL(utime);
SYSCALL(utimes);
SYSCALL(futimesat);
SYSCALL(utimensat);
SYSCALL(umask);

/* ---- xattr.c ---- */
SYSCALL(setxattr);
SYSCALL(lsetxattr);
SYSCALL(fsetxattr);
SYSCALL(setxattrat);
SYSCALL(getxattr);
SYSCALL(lgetxattr);
SYSCALL(fgetxattr);
SYSCALL(getxattrat);
SYSCALL(listxattr);
SYSCALL(llistxattr);
SYSCALL(flistxattr);
SYSCALL(listxattrat);
SYSCALL(removexattr);
SYSCALL(lremovexattr);
SYSCALL(fremovexattr);
SYSCALL(removexattrat);

/* ---- dir.c ---- */
SYSCALL(getdents);
SYSCALL(getdents64);
SYSCALL(getcwd);
SYSCALL(chdir);
SYSCALL(fchdir);
SYSCALL(chroot);

/* ---- mount.c ---- */
SYSCALL(mount);
SYSCALL(umount2);
SYSCALL(pivot_root);

/* ---- pipe.c ---- */
SYSCALL(pipe);
SYSCALL(pipe2);

/* ---- process.c ---- */
SYSCALL(clone);
SYSCALL(clone3);
SYSCALL(fork);
SYSCALL(vfork);
SYSCALL(exit);
SYSCALL(exit_group);
SYSCALL(getpid);
SYSCALL(gettid);
SYSCALL(getppid);
SYSCALL(getpgid);
SYSCALL(getpgrp);
SYSCALL(setpgid);
SYSCALL(getsid);
SYSCALL(setsid);
SYSCALL(set_tid_address);
SYSCALL(unshare);
SYSCALL(setns);

/* ---- wait.c ---- */
SYSCALL(wait4);
SYSCALL(waitid);

/* ---- pidfd.c ---- */
SYSCALL(pidfd_open);
SYSCALL(pidfd_send_signal);
SYSCALL(pidfd_getfd);
SYSCALL(process_madvise);

/* ---- exec.c ---- */
SYSCALL(execve);
SYSCALL(execveat);

/* ---- signal.c ---- */
SYSCALL(rt_sigaction);
SYSCALL(rt_sigprocmask);
SYSCALL(rt_sigreturn);
SYSCALL(rt_sigpending);
SYSCALL(rt_sigtimedwait);
SYSCALL(rt_sigqueueinfo);
SYSCALL(rt_tgsigqueueinfo);
SYSCALL(rt_sigsuspend);
SYSCALL(sigaltstack);
SYSCALL(kill);
SYSCALL(tkill);
SYSCALL(tgkill);
SYSCALL(pause);
SYSCALL(restart_syscall);

/* ---- time.c ---- */
SYSCALL(nanosleep);
SYSCALL(clock_nanosleep);
SYSCALL(clock_gettime);
SYSCALL(clock_getres);
SYSCALL(clock_settime);
SYSCALL(gettimeofday);
SYSCALL(settimeofday);
SYSCALL(time);
SYSCALL(times);
SYSCALL(adjtimex);
SYSCALL(clock_adjtime);

/* ---- timer.c ---- */
SYSCALL(alarm);
SYSCALL(getitimer);
SYSCALL(setitimer);
SYSCALL(timer_create);
SYSCALL(timer_settime);
SYSCALL(timer_gettime);
SYSCALL(timer_getoverrun);
SYSCALL(timer_delete);

/* ---- futex.c ---- */
SYSCALL(futex);
SYSCALL(futex_waitv);
SYSCALL(futex_wake);
SYSCALL(futex_wait);
SYSCALL(futex_requeue);
SYSCALL(set_robust_list);
SYSCALL(get_robust_list);

/* ---- memory.c ---- */
SYSCALL(mmap);
SYSCALL(mprotect);
SYSCALL(munmap);
SYSCALL(brk);
SYSCALL(mremap);
SYSCALL(msync);
SYSCALL(mincore);
SYSCALL(mseal);
SYSCALL(madvise);
SYSCALL(remap_file_pages);
SYSCALL(mlock);
SYSCALL(mlock2);
SYSCALL(munlock);
SYSCALL(mlockall);
SYSCALL(munlockall);
SYSCALL(pkey_alloc);
SYSCALL(pkey_free);
SYSCALL(pkey_mprotect);
SYSCALL(semget);
SYSCALL(semop);
SYSCALL(semtimedop);
SYSCALL(semctl);
SYSCALL(msgget);
SYSCALL(msgsnd);
SYSCALL(msgrcv);
SYSCALL(msgctl);
SYSCALL(io_setup);
SYSCALL(io_destroy);
SYSCALL(io_submit);
SYSCALL(io_cancel);
SYSCALL(io_getevents);
SYSCALL(io_pgetevents);
SYSCALL(kcmp);
SYSCALL(mq_open);
SYSCALL(mq_unlink);
SYSCALL(mq_timedsend);
SYSCALL(mq_timedreceive);
SYSCALL(mq_notify);
SYSCALL(mq_getsetattr);
SYSCALL(shmget);
SYSCALL(shmat);
SYSCALL(shmdt);
SYSCALL(shmctl);

/* ---- memfd.c ---- */
SYSCALL(memfd_create);

/* ---- membarrier.c ---- */
SYSCALL(membarrier);

/* ---- procvm.c ---- */
SYSCALL(process_vm_readv);
SYSCALL(process_vm_writev);

/* ---- cred.c ---- */
SYSCALL(getuid);
SYSCALL(geteuid);
SYSCALL(getgid);
SYSCALL(getegid);
SYSCALL(setuid);
SYSCALL(setgid);
SYSCALL(setreuid);
SYSCALL(setregid);
SYSCALL(setresuid);
SYSCALL(setresgid);
SYSCALL(getresuid);
SYSCALL(getresgid);
SYSCALL(setfsuid);
SYSCALL(setfsgid);
SYSCALL(getgroups);
SYSCALL(setgroups);
SYSCALL(capget);
SYSCALL(capset);

/* ---- limits.c ---- */
SYSCALL(getrlimit);
SYSCALL(setrlimit);
SYSCALL(prlimit64);
SYSCALL(getrusage);

/* ---- system.c ---- */
SYSCALL(uname);
SYSCALL(sethostname);
SYSCALL(setdomainname);
SYSCALL(sysinfo);
SYSCALL(getrandom);
SYSCALL(rseq);
SYSCALL(getcpu);

/* ---- ptrace.c ---- */
SYSCALL(ptrace);

/* ---- prctl.c ---- */
SYSCALL(prctl);
SYSCALL(arch_prctl);
SYSCALL(personality);

/* ---- sched.c ---- */
SYSCALL(sched_yield);
SYSCALL(sched_setparam);
SYSCALL(sched_getparam);
SYSCALL(sched_setscheduler);
SYSCALL(sched_getscheduler);
SYSCALL(sched_get_priority_max);
SYSCALL(sched_get_priority_min);
SYSCALL(sched_rr_get_interval);
SYSCALL(sched_setaffinity);
SYSCALL(sched_getaffinity);
SYSCALL(sched_setattr);
SYSCALL(sched_getattr);
SYSCALL(getpriority);
SYSCALL(setpriority);
SYSCALL(ioprio_set);
SYSCALL(ioprio_get);

/* ---- socket.c ---- */
SYSCALL(socket);
SYSCALL(socketpair);
SYSCALL(bind);
SYSCALL(listen);
SYSCALL(accept);
SYSCALL(accept4);
SYSCALL(connect);
SYSCALL(getsockname);
SYSCALL(getpeername);
SYSCALL(sendto);
SYSCALL(recvfrom);
SYSCALL(sendmsg);
SYSCALL(recvmsg);
SYSCALL(sendmmsg);
SYSCALL(recvmmsg);
SYSCALL(shutdown);
SYSCALL(setsockopt);
SYSCALL(getsockopt);

/* ---- poll.c ---- */
SYSCALL(poll);
SYSCALL(ppoll);

/* ---- select.c ---- */
SYSCALL(select);
SYSCALL(pselect6);

/* ---- epoll.c ---- */
SYSCALL(epoll_create);
SYSCALL(epoll_create1);
SYSCALL(epoll_ctl);
SYSCALL(epoll_wait);
SYSCALL(epoll_pwait);
SYSCALL(epoll_pwait2);

/* ---- eventfiles.c ---- */
SYSCALL(eventfd);
SYSCALL(eventfd2);
SYSCALL(timerfd_create);
SYSCALL(timerfd_settime);
SYSCALL(timerfd_gettime);
SYSCALL(inotify_init);
SYSCALL(inotify_init1);
SYSCALL(inotify_add_watch);
SYSCALL(inotify_rm_watch);

/* ---- signalfd.c ---- */
SYSCALL(signalfd);
SYSCALL(signalfd4);

/* ---- numa.c ---- */
SYSCALL(get_mempolicy);
SYSCALL(set_mempolicy);
SYSCALL(mbind);

/* ---- uring.c ---- */
SYSCALL(io_uring_setup);
SYSCALL(io_uring_enter);
SYSCALL(io_uring_register);
