/* Random calls on semaphores, messages, shared memory, message queues and aio from many
 * processes and threads at once, with whatever arguments: everything ends, nothing is
 * left. The calls of a seed are always the same; what they come to is not. */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define PROCESSES 6
#define THREADS 3
#define KEYS 4

static int rounds = 400;

static const struct timespec soon = { 0, 200000 };

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static int some_id(uint32_t r, int (*get)(key_t key))
{
	return r % 16 == 0 ? (int)r - 1000 : get((key_t)(0x6e610000 + r % KEYS));
}

static int get_sem(key_t key)
{
	return semget(key, 3, IPC_CREAT | 0600);
}

static int get_msg(key_t key)
{
	return msgget(key, IPC_CREAT | 0600);
}

static int get_shm(key_t key)
{
	return shmget(key, 20000, IPC_CREAT | 0600);
}

static void semaphores(uint32_t r)
{
	struct sembuf ops[3];
	unsigned short values[64];
	struct semid_ds ds;
	int id = some_id(r, get_sem);

	for (int i = 0; i < 3; i++)
		ops[i] = (struct sembuf){ (unsigned short)(r >> i & 3), (short)((r >> i) % 7) - 3,
					  (short)(r >> i & 4 ? SEM_UNDO : 0) };
	switch (r >> 4 & 7) {
	case 0:
		semctl(id, 0, IPC_RMID);
		break;
	case 1:
		semctl(id, (int)(r & 3), SETVAL, (int)(r & 7));
		break;
	case 2:
		semctl(id, 0, GETALL, values);
		semctl(id, 0, SETALL, values);
		break;
	case 3:
		semctl(id, 0, IPC_STAT, &ds);
		break;
	default:
		syscall(SYS_semtimedop, id, ops, (long)(1 + r % 3), &soon);
	}
}

static void messages(uint32_t r)
{
	struct {
		long type;
		char text[8192];
	} m = { .type = 1 + (long)(r % 3) };
	struct msqid_ds ds;
	int id = some_id(r, get_msg);

	switch (r >> 4 & 7) {
	case 0:
		msgctl(id, IPC_RMID, NULL);
		break;
	case 1:
		if (msgctl(id, IPC_STAT, &ds) == 0)
			msgctl(id, IPC_SET, &ds);
		break;
	case 2:
	case 3:
	case 4:
		msgsnd(id, &m, r % 4000, r & 1 ? IPC_NOWAIT : 0);
		break;
	default:
		msgrcv(id, &m, sizeof(m.text), (long)(r % 7) - 3,
		       (r & 1 ? IPC_NOWAIT : 0) | (r & 2 ? MSG_NOERROR : 0));
	}
}

static void memory(uint32_t r)
{
	static __thread char *last;
	int id = some_id(r, get_shm);
	struct shmid_ds ds;
	char *p;

	switch (r >> 4 & 7) {
	case 0:
		shmctl(id, IPC_RMID, NULL);
		break;
	case 1:
		shmdt(last);
		last = NULL;
		break;
	case 2:
		shmctl(id, IPC_STAT, &ds);
		shmctl(id, r & 1 ? SHM_LOCK : SHM_UNLOCK, NULL);
		break;
	case 3:
		if (last)
			munmap(last + (r & 0x3000), 4096);
		break;
	default:
		p = shmat(id, NULL, r & 1 ? SHM_RDONLY : 0);
		if (p != (void *)-1)
			last = p;
	}
}

static void queues(uint32_t r)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	const char *name = r & 1 ? "/storm-a" : "/storm-b";
	char text[8192];
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | (r & 2 ? O_NONBLOCK : 0), 0600, NULL);

	switch (r >> 4 & 7) {
	case 0:
		mq_unlink(name);
		break;
	case 1:
		mq_notify(q, r & 4 ? &ev : NULL);
		break;
	case 2:
	case 3:
	case 4:
		mq_timedsend(q, text, r % 2000, r % 5, &soon);
		break;
	default:
		mq_timedreceive(q, text, sizeof(text), NULL, &soon);
	}
	if (r & 8)
		mq_close(q);
	else
		syscall(SYS_close_range, q, q, 0);
}

static void requests(uint32_t r)
{
	static aio_context_t ctx;
	static char data[4096];
	struct iocb cb = { .aio_lio_opcode = (uint16_t)(r % 9), .aio_nbytes = r % 4096 }, *p = &cb;
	struct timespec wait = soon;
	struct io_event ev[4];
	int fd;

	switch (r >> 4 & 7) {
	case 0:
		syscall(SYS_io_destroy, ctx);
		break;
	case 1:
		ctx = 0;
		syscall(SYS_io_setup, 1 + r % 100, &ctx);
		break;
	case 2:
	case 3:
	case 4:
		fd = open("/proc/self/exe", O_RDONLY);
		cb.aio_fildes = (uint32_t)fd;
		cb.aio_buf = (uintptr_t)data;
		syscall(SYS_io_submit, ctx, 1L, &p);
		close(fd);
		break;
	default:
		syscall(SYS_io_getevents, ctx, (long)(r & 1), 4L, ev, &wait);
	}
}

static void *storm(void *arg)
{
	static void (*const parts[])(uint32_t) = { semaphores, messages, memory, queues, requests };
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (int i = 0; i < rounds; i++) {
		uint32_t r = next(&seed);

		parts[r % 5](next(&seed));
	}
	return NULL;
}

static void ignore(int sig)
{
	(void)sig;
}

static void run(uint32_t n)
{
	/* Whoever waits for what never comes is interrupted. */
	struct sigaction sa = { .sa_handler = ignore };
	struct timespec ms = { 0, 2000000 };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	pthread_t th[THREADS];
	timer_t timer;

	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	timer_create(CLOCK_MONOTONIC, &ev, &timer);
	timer_settime(timer, 0, &(struct itimerspec){ ms, ms }, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&th[i], NULL, storm, (void *)(n * 100 + i)) == 0);
	/* The timer hits any thread: this one passes it on. */
	for (int i = 0; i < THREADS; i++) {
		struct timespec until;

		do {
			for (int j = i; j < THREADS; j++)
				pthread_kill(th[j], SIGALRM);
			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += 2000000;
			if (until.tv_nsec >= 1000000000) {
				until.tv_nsec -= 1000000000;
				until.tv_sec++;
			}
		} while (pthread_timedjoin_np(th[i], NULL, &until) != 0);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int status, ids;

	if (argc > 1)
		rounds = atoi(argv[1]);

	if (unshare(CLONE_NEWIPC) < 0 && geteuid() != 0)
		SKIP("would meet others' queues");
	for (uint32_t i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			run(i + 1);
		}
		if (i % 3 == 2) {
			usleep(30000);
			kill(pid, SIGKILL);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		CHECK(wait(&status) > 0);
		CHECK(status == 0 || status == SIGKILL);
	}
	for (key_t key = 0x6e610000; key < 0x6e610000 + KEYS; key++) {
		semctl(semget(key, 0, 0), 0, IPC_RMID);
		msgctl(msgget(key, 0), IPC_RMID, NULL);
		shmctl(shmget(key, 0, 0), IPC_RMID, NULL);
	}
	mq_unlink("/storm-a");
	mq_unlink("/storm-b");
	/* Segments that were removed while attached went with their last process. */
	struct shm_info info;

	ids = shmctl(0, SHM_INFO, (struct shmid_ds *)&info);
	CHECK(ids >= 0);
	CHECK_EQ(info.used_ids, 0);
	return 0;
}
