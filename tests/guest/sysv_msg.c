/* System V message queues: sending, choosing what is received, waiting, control. */
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/syscall.h>
#include <time.h>

#include "say.h"
#include "waitfor.h"

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

struct message {
	long type;
	char text[9000];
};

static struct message m;
static int id;

static int put(long type, const char *text, int flags)
{
	m.type = type;
	strcpy(m.text, text);
	return msgsnd(id, &m, strlen(text), flags);
}

static void get(long type, size_t size, int flags)
{
	int n;

	memset(&m, 0, sizeof(m));
	n = (int)msgrcv(id, &m, size, type, flags);
	if (n < 0)
		printf("get %ld %zu %o: %s\n", type, size, flags, strerrorname_np(errno));
	else
		printf("get %ld %zu %o: %d of type %ld: %.20s\n", type, size, flags, n, m.type,
		       m.text);
	fflush(stdout);
}

static struct msqid_ds stat_now(void)
{
	struct msqid_ds ds;

	msgctl(id, IPC_STAT, &ds);
	return ds;
}

static void choosing(void)
{
	id = msgget(IPC_PRIVATE, 0600);
	SAY(id >= 0);
	get(0, 100, IPC_NOWAIT);
	SAY(put(3, "three", 0));
	SAY(put(1, "one", 0));
	SAY(put(2, "two", 0));
	SAY(put(1, "uno", 0));
	SAY(put(9, "", 0));
	SAY(put(0, "x", 0));
	SAY(put(-1, "x", 0));
	SAY(stat_now().msg_qnum);
	SAY(stat_now().__msg_cbytes);
	get(2, 100, 0);
	get(7, 100, IPC_NOWAIT);
	get(-2, 100, 0);
	get(-2, 100, 0);
	get(-2, 100, IPC_NOWAIT);
	get(3, 100, MSG_EXCEPT);
	get(0, 2, 0);
	get(0, 2, MSG_NOERROR);
	get(0, 100, IPC_NOWAIT);
	put(5, "five", 0);
	put(6, "six", 0);
	get(1, 100, MSG_COPY | IPC_NOWAIT);
	get(0, 100, MSG_COPY | IPC_NOWAIT);
	get(2, 100, MSG_COPY | IPC_NOWAIT);
	get(-1, 100, MSG_COPY | IPC_NOWAIT);
	get(0, 100, MSG_COPY);
	get(0, 100, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT);
	SAY(stat_now().msg_qnum);
	/* Of a negative type the lowest, of those the first. */
	put(4, "four", 0);
	put(2, "two", 0);
	put(2, "due", 0);
	put(3, "three", 0);
	for (int i = 0; i < 5; i++)
		get(-5, 100, IPC_NOWAIT);
	SAY(msgctl(id, IPC_RMID, NULL));
	SAY(put(1, "x", 0));
	get(0, 1, 0);
}

static void limits(void)
{
	int n = 0;

	id = msgget(IPC_PRIVATE, 0600);
	m.type = 1;
	SAY(msgsnd(id, &m, 8192, 0));
	SAY(msgsnd(id, &m, 8193, 0));
	SAY(msgsnd(id, &m, (size_t)-1, 0));
	SAY(msgsnd(id, &m, 8192, IPC_NOWAIT));
	SAY(msgsnd(id, &m, 1, IPC_NOWAIT));
	SAY(msgsnd(id, &m, 0, IPC_NOWAIT));
	SAY(msgsnd(id, (void *)8, 1, 0));
	SAY((long)msgrcv(id, (void *)8, 8192, 0, 0));
	SAY((long)msgrcv(id, &m, (size_t)-1, 0, 0));
	while (msgrcv(id, &m, 8192, 0, IPC_NOWAIT) >= 0)
		n++;
	SAY(n);
	/* Messages without bytes are bounded too. */
	for (n = 0; msgsnd(id, &m, 0, IPC_NOWAIT) == 0; n++)
		;
	SAY(n);
	msgctl(id, IPC_RMID, NULL);
	SAY(msgsnd(-1, &m, 1, 0));
}

static volatile sig_atomic_t hits;

static void on_signal(int sig)
{
	(void)sig;
	hits++;
}

/* A child that receives: its status says how it went. */
static pid_t receiver(long type, size_t size)
{
	pid_t pid = fork();

	if (pid == 0) {
		long n = msgrcv(id, &m, size, type, 0);

		_exit(n >= 0 ? 10 + (int)n : errno == EIDRM ? 3 : errno == E2BIG ? 4 : 5);
	}
	wait_asleep(pid, SYS_msgrcv);
	return pid;
}

