/* /proc/sysvipc: every System V object, whoever may use it (ipcs(1) reads it). */
#include <sys/stat.h>

#include "ipc/ipc.h"
#include "procfs/internal.h"

static void show_one_sem(int id, const struct abi_semid *s, void *arg)
{
	text_add(arg, "%10d %10d  %4o %10llu %5u %5u %5u %5u %10lld %10lld\n", s->perm.key, id,
		 s->perm.mode, (unsigned long long)s->nsems, s->perm.uid, s->perm.gid, s->perm.cuid,
		 s->perm.cgid, (long long)s->otime, (long long)s->ctime);
}

static void show_sem(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime"
		    "      ctime\n");
	sem_for_each(show_one_sem, t);
}

static void show_one_msg(int id, const struct abi_msqid *q, void *arg)
{
	text_add(arg,
		 "%10d %10d  %4o  %10llu %10llu %5d %5d %5u %5u %5u %5u %10lld %10lld %10lld\n",
		 q->perm.key, id, q->perm.mode, (unsigned long long)q->cbytes,
		 (unsigned long long)q->qnum, q->lspid, q->lrpid, q->perm.uid, q->perm.gid,
		 q->perm.cuid, q->perm.cgid, (long long)q->stime, (long long)q->rtime,
		 (long long)q->ctime);
}

static void show_msg(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid"
		    "  cuid  cgid      stime      rtime      ctime\n");
	msg_for_each(show_one_msg, t);
}

static void show_one_shm(int id, const struct abi_shmid *m, uint64_t resident, void *arg)
{
	text_add(arg,
		 "%10d %10d  %4o %21llu %5d %5d  %5llu %5u %5u %5u %5u %10lld %10lld %10lld "
		 "%21llu %21u\n",
		 m->perm.key, id, m->perm.mode, (unsigned long long)m->segsz, m->cpid, m->lpid,
		 (unsigned long long)m->nattch, m->perm.uid, m->perm.gid, m->perm.cuid,
		 m->perm.cgid, (long long)m->atime, (long long)m->dtime, (long long)m->ctime,
		 (unsigned long long)resident, 0);
}

static void show_shm(const struct subject *s UNUSED, struct text *t)
{
	text_add(t,
		 "       key      shmid perms                  size  cpid  lpid nattch   uid   gid"
		 "  cuid  cgid      atime      dtime      ctime                   rss"
		 "                  swap\n");
	shm_for_each(show_one_shm, t);
}

const struct pentry proc_sysvipc_entries[] = {
	{ .name = "msg", .mode = S_IFREG | 0444, .show = show_msg },
	{ .name = "sem", .mode = S_IFREG | 0444, .show = show_sem },
	{ .name = "shm", .mode = S_IFREG | 0444, .show = show_shm },
	{ .name = NULL },
};
