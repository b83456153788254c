/* System V semaphores, message queues and shared memory: what guests pass, copied in and out. */

#include "abi/errno.h"
#include "abi/time.h"
#include "ipc/ipc.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "syscall/timeconv.h"

/* ---- semaphores ---- */

SYSCALL(semget)
{
	return sem_get(t, (int32_t)args->a[0], (int)args->a[1], (int)args->a[2]);
}

static long sem_call(struct task *t, const struct sysargs *args, uint64_t deadline_ns)
{
	struct abi_sembuf ops[SEM_OPS] UNINITIALIZED;
	unsigned nops = (unsigned)args->a[2];
	int id = (int)args->a[0], r;

	if (nops > SEM_OPS)
		return -E2BIG;
	if (nops < 1)
		return -EINVAL;
	r = syscall_copy_in(t, ops, args->a[1], nops * sizeof(ops[0]));
	return r < 0 ? r : sem_op(t, id, ops, nops, deadline_ns);
}

SYSCALL(semop)
{
	return sem_call(t, args, PARK_FOREVER);
}

SYSCALL(semtimedop)
{
	uint64_t ns;
	int r;

	if (!args->a[3])
		return sem_call(t, args, PARK_FOREVER);
	r = syscall_timespec(t, args->a[3], &ns);
	return r < 0 ? r : sem_call(t, args, syscall_deadline(t, ns));
}

static long sem_get_values(struct task *t, int id, gva_t user)
{
	uint16_t *values;
	unsigned n = 0;
	int r = sem_get_all(t, id, &values, &n);

	if (r == 0)
		r = syscall_copy_out(t, user, values, n * sizeof(*values));
	kmem_free(values);
	return r;
}

static long sem_set_values(struct task *t, int id, gva_t user)
{
	uint16_t *values;
	int n = sem_count(t, id), r;

	if (n < 0)
		return n;
	values = kmem_alloc((size_t)n * sizeof(*values));
	if (!values)
		return -ENOMEM;
	r = syscall_copy_in(t, values, user, (size_t)n * sizeof(*values));
	if (r == 0)
		r = sem_set_all(t, id, values, (unsigned)n);
	kmem_free(values);
	return r;
}

static long sem_show(struct task *t, int id, int cmd, gva_t user)
{
	struct abi_semid s;
	int r = sem_stat(t, id, cmd != ABI_IPC_STAT, cmd == ABI_SEM_STAT_ANY, &s);

	if (r < 0)
		return r;
	return syscall_copy_out(t, user, &s, sizeof(s)) < 0 ? -EFAULT : r;
}

SYSCALL(semctl)
{
	int id = (int)args->a[0], num = (int)args->a[1], cmd = (int)args->a[2] & ~ABI_IPC_64;
	gva_t user = args->a[3];
	struct abi_seminfo info;
	struct abi_semid s;
	int r;

	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case ABI_IPC_INFO:
	case ABI_SEM_INFO:
		r = sem_info(cmd == ABI_SEM_INFO, &info);
		return syscall_copy_out(t, user, &info, sizeof(info)) < 0 ? -EFAULT : r;
	case ABI_IPC_STAT:
	case ABI_SEM_STAT:
	case ABI_SEM_STAT_ANY:
		return sem_show(t, id, cmd, user);
	case ABI_GETVAL:
	case ABI_GETPID:
	case ABI_GETNCNT:
	case ABI_GETZCNT:
		return sem_get_one(t, id, num, cmd);
	case ABI_GETALL:
		return sem_get_values(t, id, user);
	case ABI_SETVAL:
		return sem_set_one(t, id, num, (int)user);
	case ABI_SETALL:
		return sem_set_values(t, id, user);
	case ABI_IPC_SET:
		r = syscall_copy_in(t, &s, user, sizeof(s));
		return r < 0 ? r : sem_set_perm(t, id, &s.perm);
	case ABI_IPC_RMID:
		return sem_remove(t, id);
	}
	return -EINVAL;
}

/* ---- messages ---- */

SYSCALL(msgget)
{
	return msg_get(t, (int32_t)args->a[0], (int)args->a[1]);
}

SYSCALL(msgsnd)
{
	int id = (int)args->a[0], flags = (int)args->a[3], r;
	size_t size = args->a[2];
	void *text = NULL;
	int64_t type;

	if (syscall_copy_in(t, &type, args->a[1], sizeof(type)) < 0)
		return -EFAULT;
	if (size > MSG_SIZE_MAX || id < 0 || type < 1)
		return -EINVAL;
	if (size) {
		text = kmem_alloc(size);
		if (!text)
			return -ENOMEM;
		r = syscall_copy_in(t, text, args->a[1] + sizeof(type), size);
		if (r < 0)
			goto out_free;
	}
	r = msg_send(t, id, type, text, size, flags);
	if (r == 0)
		return 0;
out_free:
	kmem_free(text);
	return r;
}

