/*
 * The lock order of the whole kernel, outermost first. A thread may take a lock
 * only if its rank is greater than that of every lock it holds; equal ranks
 * only through mutex_lock_nested(), by rising address. Debug builds abort on a
 * wrong order. Each folder's main header repeats its slice as a tree.
 *
 * The backbone: a file system or task lock may be held while guest memory is
 * copied (MM_*), and a mappable's locks (INODE_MAPS, INODE_DATA) are taken
 * inside mm when a fault asks the mappable to translate. So: no lock that
 * translate() takes may be held while copying from or to guest memory.
 */
#pragma once

enum lock_rank {
	LOCK_NONE = 0,      /* not checked: for locks of tests */
	LOCK_BOOT,          /* bring-up and tear-down of a sandbox */
	LOCK_TASK_EXEC,     /* one exec or fork at a time in a thread group */
	LOCK_FILE_POS,      /* the file position of an open file: held all through a read */
	LOCK_VFS_RENAME,    /* renames of directories, one at a time per fs */
	LOCK_VFS_DIR,       /* a directory's entries (dentry children) */
	LOCK_VFS_DIR2,      /* the second directory of a rename or link */
	LOCK_COPY_UP,       /* overlay: one inode's copy-up */
	LOCK_VFS_DIR_UPPER, /* overlay: the directory in which copies are made */
	LOCK_EPOLL_ALL,     /* interest lists of all epolls: their shape */
	LOCK_SOCKET,        /* one reader of a socket, while guest memory is copied */
	LOCK_SOCKET_PEER,   /* one socket's state and queues; two by address */
	LOCK_SOCKET_NAMES,  /* names bound, and other lists of all sockets */
	LOCK_SOCKET_GC,     /* descriptors in flight */
	LOCK_PIPE,          /* one pipe */
	LOCK_PIPE_PEER,     /* the second pipe of splice and tee */
	LOCK_TTY,           /* terminals */
	LOCK_FILE_WRITE,    /* remote: writers of one file, for its size */
	LOCK_FILE,          /* other open-file objects (eventfd, timerfd, ...) */
	LOCK_VFS_FILELOCK,  /* flock and POSIX lock lists */
	LOCK_PIDS,          /* the pid table, process tree, sessions */
	LOCK_GROUP,         /* one thread group: members, state, timers, children */
	LOCK_SIGHAND,       /* signal actions and queues of a thread group */
	LOCK_FDTABLE,       /* a descriptor table */
	LOCK_FILE_OWNER,    /* who gets the signals of open files */
	LOCK_FS_CONTEXT,    /* cwd, root, umask */
	LOCK_CRED,          /* credentials being swapped */
	LOCK_USER,          /* what users have: counts */
	LOCK_IPC,           /* a table of System V objects */
	LOCK_IPC_UNDO,      /* what processes would have undone of semaphores */
	LOCK_IPC_OBJECT,    /* one of them */
	LOCK_FUTEX,         /* a futex hash bucket (copies guest memory inside) */
	LOCK_FUTEX2,        /* the second bucket of a requeue */
	LOCK_MM_MAP,        /* vmas of an address space */
	LOCK_MM_MAP2,       /* the child's, in fork */
	LOCK_INODE_MAPS,    /* the reverse mappings of a mappable */
	LOCK_MM_ACTIVE,     /* pmas of an address space */
	LOCK_MM_ACTIVE2,    /* the child's, in fork */
	LOCK_MM_PINS,       /* lists of pinned ranges */
	LOCK_VFS_MOUNT,     /* the mount tree: names for /proc/[pid]/maps need it */
	LOCK_INODE,         /* metadata of one inode */
	LOCK_INODE_DATA,    /* size, cache and dirty sets of one inode */
	LOCK_INODE_LOWER,   /* the inode below, in a stacked file system */
	LOCK_INODE_LOWER_DATA,
	LOCK_DCACHE,         /* dentry hash and lru */
	LOCK_OVERLAY,        /* overlay: the index of its inodes */
	LOCK_REMOTE,         /* a remote file system's handles */
	LOCK_PAGECACHE,      /* lists of all page caches */
	LOCK_NOTIFY,         /* watches on inodes */
	LOCK_NOTIFY_QUEUE,   /* events of one inotify */
	LOCK_HOSTMAP,        /* the host-file mapping cache */
	LOCK_MEMFILE,        /* the memory file's sets */
	LOCK_PLATFORM,       /* platform: address space lists, stub pool */
	LOCK_PLATFORM_AS,    /* platform: one address space's mapper */
	LOCK_PLATFORM_SLOTS, /* platform: shared slots, lists of contexts */
	LOCK_NOTIFIER,       /* the host descriptor notifier: wakes queues */
	LOCK_BLK_QUEUE,      /* one queue of a disk: its requests */
	LOCK_FUSE_CHANNEL,   /* one device of files: its requests */
	LOCK_VIRTQ,          /* one virtqueue: its descriptors, who waits for them */
	LOCK_URING_RINGS,    /* the list of all io_urings */
	LOCK_URING,          /* one io_uring: its completions, what waits, its tables */
	LOCK_URING_POOL,     /* the threads that work for one task's io_uring requests */
	LOCK_TIMER,          /* the timer wheel and its thread */
	LOCK_WAITQ,          /* any wait queue: wakes run under it */
	LOCK_EPOLL_READY,    /* the ready list of one epoll: inside any queue */
	LOCK_URING_WORK,     /* io_uring requests to go on with: inside any queue */
	LOCK_WAITER,         /* one waiter's state */
	LOCK_HOSTFD,         /* the list of host descriptors, the notifier */
	LOCK_POOL,           /* object pools */
	LOCK_LOG,            /* log lines */
	LOCK_RANK_COUNT,
};
