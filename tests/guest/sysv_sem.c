/* System V semaphores: getting, operations, waiting, undoing, control. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>

#include "say.h"
#include "waitfor.h"

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int id;

static int op(int num, int change, int flags)
{
	struct sembuf sb = { (unsigned short)num, (short)change, (short)flags };

	return semop(id, &sb, 1);
}

static int value(int num)
{
	return semctl(id, num, GETVAL);
}

static int set(int num, int val)
{
	union semun u = { .val = val };

	return semctl(id, num, SETVAL, u);
}

static void show_all(const char *title)
{
	unsigned short v[8];
	union semun u = { .array = v };
	struct semid_ds ds;
	union semun d = { .buf = &ds };

	printf("%s:", title);
	semctl(id, 0, IPC_STAT, d);
	semctl(id, 0, GETALL, u);
	for (unsigned i = 0; i < ds.sem_nsems; i++)
		printf(" %d", v[i]);
	printf("\n");
}

/* Until a process waits for the semaphore to rise, or to be zero. */
static void until_waiting(int num, int cmd)
{
	WAIT_UNTIL(semctl(id, num, cmd) != 0);
}

static void getting(void)
{
	key_t key = 0x6e616372;
	int a, b;

	SAY(semget(key, 3, 0));
	SAY_OK(a = semget(key, 3, IPC_CREAT | 0600));
	SAY(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
	b = semget(key, 2, 0);
	SAY(a == b);
	SAY(semget(key, 4, 0));
	SAY(semget(key, 0, 0) == a);
	SAY(semget(IPC_PRIVATE, 0, 0600));
	SAY(semget(IPC_PRIVATE, -1, 0600));
	SAY(semget(IPC_PRIVATE, 40000, 0600));
	SAY_OK(b = semget(IPC_PRIVATE, 1, 0600));
	SAY(a != b);
	SAY(semctl(b, 0, IPC_RMID));
	SAY(semctl(b, 0, IPC_RMID));
	SAY(semctl(a, 0, IPC_RMID));
	SAY(semget(key, 0, 0));
	SAY(semctl(-1, 0, GETVAL));
}

static void operations(void)
{
	struct sembuf two[3] = { { 0, -1, IPC_NOWAIT }, { 1, 1, 0 }, { 2, 0, IPC_NOWAIT } };
	union semun u;

	id = semget(IPC_PRIVATE, 3, 0600);
	show_all("fresh");
	SAY(op(0, 5, 0));
	SAY(op(0, -2, 0));
	SAY(op(0, -4, IPC_NOWAIT));
	SAY(op(0, 0, IPC_NOWAIT));
	SAY(op(1, 0, 0));
	SAY(op(3, 1, 0));
	SAY(op(0, 32767, 0));
	SAY(set(1, 32767));
	SAY(op(1, 1, 0));
	SAY(set(1, 32768));
	SAY(set(1, -1));
	SAY(set(1, 0));
	SAY(semop(id, two, 3));
	show_all("all three");
	set(2, 1);
	SAY(semop(id, two, 3));
	show_all("none of them");
	SAY(semop(id, two, 0));
	SAY(semop(id, two, 501));
	SAY(semop(id, NULL, 1));
	SAY(semop(-1, two, 1));
	SAY(semop(-1, NULL, 1));
	SAY(semop(-1, two, 501));
	SAY(value(3));
	SAY(value(-1));
	SAY(semctl(id, 0, GETPID) == getpid());
	SAY(semctl(id, 1, GETNCNT));
	SAY(semctl(id, 1, 99));
	u.array = (unsigned short[]){ 7, 8, 9 };
	SAY(semctl(id, 0, SETALL, u));
	show_all("set");
	u.array = (unsigned short[]){ 7, 40000, 9 };
	SAY(semctl(id, 0, SETALL, u));
	show_all("not set");
	u.array = (void *)8;
	SAY(semctl(id, 0, SETALL, u));
	SAY(semctl(id, 0, GETALL, u));
}

static volatile sig_atomic_t hits;

static void on_signal(int sig)
{
	(void)sig;
	hits++;
}

static void waiting(void)
{
	struct timespec ms = { 0, 20000000 }, bad = { 0, 1000000000 };
	struct sembuf sb = { 0, -1, 0 };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pid_t pid, parent = getpid();

	semctl(id, 0, SETALL, (union semun){ .array = (unsigned short[]){ 0, 0, 0 } });
	pid = fork();
	if (pid == 0)
		_exit(op(0, -3, 0) == 0 ? 5 : 6);
	until_waiting(0, GETNCNT);
	SAY(semctl(id, 0, GETNCNT));
	SAY(semctl(id, 0, GETZCNT));
	SAY(op(0, 2, 0));
	SAY(value(0));
	SAY(op(0, 2, 0));
	SAY(WEXITSTATUS(reap(pid)));
	SAY(value(0));
	SAY(semctl(id, 0, GETPID) == pid);
	/* For zero. */
	pid = fork();
	if (pid == 0)
		_exit(op(0, 0, 0) == 0 ? 5 : 6);
	until_waiting(0, GETZCNT);
	SAY(semctl(id, 0, GETZCNT));
	SAY(set(0, 0));
	SAY(WEXITSTATUS(reap(pid)));
	/* Limits of time; signals. */
	SAY(semtimedop(id, &sb, 1, &ms));
	SAY(semtimedop(id, &sb, 1, &bad));
	bad.tv_nsec = -1;
	SAY(semtimedop(id, &sb, 1, &bad));
	sigaction(SIGUSR1, &sa, NULL);
	pid = fork();
	if (pid == 0) {
		until_waiting(0, GETNCNT);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	SAY(op(0, -1, 0)); /* never restarted */
	SAY(hits);
	SAY(semctl(id, 0, GETNCNT));
	reap(pid);
	/* Removed under a waiter. */
	pid = fork();
	if (pid == 0) {
		int r = op(0, -1, 0);

		_exit(r == -1 && errno == EIDRM ? 5 : 6);
	}
	until_waiting(0, GETNCNT);
	SAY(semctl(id, 0, IPC_RMID));
	SAY(WEXITSTATUS(reap(pid)));
	SAY(op(0, 1, 0));
}

/* Whoever came first and can go on does so. */
static void order(void)
{
	pid_t big, small;

	id = semget(IPC_PRIVATE, 2, 0600);
	big = fork();
	if (big == 0)
		_exit(op(0, -3, 0) == 0 ? 5 : 6);
	until_waiting(0, GETNCNT);
	small = fork();
	if (small == 0)
		_exit(op(0, -1, 0) == 0 ? 7 : 6);
	WAIT_UNTIL(semctl(id, 0, GETNCNT) == 2);
	SAY(op(0, 1, 0)); /* the smaller wish passes */
	SAY(WEXITSTATUS(reap(small)));
	SAY(semctl(id, 0, GETNCNT));
	SAY(op(0, 3, 0));
	SAY(WEXITSTATUS(reap(big)));
	SAY(value(0));
	semctl(id, 0, IPC_RMID);
}

/* One change lets all go on whom it can, and those whom they let in turn. */
static void several(void)
{
	struct sembuf pass[2] = { { 0, -1, 0 }, { 1, 1, 0 } };
	pid_t pids[4];

	id = semget(IPC_PRIVATE, 2, 0600);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(op(1, -1, 0) == 0 ? 5 : 6);
	}
	WAIT_UNTIL(semctl(id, 1, GETNCNT) == 2);
	for (int i = 2; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(semop(id, pass, 2) == 0 ? 7 : 6);
	}
	WAIT_UNTIL(semctl(id, 0, GETNCNT) == 2);
	SAY(op(0, 2, 0));
	for (int i = 0; i < 4; i++)
		SAY(WEXITSTATUS(reap(pids[i])));
	show_all("after all four");
	/* What would have to wait leaves nothing behind, not even to be undone. */
	set(0, 1);
	pass[0].sem_flg = pass[1].sem_flg = SEM_UNDO | IPC_NOWAIT;
	pass[1].sem_op = -1;
	IN_CHILD(SAY(semop(id, pass, 2)); show_all("not done"));
	show_all("not undone");
	semctl(id, 0, IPC_RMID);
}

static void undoing(void)
{
	pid_t pid;

	id = semget(IPC_PRIVATE, 2, 0600);
	set(0, 5);
	IN_CHILD(op(0, -3, SEM_UNDO); op(0, 1, SEM_UNDO); printf("in child %d\n", value(0)));
	SAY(value(0));
	IN_CHILD(op(0, -1, SEM_UNDO); kill(getpid(), SIGKILL));
	SAY(value(0));
	/* A change from outside clears what would be undone. */
	IN_CHILD(op(0, -2, SEM_UNDO); set(0, 9));
	SAY(value(0));
	/* Never below 0. */
	IN_CHILD(op(1, 4, SEM_UNDO); if (fork() == 0) {
		op(1, -3, 0);
		_exit(0);
	} wait(NULL));
	SAY(value(1));
	/* Not inherited; kept by exec. */
	IN_CHILD(op(0, -1, SEM_UNDO); if (fork() == 0) _exit(0); wait(NULL);
		 printf("before %d\n", value(0)); fflush(stdout); execl("/bin/true", "true", NULL));
	SAY(value(0));
	SAY(op(0, 32767, SEM_UNDO));
	SAY(op(1, 20000, SEM_UNDO));
	SAY(set(1, 0));
	SAY(op(1, 20000, SEM_UNDO));
	SAY(op(1, -20000, 0));
	SAY(op(1, 20000, SEM_UNDO)); /* the sum to undo is bounded */
	/* An undo wakes who waits. */
	set(0, 1);
	IN_CHILD(op(0, -1, SEM_UNDO); pid = fork(); if (pid == 0) _exit(op(0, -1, 0) == 0 ? 5 : 6);
		 until_waiting(0, GETNCNT));
	WAIT_UNTIL(value(0) == 0);
	SAY(value(0));
	semctl(id, 0, IPC_RMID);
}

static volatile pid_t lowering;

static void *lower(void *arg)
{
	(void)arg;
	lowering = gettid();
	op(0, -1, SEM_UNDO);
	return NULL;
}

/* Threads share what is to be undone: the end of one undoes nothing. */
static void threads(void)
{
	pthread_t th;

	id = semget(IPC_PRIVATE, 1, 0600);
	set(0, 3);
	IN_CHILD(pthread_create(&th, NULL, lower, NULL); pthread_join(th, NULL);
		 wait_gone(lowering); printf("joined %d\n", value(0)));
	SAY(value(0));
	semctl(id, 0, IPC_RMID);
}

static void control(void)
{
	struct semid_ds ds;
	union semun u = { .buf = &ds };
	struct seminfo info;
	time_t before = time(NULL) - 1;

	id = semget(0x6e616373, 4, IPC_CREAT | 0640);
	SAY(semctl(id, 0, IPC_STAT, u));
	SAY(ds.sem_nsems);
	SAY(ds.sem_perm.mode);
	SAY(ds.sem_perm.__key == 0x6e616373);
	SAY(ds.sem_perm.uid == geteuid() && ds.sem_perm.cuid == geteuid());
	SAY(ds.sem_otime);
	SAY(ds.sem_ctime >= before);
	op(0, 1, 0);
	semctl(id, 0, IPC_STAT, u);
	SAY(ds.sem_otime >= before);
	ds.sem_perm.mode = 0604;
	ds.sem_perm.uid = geteuid();
	SAY(semctl(id, 0, IPC_SET, u));
	semctl(id, 0, IPC_STAT, u);
	SAY(ds.sem_perm.mode);
	say_sysvipc("/proc/sysvipc/sem", id, 6);
	ds.sem_perm.uid = (uid_t)-1;
	SAY(semctl(id, 0, IPC_SET, u));
	u.info = &info;
	SAY_OK(semctl(0, 0, IPC_INFO, u));
	SAY(info.semopm);
	SAY(info.semmsl);
	SAY(info.semvmx);
	SAY_OK(semctl(0, 0, SEM_INFO, u));
	SAY(info.semusz >= 1);
	u.buf = (void *)8;
	SAY(semctl(id, 0, IPC_STAT, u));
	u.buf = &ds;
	if (geteuid() == 0)
		IN_CHILD(setgid(77); setuid(65534); SAY(value(0)); SAY(set(0, 1));
			 SAY(op(0, -1, IPC_NOWAIT)); SAY(op(0, 0, IPC_NOWAIT));
			 SAY(semget(0x6e616373, 4, 0600)); SAY_OK(semget(0x6e616373, 4, 0004));
			 SAY(semctl(id, 0, IPC_RMID)); SAY(semctl(id, 0, IPC_SET, u)));
	SAY(semctl(id, 0, IPC_RMID));
}

int main(void)
{
	(void)!unshare(CLONE_NEWIPC);
	getting();
	operations();
	waiting();
	order();
	several();
	undoing();
	threads();
	control();
	return 0;
}
