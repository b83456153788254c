/* Bringing systrap up and down; shared slots; figures. */
#include <elf.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#include "base/rawcall.h"
#include "host/host.h"
#include "platform/systrap/systrap.h"

#include <sys/syscall.h>

#define SLOTS_MAX 16384

void stub_futex_wait(atomic_uint *word, unsigned val, uint64_t timeout_ns)
{
	struct timespec ts = { (time_t)(timeout_ns / 1000000000), (long)(timeout_ns % 1000000000) };

	/* host: futex */
	rawcall6(SYS_futex, (long)word, 0, val, timeout_ns == UINT64_MAX ? 0 : (long)&ts, 0, 0);
}

void stub_futex_wake(atomic_uint *word)
{
	/* host: futex */
	rawcall6(SYS_futex, (long)word, 1, INT32_MAX, 0, 0, 0);
}

/* ---- slots ---- */

int slots_init(struct slots *s, const char *name, size_t slot_size, size_t count)
{
	void *base;
	int r;

	*s = (struct slots){ .fd = -1, .slot_size = slot_size, .count = count };
	s->free = calloc(count, sizeof(*s->free));
	if (!s->free)
		return -ENOMEM;
	s->fd = host_memfd_create(name, MFD_CLOEXEC);
	if (s->fd < 0)
		return s->fd;
	r = host_ftruncate(s->fd, slot_size * count);
	if (r < 0)
		return r;
	r = host_mmap(NULL, slot_size * count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		      s->fd, 0, &base);
	if (r < 0)
		return r;
	s->base = base;
	return 0;
}

void slots_fini(struct slots *s)
{
	if (s->base)
		host_munmap(s->base, s->slot_size * s->count);
	if (s->fd >= 0)
		host_close(s->fd);
	free(s->free);
	*s = (struct slots){ .fd = -1 };
}

int slot_get(struct slots *s, uint32_t *slot)
{
	if (s->nfree) {
		*slot = s->free[--s->nfree];
		return 0;
	}
	if (s->used == s->count)
		return -EAGAIN;
	*slot = (uint32_t)s->used++;
	return 0;
}

/* What the slot held must not be seen by its next user. */
void slot_put(struct slots *s, uint32_t slot)
{
	if (host_fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   (fileoff_t)slot * s->slot_size, s->slot_size) < 0)
		memset(slot_addr(s, slot), 0, s->slot_size);
	s->free[s->nfree++] = slot;
}

/* ---- bring-up ---- */

static void calibrate_spin(struct systrap *st)
{
	uint64_t ns0 = host_clock_ns(CLOCK_MONOTONIC), t0 = rdtsc(), ns, t;

	do {
		ns = host_clock_ns(CLOCK_MONOTONIC) - ns0;
		t = rdtsc() - t0;
	} while (ns < 200000);
	st->spin_tsc = t * SPIN_NS / ns;
}

/* The first stub: made now, so that the shape of the host's frames is known
 * before any guest code has run. It goes to the pool. */
static int find_shape(struct systrap *st)
{
	struct platform_as *as;
	struct platform_ctx *ctx;
	int r;

	r = space_create(&st->base, &as);
	if (r < 0)
		return r;
	r = context_create(as, &ctx);
	if (r == 0)
		context_destroy(ctx);
	space_destroy(as);
	return r;
}

static void systrap_destroy(struct platform *p)
{
	struct systrap *st = systrap_of(p);

	atomic_store(&st->stopping, true);
	for (;;) {
		struct space *s = NULL;

		mutex_lock(&st->lock);
		if (!list_empty(&st->pool)) {
			s = list_first(&st->pool, struct space, pool_link);
			list_del(&s->pool_link);
			st->npool--;
		}
		mutex_unlock(&st->lock);
		if (!s)
			break;
		space_destroy(&s->base);
	}
	if (st->zygote) {
		space_kill(&st->zygote->base);
		space_wait_dead(st->zygote);
	}
	reaper_stop(st);
	if (st->zygote)
		space_free(st->zygote);
	slots_fini(&st->requests);
	slots_fini(&st->answers);
	slots_fini(&st->contexts);
	free(st);
}

static int cannot(const struct platform_options *opt, int err, const char *why)
{
	if (opt->why)
		*opt->why = why;
	return err;
}

