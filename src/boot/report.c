/* What a sandbox did and what it is doing: --stats, and the state dump that
 * SIGQUIT and a panic print. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/lock.h"
#include "base/pool.h"
#include "boot/internal.h"
#include "host/host.h"
#include "host/proc.h"
#include "syscall/stats.h"
#include "syscall/syscall.h"
#include "uring/uring.h"

static struct kernel *reported;

struct out {
	int fd;
	char buf[4096];
	size_t n;
};

static void flush(struct out *o)
{
	if (o->n && host_write(o->fd, o->buf, o->n) < 0)
		o->n = 0;
	o->n = 0;
}

static void PRINTF_LIKE(2, 3) emit(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (o->n > sizeof(o->buf) - 256)
		flush(o);
	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->n, sizeof(o->buf) - o->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->n += MIN((size_t)n, sizeof(o->buf) - o->n - 1);
}

static void emit_row(struct out *o, bool json, bool first, const char *name, uint64_t val)
{
	if (json)
		emit(o, "%s\"%s\":%llu", first ? "" : ",", name, (unsigned long long)val);
	else
		emit(o, "%-24s %llu\n", name, (unsigned long long)val);
}

static void emit_stats(struct kernel *k, struct out *o, bool json)
{
	struct platform_stats ps;
	struct memfile_stats ms;
	static const char *const kinds[MEMFILE_KINDS] = { "memory_anon",  "memory_pagecache",
							  "memory_tmpfs", "memory_shared",
							  "memory_rings", "memory_stack" };

	platform_get_stats(k->platform, &ps);
	memfile_get_stats(k->memfile, &ms);
	const struct {
		const char *name;
		uint64_t val;
	} rows[] = {
		{ "traps_syscall", ps.syscalls },
		{ "traps_syscall_gate", ps.gate_calls }, /* of them: without a signal */
		{ "traps_fault", ps.faults },
		{ "traps_interrupt", ps.interrupts },
		{ "handover_spinning", ps.spins_won },
		{ "handover_sleeping", ps.sleeps },
		{ "threads_unplaced", ps.unplaced },
		{ "mapper_batches", ps.mapper_batches },
		{ "mapper_operations", ps.mapper_ops },
		{ "spaces_new", ps.as_created },
		{ "spaces_reused", ps.as_reused },
		{ "threads_new", ps.ctx_created },
		{ "threads_reused", ps.ctx_reused },
		{ "memory_used", ms.used },
		{ "memory_peak", ms.peak },
		{ "oom_kills", atomic_load(&k->oom_kills) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		emit_row(o, json, i == 0, rows[i].name, rows[i].val);
	for (int i = 0; i < MEMFILE_KINDS; i++)
		emit_row(o, json, false, kinds[i], ms.allocated[i]);
	for (int i = 0; i < URING_STATS; i++)
		emit_row(o, json, false, uring_stat_names[i], atomic_load(&uring_stats[i]));
}

static void emit_syscalls(struct out *o, bool json)
{
	bool first = true;

	for (unsigned nr = 0; nr < SYSCALL_TABLE_SIZE; nr++) {
		unsigned long long n = atomic_load(&kernel_stats.syscalls[nr]);
		const char *name = syscall_table[nr].name ? syscall_table[nr].name : "?";

		if (!n)
			continue;
		if (json)
			emit(o, "%s\"%s\":%llu", first ? "" : ",", name, n);
		else
			emit(o, "  %-22s %llu\n", name, n);
		first = false;
	}
}

void report_stats(struct kernel *k, int fd, bool json)
{
	static struct out o;

	o.fd = fd;
	o.n = 0;
	emit(&o, json ? "{" : "nacre: statistics\n");
	emit_stats(k, &o, json);
	emit(&o, json ? ",\"syscalls\":{" : "system calls:\n");
	emit_syscalls(&o, json);
	if (json)
		emit(&o, "}}\n");
	flush(&o);
}

/* ---- the state dump ---- */

static void emit_task(struct out *o, struct thread_group *g, struct task *t)
{
	int64_t nr = READ_ONCE(t->sysno);
	const char *call = nr >= 0 && nr < SYSCALL_TABLE_SIZE && syscall_table[nr].name
				   ? syscall_table[nr].name
				   : "guest code";

	emit(o, "task %d (process %d, %.15s): state %d, in %s, rip %#llx\n", t->tid, g->pid,
	     t->comm, (int)t->state, call, (unsigned long long)t->regs.rip);
}

static void emit_lock(uint32_t tid, enum lock_rank rank, void *arg)
{
	emit(arg, "host thread %u holds %s\n", tid, lock_rank_name(rank));
}

/* Takes no lock but those of the pid table walk; a panic may call it with
 * anything held, so it looks at the tasks only when asked by SIGQUIT. */
static void emit_tasks(struct out *o)
{
	struct thread_group *g;

	for (int32_t pid = 1; (g = pid_next_group(reported, pid)); group_put(g)) {
		struct task *t;

		pid = g->pid;
		for (int32_t tid = 0; (t = group_next_task(g, tid)); task_put(t)) {
			tid = t->tid;
			emit_task(o, g, t);
		}
	}
}

void report_state(int fd)
{
	static struct out o;

	o.fd = fd;
	o.n = 0;
	if (reported)
		emit_tasks(&o);
	lock_for_each_held(emit_lock, &o);
	flush(&o);
}

static void dump_locks(int fd)
{
	static struct out o;

	o.fd = fd;
	o.n = 0;
	lock_for_each_held(emit_lock, &o);
	flush(&o);
}

void report_init(struct kernel *k)
{
	reported = k;
	panic_register_dump(dump_locks);
}
