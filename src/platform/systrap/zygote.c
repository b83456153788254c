/*
 * The zygote: the clean, nearly empty stub from which all others are cloned.
 *
 * It starts as a fork of the kernel process, made before that has threads or
 * large mappings, shares its descriptor table (CLONE_FILES: whatever the
 * kernel opens can be mapped by a mapper, with nothing to pass; the mapper's
 * seccomp program leaves it mmap as the only use of a descriptor), arranges
 * the stub region with plain C and raw calls, and jumps into the stub text,
 * which unmaps everything else.
 */
#include <linux/capability.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/rawcall.h"
#include "host/host.h"
#include "host/proc.h"
#include "platform/systrap/systrap.h"

#define TASK_END 0x7ffffffff000ull
#define REGION_FIRST 0x7fffe0000000ull
#define REGION_LAST 0x7ff000000000ull

extern const char stub_text[], stub_text_end[], stub_handler[], stub_zygote_start[];

/* Not instrumented, no libc: runs in the fork. */
#define IN_CHILD \
	__attribute__((no_sanitize("address", "undefined", "thread"), noinline, no_stack_protector))
#if defined(__GNUC__) && !defined(__clang__)
#undef IN_CHILD
#define IN_CHILD                                                                                 \
	__attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined, noinline, \
		       optimize("no-stack-protector")))
#endif

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

/* What the child needs, prepared by the parent. */
struct child_plan {
	uint64_t region;
	int request_fd, answer_fd;
	uint64_t request_off, answer_off;
	uint64_t vdso_lo, vdso_hi; /* [vvar] and [vdso]; 0: not known */
	uint64_t rseq;             /* libc's registration, inherited by the fork */
	pid_t ppid;
};

/* Moves [vvar] and [vdso] piece by piece: a piece of such a mapping cannot be
 * moved alone, so the right sizes are found by trying. */
IN_CHILD static uint32_t child_move_vdso(const struct child_plan *plan)
{
	uint64_t at = plan->vdso_lo;

	while (at < plan->vdso_hi) {
		uint64_t size, to = plan->region + STUB_VDSO + (at - plan->vdso_lo);

		for (size = plan->vdso_hi - at; size; size -= 4096) {
			long r = rawcall6(SYS_mremap, (long)at, (long)size, (long)size,
					  MREMAP_MAYMOVE | MREMAP_FIXED, (long)to, 0);
			if (r == (long)to)
				break;
		}
		if (!size)
			return 0;
		at += size;
	}
	return 1;
}

IN_CHILD static void child_die(void)
{
	rawcall3(SYS_exit_group, 1, 0, 0);
}

IN_CHILD static void child_set_handlers(uint64_t region)
{
	static const uint8_t signals[] = { SIGSYS, SIGSEGV, SIGBUS,        SIGFPE,
					   SIGILL, SIGTRAP, STUB_INTERRUPT };
	struct kernel_sigaction sa;

	sa.handler = region + (uint64_t)(stub_handler - stub_text);
	sa.flags = SA_SIGINFO | SA_ONSTACK | 0x04000000; /* SA_RESTORER */
	sa.restorer = region;
	sa.mask = ~(uint64_t)0;
	for (unsigned i = 0; i < sizeof(signals); i++) {
		if (rawcall6(SYS_rt_sigaction, signals[i], (long)&sa, 0, 8, 0, 0) != 0)
			child_die();
	}
}