static int systrap_create(const struct platform_options *opt, struct platform **out)
{
	struct systrap *st;
	int r;

	*out = NULL;
	if (!(getauxval(AT_HWCAP2) & 2))
		return cannot(
			opt, -ENOSYS,
			"the CPU or the host's kernel has no FSGSBASE (Linux 5.9 or newer is needed)");
	st = calloc(1, sizeof(*st));
	if (!st)
		return cannot(opt, -ENOMEM, "cannot begin");
	st->base.impl = &systrap_impl;
	st->opt = *opt;
	st->failing = "cannot make the files that stubs share";
	mutex_init(&st->lock, LOCK_PLATFORM);
	mutex_init(&st->slots_lock, LOCK_PLATFORM_SLOTS);
	list_init(&st->spaces);
	list_init(&st->pool);
	st->requests.fd = st->answers.fd = st->contexts.fd = -1;
	calibrate_spin(st);
	placement_init(st);
	r = slots_init(&st->requests, "nacre-requests", STUB_REQUEST_SIZE, SLOTS_MAX);
	if (r == 0)
		r = slots_init(&st->answers, "nacre-answers", PAGE_SIZE, SLOTS_MAX);
	if (r == 0)
		r = slots_init(&st->contexts, "nacre-contexts", CTX_SIZE, SLOTS_MAX);
	if (r == 0)
		r = zygote_start(st);
	if (r == 0) {
		st->failing = "cannot make a stub";
		r = find_shape(st);
	}
	atomic_store(&st->up, r == 0);
	if (r == 0 && atomic_load(&st->zygote->dead))
		r = -ESRCH;
	if (r < 0) {
		(void)cannot(opt, r, st->failing);
		systrap_destroy(&st->base);
		return r;
	}
	*out = &st->base;
	return 0;
}

static void systrap_get_stats(const struct platform *p, struct platform_stats *out)
{
	const struct systrap *st = container_of(p, struct systrap, base);

	*out = st->stats;
}

static void systrap_guest_range(const struct platform *p, gva_t *lo, gva_t *hi)
{
	const struct systrap *st = container_of(p, struct systrap, base);

	*lo = 0x10000;
	*hi = st->region;
}

static size_t systrap_xstate_size(const struct platform *p)
{
	const struct systrap *st = container_of(p, struct systrap, base);

	return st->shape.xstate_size;
}

/* ---- the host's vDSO, as moved into the stub region ---- */

static uint64_t vdso_find(const uint8_t *image, const char *name)
{
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Phdr *ph = (const void *)(image + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	const uint32_t *hash = NULL, *gnu = NULL;
	uint64_t load = 0;
	size_t nsym = 0;

	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			load = ph[i].p_vaddr - ph[i].p_offset;
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(image + ph[i].p_offset);
	}
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		const void *p = image + dyn->d_un.d_ptr - load;

		if (dyn->d_tag == DT_SYMTAB)
			sym = p;
		else if (dyn->d_tag == DT_STRTAB)
			str = p;
		else if (dyn->d_tag == DT_HASH)
			hash = p;
		else if (dyn->d_tag == DT_GNU_HASH)
			gnu = p;
	}
	if (!sym || !str)
		return 0;
	if (hash) {
		nsym = hash[1];
	} else if (gnu) {
		/* The symbol table ends with the last chain. */
		const uint32_t *buckets = gnu + 4 + gnu[2] * 2, *chain = buckets + gnu[0];

		for (uint32_t b = 0; b < gnu[0]; b++)
			nsym = MAX(nsym, (size_t)buckets[b]);
		while (nsym && !(chain[nsym - gnu[1]] & 1))
			nsym++;
		nsym++;
	}
	for (size_t i = 0; i < nsym; i++) {
		if (sym[i].st_shndx != SHN_UNDEF && strcmp(str + sym[i].st_name, name) == 0)
			return (uint64_t)(uintptr_t)image + sym[i].st_value - load;
	}
	return 0;
}

static uint64_t systrap_vdso_symbol(const struct platform *p, const char *name)
{
	const struct systrap *st = container_of(p, struct systrap, base);
	const uint8_t *image = (const void *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	uint64_t addr;

	if (!st->has_vdso || !image)
		return 0;
	addr = vdso_find(image, name);
	return addr ? addr + st->vdso_delta : 0;
}

const struct platform_impl systrap_impl = {
	.name = "systrap",
	.prepare = zygote_prepare,
	.create = systrap_create,
	.destroy = systrap_destroy,
	.get_stats = systrap_get_stats,
	.guest_range = systrap_guest_range,
	.vdso_symbol = systrap_vdso_symbol,
	.call_gate = gate_address,
	.xstate_size = systrap_xstate_size,
	.as_create = space_create,
	.as_destroy = space_destroy,
	.as_apply = space_apply,
	.as_clear = space_clear,
	.as_kill = space_kill,
	.as_usage = space_usage,
	.ctx_create = context_create,
	.ctx_destroy = context_destroy,
	.ctx_switch = context_switch,
	.ctx_interrupt = context_interrupt,
	.ctx_rest = handover_rest,
	.ctx_owner = placement_owner,
	.ctx_cpu_ns = context_cpu_ns,
	.xstate_get = frame_xstate_get,
	.xstate_set = frame_xstate_set,
	.xstate_reset = frame_xstate_reset,
};