static void waiting(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct msqid_ds ds;
	pid_t a, b, parent = getpid();

	id = msgget(IPC_PRIVATE, 0600);
	a = receiver(2, 100);
	b = receiver(1, 100);
	SAY(put(1, "first", 0));
	SAY(WEXITSTATUS(reap(b)));
	SAY(put(2, "second!", 0));
	SAY(WEXITSTATUS(reap(a)));
	SAY(stat_now().msg_qnum);
	SAY(stat_now().msg_lrpid == a);
	SAY(stat_now().msg_lspid == getpid());
	/* Too long for who waits: he hears, and the next one gets it. */
	a = receiver(0, 2);
	SAY(put(1, "long", 0));
	SAY(WEXITSTATUS(reap(a)));
	SAY(stat_now().msg_qnum);
	get(0, 100, 0);
	/* Room that comes. */
	ds = stat_now();
	ds.msg_qbytes = 10;
	SAY(msgctl(id, IPC_SET, &ds));
	SAY(put(1, "0123456789", 0));
	SAY(put(1, "x", IPC_NOWAIT));
	a = fork();
	if (a == 0) {
		wait_asleep(parent, SYS_msgsnd);
		msgrcv(id, &m, 100, 0, 0);
		_exit(0);
	}
	SAY(put(1, "now", 0));
	reap(a);
	get(0, 100, 0);
	/* Signals end it, whatever SA_RESTART says. */
	sigaction(SIGUSR1, &sa, NULL);
	a = fork();
	if (a == 0) {
		wait_asleep(parent, SYS_msgrcv);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	get(0, 100, 0);
	SAY(hits);
	reap(a);
	/* Unless no handler runs. */
	a = receiver(0, 10);
	kill(a, SIGSTOP);
	waitpid(a, NULL, WUNTRACED);
	kill(a, SIGCONT);
	wait_asleep(a, SYS_msgrcv);
	SAY(put(1, "went on", 0));
	SAY(WEXITSTATUS(reap(a)));
	a = receiver(0, 10);
	SAY(msgctl(id, IPC_RMID, NULL));
	SAY(WEXITSTATUS(reap(a)));
}

/* Who waits and is not allowed to any more hears so. */
static void locking_out(void)
{
	struct msqid_ds ds;
	pid_t a;

	if (geteuid() != 0)
		return;
	id = msgget(IPC_PRIVATE, 0606);
	a = fork();
	if (a == 0) {
		setgid(77);
		setuid(65534);
		_exit(msgrcv(id, &m, 10, 0, 0) < 0 ? errno : 0);
	}
	wait_asleep(a, SYS_msgrcv);
	ds = stat_now();
	ds.msg_perm.mode = 0600;
	SAY(msgctl(id, IPC_SET, &ds));
	SAY(WEXITSTATUS(reap(a)) == EACCES);
	msgctl(id, IPC_RMID, NULL);
}

static void control(void)
{
	struct msqid_ds ds;
	struct msginfo info;
	time_t before = time(NULL) - 1;
	key_t key = 0x6e616374;

	SAY(msgget(key, 0));
	SAY_OK(id = msgget(key, IPC_CREAT | 0640));
	SAY(msgget(key, IPC_CREAT | IPC_EXCL));
	SAY(msgget(key, 0) == id);
	SAY(msgctl(id, IPC_STAT, &ds));
	SAY(ds.msg_perm.mode);
	SAY(ds.msg_qbytes);
	SAY(ds.msg_stime + ds.msg_rtime);
	SAY(ds.msg_ctime >= before);
	put(1, "x", 0);
	SAY(stat_now().msg_stime >= before);
	say_sysvipc("/proc/sysvipc/msg", id, 3);
	ds.msg_perm.mode = 0600;
	SAY(msgctl(id, IPC_SET, &ds));
	SAY(stat_now().msg_perm.mode);
	SAY_OK(msgctl(0, IPC_INFO, (struct msqid_ds *)&info));
	SAY(info.msgmax);
	SAY(info.msgmnb);
	SAY_OK(msgctl(0, MSG_INFO, (struct msqid_ds *)&info));
	SAY(info.msgpool);
	SAY(info.msgmap);
	SAY(msgctl(id, IPC_STAT, (void *)8));
	SAY(msgctl(id, 99, &ds));
	SAY(msgctl(-1, IPC_STAT, &ds));
	if (geteuid() == 0)
		IN_CHILD(setgid(77); setuid(65534); SAY_OK(msgget(key, 0)); get(0, 1, IPC_NOWAIT);
			 SAY(put(1, "x", 0)); SAY(msgctl(id, IPC_STAT, &ds));
			 SAY(msgctl(id, IPC_RMID, NULL)); SAY(msgctl(id, IPC_SET, &ds)));
	SAY(msgctl(id, IPC_RMID, NULL));
	SAY(msgctl(id, IPC_RMID, NULL));
}

int main(void)
{
	(void)!unshare(CLONE_NEWIPC);
	choosing();
	limits();
	waiting();
	locking_out();
	control();
	return 0;
}
