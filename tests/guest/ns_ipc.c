/* IPC namespaces (ipc_namespaces(7)): System V objects, POSIX message queues and
 * /proc/sysvipc are each namespace's own.
 * build: -lrt */
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mountns.h"

#define KEY 0x6e616372

static int lines_of(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[512];
	int n = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		n++;
	fclose(f);
	return n - 1; /* the first is the head */
}

/* Every test runs in a fresh namespace: what the host has is not seen. */
static void objects_are_apart(void)
{
	int sem, msg, shm;
	char *at;

	CHECK(unshare(CLONE_NEWIPC) == 0);
	sem = semget(KEY, 1, IPC_CREAT | IPC_EXCL | 0600);
	msg = msgget(KEY, IPC_CREAT | IPC_EXCL | 0600);
	shm = shmget(KEY, 4096, IPC_CREAT | IPC_EXCL | 0600);
	CHECK(sem >= 0 && msg >= 0 && shm >= 0);
	CHECK(lines_of("/proc/sysvipc/sem") == 1 && lines_of("/proc/sysvipc/msg") == 1 &&
	      lines_of("/proc/sysvipc/shm") == 1);
	at = shmat(shm, NULL, 0);
	CHECK(at != (char *)-1);
	strcpy(at, "outer");
	CHECK(unshare(CLONE_NEWIPC) == 0);
	CHECK_ERR(semget(KEY, 1, 0), ENOENT);
	CHECK_ERR(msgget(KEY, 0), ENOENT);
	CHECK_ERR(shmget(KEY, 4096, 0), ENOENT);
	CHECK_EQ(lines_of("/proc/sysvipc/shm"), 0);
	CHECK_ERR(shmctl(shm, IPC_STAT, &(struct shmid_ds){ 0 }), EINVAL);
	/* What is attached stays so, though its namespace has ended with the unshare. */
	CHECK(strcmp(at, "outer") == 0 && shmdt(at) == 0);
	/* The first id again. */
	CHECK_EQ(shmget(KEY, 8192, IPC_CREAT | IPC_EXCL | 0600) & 0x7fff, shm & 0x7fff);
}

static void joins(void)
{
	int own, shm;

	CHECK(unshare(CLONE_NEWIPC) == 0);
	own = open("/proc/self/ns/ipc", O_RDONLY);
	shm = shmget(KEY, 4096, IPC_CREAT | 0600);
	CHECK(own >= 0 && shm >= 0);
	CHECK(unshare(CLONE_NEWIPC) == 0);
	CHECK_ERR(shmget(KEY, 0, 0), ENOENT);
	CHECK(setns(own, CLONE_NEWIPC) == 0);
	CHECK_EQ(shmget(KEY, 0, 0), shm);
}

/* A waiter in a namespace that ends is told; the undo of semaphores is done. */
static void undone(void)
{
	struct sembuf down = { 0, -1, SEM_UNDO }, up = { 0, 1, 0 };
	int sem, own;

	CHECK(unshare(CLONE_NEWIPC) == 0);
	own = open("/proc/self/ns/ipc", O_RDONLY);
	sem = semget(KEY, 1, IPC_CREAT | 0600);
	CHECK(sem >= 0 && semop(sem, &up, 1) == 0 && semop(sem, &down, 1) == 0);
	CHECK_EQ(semctl(sem, 0, GETVAL), 0);
	CHECK(unshare(CLONE_NEWIPC) == 0); /* implies CLONE_SYSVSEM */
	CHECK(setns(own, CLONE_NEWIPC) == 0);
	CHECK_EQ(semctl(sem, 0, GETVAL), 1);
}

static void queues_are_apart(void)
{
	struct stat st;
	mqd_t q;

	CHECK(unshare(CLONE_NEWIPC) == 0);
	q = mq_open("/ns-test", O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
	CHECK(q >= 0);
	CHECK(mount("none", "mq", "mqueue", 0, NULL) == 0);
	CHECK(stat("mq/ns-test", &st) == 0 && S_ISREG(st.st_mode));
	CHECK(unshare(CLONE_NEWIPC) == 0);
	CHECK_ERR(mq_open("/ns-test", O_RDWR), ENOENT);
	CHECK_ERR(mq_unlink("/ns-test"), ENOENT);
	/* Open ones go on; the mount shows what it showed. */
	CHECK(mq_send(q, "hello", 5, 1) == 0);
	CHECK(stat("mq/ns-test", &st) == 0);
	CHECK(mount("none", "mq", "mqueue", 0, NULL) == 0);
	CHECK_ERR(stat("mq/ns-test", &st), ENOENT);
	CHECK(umount("mq") == 0 && umount("mq") == 0);
	CHECK(mq_close(q) == 0);
}

/* A mount more shows the same queues, and takes none away. */
static void mounts_show_one_set(void)
{
	struct stat st;

	CHECK(unshare(CLONE_NEWIPC) == 0);
	CHECK(mq_close(mq_open("/first", O_CREAT | O_RDWR, 0600, NULL)) == 0);
	CHECK(mount("none", "mq", "mqueue", 0, NULL) == 0 && stat("mq/first", &st) == 0);
	CHECK(mount("none", "mq2", "mqueue", 0, NULL) == 0 && stat("mq2/first", &st) == 0);
	CHECK(unlink("mq2/first") == 0 && stat("mq/first", &st) == -1 && errno == ENOENT);
	CHECK(umount("mq2") == 0 && umount("mq") == 0);
}

static int child(void *arg)
{
	(void)arg;
	CHECK_ERR(shmget(KEY, 0, 0), ENOENT);
	return 0;
}

static void by_clone(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	char *top = stack + sizeof(stack);
	int status;
	pid_t pid;

	CHECK(unshare(CLONE_NEWIPC) == 0);
	CHECK(shmget(KEY, 4096, IPC_CREAT | 0600) >= 0);
	CHECK_ERR(clone(child, top, CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, NULL), EINVAL);
	pid = clone(child, top, CLONE_NEWIPC | SIGCHLD, NULL);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(shmget(KEY, 0, 0) >= 0);
	CHECK(setuid(65534) == 0);
	CHECK_ERR(unshare(CLONE_NEWIPC), EPERM);
}

int main(void)
{
	mountns_enter();
	tmpdir_enter();
	make_dirs("mq", "mq2", NULL);
	if (fork() == 0)
		_exit(unshare(CLONE_NEWIPC) < 0);
	else {
		int status;

		wait(&status);
		if (status)
			SKIP("no IPC namespaces here");
	}
	in_child(objects_are_apart);
	in_child(joins);
	in_child(undone);
	in_child(queues_are_apart);
	in_child(mounts_show_one_set);
	in_child(by_clone);
	return 0;
}
