/* System V shared memory: getting, attaching, counting, removing, control. */
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <signal.h>
#include <time.h>

#include "say.h"
#include "waitfor.h"

#define KEY 0x6e616375
#define FAILED ((void *)-1)

static int id;

static struct shmid_ds stat_now(void)
{
	struct shmid_ds ds = { 0 };

	shmctl(id, IPC_STAT, &ds);
	return ds;
}

static long attached(void)
{
	return (long)stat_now().shm_nattch;
}

/* A call that returns an address: whether it is one. */
static int at(int flags)
{
	void *p = shmat(id, NULL, flags);

	if (p == FAILED)
		return -1;
	shmdt(p);
	return 0;
}

static void getting(void)
{
	int a;

	SAY(shmget(KEY, 5000, 0));
	SAY_OK(a = shmget(KEY, 5000, IPC_CREAT | 0600));
	SAY(shmget(KEY, 5000, IPC_CREAT | IPC_EXCL | 0600));
	SAY(shmget(KEY, 5000, 0600) == a);
	SAY(shmget(KEY, 0, 0) == a);
	SAY(shmget(KEY, 5001, 0));
	SAY(shmctl(a, IPC_RMID, NULL));
	SAY(shmctl(a, IPC_RMID, NULL));
	SAY(shmget(KEY, 0, 0));
	SAY(shmget(IPC_PRIVATE, 0, 0600));
	SAY(shmget(IPC_PRIVATE, (size_t)-1, 0600));
	SAY(shmget(IPC_PRIVATE, 1ul << 63, 0600));
	SAY(shmget(IPC_PRIVATE, 1ul << 50, 0600));
	SAY_OK(a = shmget(IPC_PRIVATE, 1ul << 50, SHM_NORESERVE | 0600));
	id = a;
	SAY(at(0));
	SAY(shmctl(a, IPC_RMID, NULL));
	SAY(shmget(IPC_PRIVATE, 2 << 20, SHM_HUGETLB | (24 << 26) | 0600));
	SAY(shmat(-1, NULL, 0) == FAILED ? -1 : 0);
	SAY(shmat(12345678, NULL, 0) == FAILED ? -1 : 0);
}

static void contents(void)
{
	char *p, *q;

	id = shmget(IPC_PRIVATE, 5000, 0600);
	p = shmat(id, NULL, 0);
	q = shmat(id, NULL, 0);
	SAY(p != FAILED && q != FAILED && p != q);
	SAY(attached());
	SAY(p[0] + p[4999] + p[8191]);
	strcpy(p + 100, "hello");
	printf("%s\n", q + 100);
	IN_CHILD(strcpy(p + 200, "from a child"); SAY(attached()); SAY(shmdt(q)); SAY(attached()));
	printf("%s\n", q + 200);
	SAY(attached());
	SAY(shmdt(p));
	SAY(shmdt(p));
	SAY(shmdt(p + 1));
	SAY(attached());
	SAY(shmdt(q));
	SAY(attached());
	p = shmat(id, NULL, 0);
	printf("still %s\n", p + 100);
	SAY(madvise(p, 4096, MADV_REMOVE));
	SAY(p[100]);
	SAY(shmdt(p));
	SAY(shmctl(id, IPC_RMID, NULL));
}

static void addresses(void)
{
	char *p, *room = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	id = shmget(IPC_PRIVATE, 8192, 0700);
	SAY(shmat(id, room, 0) == FAILED ? -1 : 0);
	SAY(shmat(id, room, SHM_REMAP) == room);
	strcpy(room, "in place");
	SAY(shmat(id, NULL, SHM_REMAP) == FAILED ? -1 : 0);
	SAY(shmat(id, room + 1, 0) == FAILED ? -1 : 0);
	SAY(shmat(id, room + 1, SHM_RND) == FAILED ? -1 : 0);
	munmap(room + 65536, 8192);
	SAY(shmat(id, room + 65536 + 77, SHM_RND) == room + 65536);
	SAY(shmat(id, (char *)100, SHM_RND | SHM_REMAP) == FAILED ? -1 : 0);
	SAY(shmat(id, (char *)0x7ffffffff000, 0) == FAILED ? -1 : 0);
	SAY(shmat(id, (char *)0xfffffffffffff000, 0) == FAILED ? -1 : 0);
	SAY(attached());
	/* What is left of one after a hole, and one that has moved. */
	SAY(munmap(room, 4096));
	SAY(attached());
	SAY(shmdt(room + 4096));
	SAY(shmdt(room));
	SAY(attached());
	p = mremap(room + 65536, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, room + 200 * 1024);
	SAY(p == room + 200 * 1024);
	printf("%s\n", p);
	SAY(attached());
	SAY(shmdt(room + 65536));
	SAY(shmdt(p));
	p = shmat(id, NULL, 0);
	SAY(munmap(p + 4096, 4096));
	SAY(shmdt(p));
	/* A hole in the middle makes two. */
	shmctl(id, IPC_RMID, NULL);
	id = shmget(IPC_PRIVATE, 3 * 4096, 0700);
	p = shmat(id, NULL, 0);
	SAY(munmap(p + 4096, 4096));
	SAY(attached());
	SAY(shmdt(p));
	SAY(attached());
	SAY(shmctl(id, IPC_RMID, NULL));
	munmap(room, 1 << 20);
}