SYSCALL(msgrcv)
{
	int64_t size = (int64_t)args->a[2], type = (int64_t)args->a[3];
	int id = (int)args->a[0];
	void *text;
	ssize_t n;

	if (id < 0 || size < 0)
		return -EINVAL;
	n = msg_receive(t, id, (size_t)size, type, (int)args->a[4], &type, &text);
	if (n < 0)
		return n;
	if (syscall_copy_out(t, args->a[1], &type, sizeof(type)) < 0 ||
	    (n && syscall_copy_out(t, args->a[1] + sizeof(type), text, (size_t)n) < 0))
		n = -EFAULT;
	kmem_free(text);
	return n;
}

static long msg_show(struct task *t, int id, int cmd, gva_t user)
{
	struct abi_msqid s;
	int r = msg_stat(t, id, cmd != ABI_IPC_STAT, cmd == ABI_MSG_STAT_ANY, &s);

	if (r < 0)
		return r;
	return syscall_copy_out(t, user, &s, sizeof(s)) < 0 ? -EFAULT : r;
}

SYSCALL(msgctl)
{
	int id = (int)args->a[0], cmd = (int)args->a[1] & ~ABI_IPC_64, r;
	gva_t user = args->a[2];
	struct abi_msginfo info;
	struct abi_msqid s;

	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case ABI_IPC_INFO:
	case ABI_MSG_INFO:
		r = msg_info(cmd == ABI_MSG_INFO, &info);
		return syscall_copy_out(t, user, &info, sizeof(info)) < 0 ? -EFAULT : r;
	case ABI_IPC_STAT:
	case ABI_MSG_STAT:
	case ABI_MSG_STAT_ANY:
		return msg_show(t, id, cmd, user);
	case ABI_IPC_SET:
		r = syscall_copy_in(t, &s, user, sizeof(s));
		return r < 0 ? r : msg_set(t, id, &s);
	case ABI_IPC_RMID:
		return msg_remove(t, id);
	}
	return -EINVAL;
}

/* ---- shared memory ---- */

SYSCALL(shmget)
{
	return shm_get(t, (int32_t)args->a[0], args->a[1], (int)args->a[2]);
}

SYSCALL(shmat)
{
	gva_t out;
	int id = (int)args->a[0];
	int r = shm_attach(t, id, args->a[1], (int)args->a[2], &out);

	return r < 0 ? r : (long)out;
}

SYSCALL(shmdt)
{
	return shm_detach(t, args->a[0]);
}

static long shm_show(struct task *t, int id, int cmd, gva_t user)
{
	struct abi_shmid s;
	int r = shm_stat(t, id, cmd != ABI_IPC_STAT, cmd == ABI_SHM_STAT_ANY, &s);

	if (r < 0)
		return r;
	return syscall_copy_out(t, user, &s, sizeof(s)) < 0 ? -EFAULT : r;
}

SYSCALL(shmctl)
{
	int id = (int)args->a[0], cmd = (int)args->a[1] & ~ABI_IPC_64, r;
	gva_t user = args->a[2];
	struct abi_shm_usage usage;
	struct abi_shminfo info;
	struct abi_shmid s;

	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case ABI_IPC_INFO:
		r = shm_info(&info);
		return syscall_copy_out(t, user, &info, sizeof(info)) < 0 ? -EFAULT : r;
	case ABI_SHM_INFO:
		r = shm_usage(&usage);
		return syscall_copy_out(t, user, &usage, sizeof(usage)) < 0 ? -EFAULT : r;
	case ABI_IPC_STAT:
	case ABI_SHM_STAT:
	case ABI_SHM_STAT_ANY:
		return shm_show(t, id, cmd, user);
	case ABI_IPC_SET:
		r = syscall_copy_in(t, &s, user, sizeof(s));
		return r < 0 ? r : shm_set_perm(t, id, &s.perm);
	case ABI_IPC_RMID:
		return shm_remove(t, id);
	case ABI_SHM_LOCK:
	case ABI_SHM_UNLOCK:
		return shm_lock(t, id, cmd == ABI_SHM_LOCK);
	}
	return -EINVAL;
}