/* The fork's whole life in C. Never returns. */
IN_CHILD static void child_main(const struct child_plan *plan)
{
	uint64_t region = plan->region, all = ~(uint64_t)0, end = region + STUB_REGION_SIZE;
	uint64_t req = region + STUB_REQUEST, ans = region + STUB_ANSWER;
	struct __user_cap_header_struct caps = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps_none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	rawcall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, 8, 0, 0);
	rawcall3(SYS_setsid, 0, 0, 0);
	rawcall6(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	if (rawcall3(SYS_getppid, 0, 0, 0) != plan->ppid)
		child_die(); /* the kernel process is dead already */
	if (rawcall6(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0) != 0)
		child_die();
	/* A stub needs no capability, and must not have more than the kernel
	 * process will, which else could not bind it to a core. */
	if (rawcall3(SYS_capset, (long)&caps, (long)caps_none, 0) != 0)
		child_die();
	/* The host would write to it after it is unmapped. */
	if (plan->rseq)
		rawcall6(SYS_rseq, (long)plan->rseq, 32, 1, 0x53053053, 0, 0);
	child_set_handlers(region);
	if (rawcall6(SYS_mmap, (long)req, STUB_REQUEST_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED,
		     plan->request_fd, (long)plan->request_off) != (long)req ||
	    rawcall6(SYS_mmap, (long)ans, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		     plan->answer_fd, (long)plan->answer_off) != (long)ans)
		child_die();
	if (plan->vdso_lo && child_move_vdso(plan))
		*(volatile int32_t *)ans = 1;
	__asm__ volatile("movq %0, %%rbx\n\t"
			 "movq %1, %%r13\n\t"
			 "movq %2, %%r14\n\t"
			 "movq %3, %%rax\n\t"
			 "movq %4, %%rbp\n\t"
			 "jmp *%%rax"
			 :
			 : "r"(req), "r"(end), "r"(TASK_END - end),
			   "r"(region + (uint64_t)(stub_zygote_start - stub_text)), "r"(ans)
			 : "rax", "rbx", "r13", "r14", "memory");
	__builtin_unreachable();
}

/* ---- the parent's side ---- */

/* Where [vvar] and [vdso] are; 0: not known. [I] once prepared */
static uint64_t vdso_lo, vdso_hi;

/* One line of /proc/self/maps that belongs to the vDSO: extends the range if it is
 * adjacent. The lines come in rising order. */
static void take_maps_line(const char *line)
{
	unsigned long lo, hi;

	if (!strstr(line, "[vvar") && !strstr(line, "[vdso]"))
		return;
	if (sscanf(line, "%lx-%lx", &lo, &hi) != 2)
		return;
	if (vdso_hi != lo)
		vdso_lo = lo;
	vdso_hi = hi;
}

/* Without /proc guests do without the host's clock functions: their clock calls
 * trap. */