static int exits_by_signal(void (*fn)(char *), char *p)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		fn(p);
		_exit(0);
	}
	return WTERMSIG(reap(pid));
}

static void store(char *p)
{
	*(volatile char *)p = 1;
}

static void call(char *p)
{
	((void (*)(void))(void *)p)();
}

static void protection(void)
{
	char *r, *w, *x;

	id = shmget(IPC_PRIVATE, 4096, 0700);
	w = shmat(id, NULL, 0);
	w[0] = (char)0xc3; /* ret */
	r = shmat(id, NULL, SHM_RDONLY);
	SAY(r[0] == (char)0xc3);
	SAY(exits_by_signal(store, r));
	SAY(mprotect(r, 4096, PROT_READ | PROT_WRITE));
	SAY(mprotect(r, 4096, PROT_NONE));
	SAY(mprotect(r, 4096, PROT_READ | PROT_EXEC));
	SAY(exits_by_signal(call, r));
	SAY(exits_by_signal(call, w));
	x = shmat(id, NULL, SHM_EXEC);
	SAY(exits_by_signal(call, x));
	SAY(exits_by_signal(store, x));
	SAY(shmctl(id, IPC_RMID, NULL));
	shmdt(r);
	shmdt(w);
	shmdt(x);
}

/* The lines of /proc/self/maps, without addresses and ids. */
static void say_maps(void)
{
	char line[500], perms[8], name[200];
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end, off, ino;

	while (fgets(line, sizeof(line), f)) {
		name[0] = 0;
		sscanf(line, "%lx-%lx %7s %lx 00:01 %lu %199[^\n]", &start, &end, perms, &off, &ino,
		       name);
		if (strstr(line, "SYSV"))
			printf("%lx %s %lx %d %s\n", end - start, perms, off, ino == (unsigned)id,
			       name);
	}
	fclose(f);
}

static void removing(void)
{
	char *p, *q;

	id = shmget(KEY, 10000, IPC_CREAT | 0600);
	p = shmat(id, NULL, 0);
	strcpy(p, "doomed");
	say_maps();
	SAY(shmctl(id, IPC_RMID, NULL));
	SAY(shmget(KEY, 0, 0));
	SAY(stat_now().shm_perm.mode);
	SAY(stat_now().shm_perm.__key);
	q = shmat(id, NULL, 0);
	SAY(q != FAILED);
	printf("%s\n", q);
	SAY(shmctl(id, IPC_RMID, NULL));
	SAY(attached());
	say_sysvipc("/proc/sysvipc/shm", id, 2);
	say_maps();
	SAY(shmdt(p));
	IN_CHILD(SAY(attached()); execl("/bin/true", "true", NULL));
	SAY(attached());
	SAY(shmdt(q));
	SAY(shmctl(id, IPC_STAT, &(struct shmid_ds){ 0 }));
	SAY(shmat(id, NULL, 0) == FAILED ? -1 : 0);
	/* With the last process that has it. */
	id = shmget(IPC_PRIVATE, 4096, 0600);
	IN_CHILD(shmat(id, NULL, 0); shmctl(id, IPC_RMID, NULL); SAY(attached()));
	SAY(shmctl(id, IPC_STAT, &(struct shmid_ds){ 0 }));
}

static void through_exec(void)
{
	pid_t pid;
	int fds[2], hold[2];
	char c;

	id = shmget(IPC_PRIVATE, 4096, 0600);
	pipe(fds);
	pipe(hold);
	pid = fork();
	if (pid == 0) {
		shmat(id, NULL, 0);
		dup2(hold[0], 0);
		write(fds[1], "1", 1);
		execl("/bin/cat", "cat", NULL);
		_exit(1);
	}
	while (read(fds[0], &c, 1) != 1)
		;
	WAIT_UNTIL(!attached());
	SAY(attached()); /* cat has it no more */
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(hold[i]);
	}
	kill(pid, 9);
	reap(pid);
	SAY(shmctl(id, IPC_RMID, NULL));
}

static void times(void)
{
	time_t before = time(NULL) - 1;
	struct shmid_ds ds;
	pid_t pid;
	void *p;

	id = shmget(IPC_PRIVATE, 100, 0640);
	ds = stat_now();
	SAY(ds.shm_segsz);
	SAY(ds.shm_perm.mode);
	SAY(ds.shm_atime + ds.shm_dtime + ds.shm_lpid);
	SAY(ds.shm_ctime >= before);
	SAY(ds.shm_cpid == getpid());
	p = shmat(id, NULL, 0);
	ds = stat_now();
	SAY(ds.shm_atime >= before && ds.shm_dtime == 0);
	SAY(ds.shm_lpid == getpid());
	pid = fork();
	if (pid == 0)
		_exit(shmdt(p));
	reap(pid);
	ds = stat_now();
	SAY(ds.shm_lpid == pid && ds.shm_dtime >= before);
	shmdt(p);
	SAY(stat_now().shm_lpid == getpid());
	ds.shm_perm.mode = 0604;
	SAY(shmctl(id, IPC_SET, &ds));
	SAY(stat_now().shm_perm.mode);
	ds.shm_perm.gid = (gid_t)-1;
	SAY(shmctl(id, IPC_SET, &ds));
	say_sysvipc("/proc/sysvipc/shm", id, 2);
	SAY(shmctl(id, IPC_RMID, NULL));
}

static void locking(void)
{
	struct rlimit none = { 0, 0 }, little = { 8192, 8192 };

	id = shmget(IPC_PRIVATE, 4097, 0606);
	SAY(shmctl(id, SHM_LOCK, NULL));
	SAY(shmctl(id, SHM_LOCK, NULL));
	SAY(stat_now().shm_perm.mode);
	SAY(shmctl(id, SHM_UNLOCK, NULL));
	SAY(shmctl(id, SHM_UNLOCK, NULL));
	SAY(stat_now().shm_perm.mode);
	if (geteuid() == 0) {
		IN_CHILD(setuid(54321); SAY(shmctl(id, SHM_LOCK, NULL)));
		IN_CHILD(setuid(54321); setrlimit(RLIMIT_MEMLOCK, &little);
			 id = shmget(IPC_PRIVATE, 8192, 0600); SAY(shmctl(id, SHM_LOCK, NULL));
			 int two = shmget(IPC_PRIVATE, 1, 0600); SAY(shmctl(two, SHM_LOCK, NULL));
			 SAY(shmctl(id, SHM_UNLOCK, NULL)); SAY(shmctl(two, SHM_LOCK, NULL));
			 SAY(shmctl(id, SHM_LOCK, NULL)); SAY(shmctl(two, IPC_RMID, NULL));
			 SAY(shmctl(id, SHM_LOCK, NULL)); setrlimit(RLIMIT_MEMLOCK, &none);
			 SAY(shmctl(id, SHM_LOCK, NULL)); SAY(shmctl(id, SHM_UNLOCK, NULL));
			 SAY(shmctl(id, IPC_RMID, NULL)));
	}
	SAY(shmctl(id, IPC_RMID, NULL));
}

static void control(void)
{
	struct shmid_ds ds = { 0 };
	struct shminfo limits;
	struct shm_info info;
	void *p;

	id = shmget(KEY, 4096 * 3, IPC_CREAT | 0640);
	p = shmat(id, NULL, 0);
	memset(p, 1, 4096);
	SAY_OK(shmctl(0, IPC_INFO, (struct shmid_ds *)&limits));
	SAY(limits.shmmin);
	SAY(limits.shmmni);
	SAY(limits.shmmax == (unsigned long)-1 - (1ul << 24));
	SAY_OK(shmctl(0, SHM_INFO, (struct shmid_ds *)&info));
	SAY(info.used_ids >= 1);
	SAY(info.shm_tot >= 3);
	SAY(info.shm_rss >= 1);
	SAY(shmctl(id, SHM_STAT, &ds) == id);
	SAY(ds.shm_segsz);
	SAY(shmctl(id, IPC_STAT, (void *)8));
	SAY(shmctl(id, 99, &ds));
	SAY(shmctl(id, -1, &ds));
	SAY(shmctl(-1, IPC_STAT, &ds));
	if (geteuid() == 0) {
		IN_CHILD(setgid(77); setuid(65534); SAY_OK(shmget(KEY, 0, 0));
			 SAY(shmget(KEY, 0, 04)); SAY(at(SHM_RDONLY)); SAY(at(0));
			 SAY(shmctl(id, IPC_STAT, &ds)); SAY(shmctl(id, SHM_STAT, &ds));
			 SAY_OK(shmctl(id, 15, &ds)); SAY(shmctl(id, IPC_RMID, NULL));
			 SAY(shmctl(id, IPC_SET, &ds));
			 SAY(shmget(IPC_PRIVATE, 2 << 20, SHM_HUGETLB | 0600)));
		ds = stat_now();
		ds.shm_perm.mode = 0644;
		shmctl(id, IPC_SET, &ds);
		IN_CHILD(setgid(77); setuid(65534); SAY(at(SHM_RDONLY)); SAY(at(0));
			 SAY(at(SHM_RDONLY | SHM_EXEC)));
	}
	SAY(shmctl(id, IPC_RMID, NULL));
	shmdt(p);
}

int main(void)
{
	(void)!unshare(CLONE_NEWIPC);
	getting();
	contents();
	addresses();
	protection();
	removing();
	through_exec();
	times();
	locking();
	control();
	return 0;
}