void zygote_prepare(void)
{
	static char buf[65536];
	ssize_t n, size = 0;
	char *save = NULL;
	int fd;

	vdso_lo = vdso_hi = 0;
	fd = host_openat(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	while ((n = host_read(fd, buf + size, sizeof(buf) - 1 - (size_t)size)) > 0)
		size += n;
	host_close(fd);
	buf[size] = '\0';
	for (char *l = strtok_r(buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		take_maps_line(l);
	if (vdso_hi - vdso_lo > STUB_VDSO_MAX)
		vdso_lo = vdso_hi = 0;
}

static void fill_rodata(struct stub_rodata *ro, uint64_t region, int request_fd)
{
	uint64_t at = region + STUB_RODATA;

	for (unsigned i = 0; i < ARRAY_SIZE(ro->numbers); i++)
		ro->numbers[i] = i;
	ro->first_mask = ~((uint64_t)1 << (SIGSYS - 1));
	ro->contexts_lo = region + STUB_CONTEXTS;
	ro->contexts_hi = region + STUB_CONTEXTS + (uint64_t)CTX_PER_AS_MAX * CTX_SIZE;
	ro->guest_prog.len = (unsigned short)filter_guest(ro->guest_filter,
							  ARRAY_SIZE(ro->guest_filter), region);
	ro->guest_prog.filter =
		(void *)(uintptr_t)(at + offsetof(struct stub_rodata, guest_filter));
	ro->mapper_prog.len = (unsigned short)filter_mapper(
		ro->mapper_filter, ARRAY_SIZE(ro->mapper_filter), region, request_fd);
	ro->mapper_prog.filter =
		(void *)(uintptr_t)(at + offsetof(struct stub_rodata, mapper_filter));
}

static_assert(offsetof(struct stub_rodata, first_mask) == RO_FIRST_MASK, "layout.h");
static_assert(offsetof(struct stub_rodata, guest_prog) == RO_GUEST_PROG, "layout.h");
static_assert(offsetof(struct stub_rodata, mapper_prog) == RO_MAPPER_PROG, "layout.h");
static_assert(offsetof(struct stub_rodata, contexts_lo) == RO_CONTEXTS_LO, "layout.h");
static_assert(offsetof(struct stub_rodata, contexts_hi) == RO_CONTEXTS_HI, "layout.h");
static_assert(sizeof(struct stub_rodata) <= 4096, "rodata is one page");
static_assert(sizeof(struct request_page) == STUB_REQUEST_SIZE, "layout.h");
static_assert(offsetof(struct request_page, stack) == REQ_STACK, "layout.h");
static_assert(offsetof(struct request_page, child_request) == REQ_CHILD_REQUEST, "layout.h");
static_assert(offsetof(struct request_page, fd) == REQ_FD, "layout.h");
static_assert(offsetof(struct request_page, done_offset) == REQ_DONE_OFFSET, "layout.h");
static_assert(offsetof(struct request_page, ops) == REQ_OPS, "layout.h");

/* Maps text and rodata at the region in our own address space; the fork keeps
 * them, we unmap ours. */
static int map_region(struct systrap *st)
{
	struct stub_rodata *ro;
	void *at;
	int fd, r = -ENOMEM;

	fd = host_memfd_create("nacre-stub", MFD_CLOEXEC);
	if (fd < 0)
		return fd;
	r = host_ftruncate(fd, 2 * PAGE_SIZE);
	if (r < 0)
		goto out_close;
	for (st->region = REGION_FIRST; st->region > REGION_LAST; st->region -= STUB_REGION_SIZE) {
		r = host_mmap((void *)st->region, STUB_REGION_SIZE, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			      0, &at);
		if (r == 0)
			break;
	}
	if (r < 0)
		goto out_close;
	host_munmap((void *)st->region, STUB_REGION_SIZE);
	ro = calloc(1, sizeof(*ro));
	if (!ro) {
		r = -ENOMEM;
		goto out_close;
	}
	fill_rodata(ro, st->region, st->requests.fd);
	r = host_pwrite(fd, stub_text, (size_t)(stub_text_end - stub_text), 0) < 0 ||
			    host_pwrite(fd, ro, sizeof(*ro), PAGE_SIZE) < 0
		    ? -EIO
		    : 0;
	free(ro);
	if (r == 0)
		r = host_mmap((void *)(st->region + STUB_TEXT), PAGE_SIZE, PROT_READ | PROT_EXEC,
			      MAP_SHARED | MAP_FIXED, fd, 0, &at);
	if (r == 0)
		r = host_mmap((void *)(st->region + STUB_RODATA), PAGE_SIZE, PROT_READ,
			      MAP_SHARED | MAP_FIXED, fd, PAGE_SIZE, &at);
out_close:
	host_close(fd);
	return r;
}

int zygote_start(struct systrap *st)
{
	struct child_plan plan;
	struct space *z;
	long pid;
	int r;

	r = map_region(st);
	if (r < 0) {
		st->failing = "cannot map the stub region";
		return r;
	}
	r = space_alloc(st, &z);
	if (r < 0)
		goto out_unmap;
	plan = (struct child_plan){
		.region = st->region,
		.request_fd = st->requests.fd,
		.answer_fd = st->answers.fd,
		.request_off = (uint64_t)z->slot * STUB_REQUEST_SIZE,
		.answer_off = (uint64_t)z->slot * PAGE_SIZE,
		.vdso_lo = vdso_lo,
		.vdso_hi = vdso_hi,
		.ppid = host_getpid(),
	};
	if (__rseq_size)
		plan.rseq =
			(uint64_t)(uintptr_t)__builtin_thread_pointer() + (uint64_t)__rseq_offset;
	/* host-setup: clone */
	pid = rawcall6(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0, 0);
	if (pid == 0)
		child_main(&plan);
	if (pid < 0) {
		st->failing = "cannot fork the first stub";
		space_free(z);
		r = (int)pid;
		goto out_unmap;
	}
	z->pid = (int32_t)pid;
	st->zygote = z;
	r = reaper_start(st);
	if (r < 0)
		goto out_unmap;
	/* An empty batch: when it is done, the zygote is a mapper. */
	mutex_lock(&z->lock);
	r = mapper_post_locked(z, NULL, 0, NULL);
	mutex_unlock(&z->lock);
	if (r == 0 && z->ans->tid == 1) {
		st->has_vdso = true;
		st->vdso_delta = st->region + STUB_VDSO - plan.vdso_lo;
	}
	if (r < 0)
		st->failing = "the first stub died (does this host allow seccomp filters?)";
out_unmap:
	host_munmap((void *)st->region, STUB_RODATA + PAGE_SIZE);
	return r;
}
