/* The front of platform/: picks an implementation and forwards to it. */
#include <string.h>

#include "platform/internal.h"

static const struct platform_impl *const impls[] = { &systrap_impl, &skeleton_impl };

void platform_prepare(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(impls); i++) {
		if (impls[i]->prepare)
			impls[i]->prepare();
	}
}

int platform_create(const struct platform_options *opt, struct platform **out)
{
	const char *name = opt->name ? opt->name : "systrap";

	*out = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(impls); i++) {
		if (strcmp(impls[i]->name, name) == 0)
			return impls[i]->create(opt, out);
	}
	if (opt->why)
		*opt->why = "there is no such platform";
	return -EINVAL;
}

void platform_destroy(struct platform *p)
{
	if (p)
		p->impl->destroy(p);
}

void platform_get_stats(const struct platform *p, struct platform_stats *out)
{
	p->impl->get_stats(p, out);
}

void platform_guest_range(const struct platform *p, gva_t *lo, gva_t *hi)
{
	p->impl->guest_range(p, lo, hi);
}

uint64_t platform_vdso_symbol(const struct platform *p, const char *name)
{
	return p->impl->vdso_symbol(p, name);
}

uint64_t platform_call_gate(const struct platform *p)
{
	return p->impl->call_gate ? p->impl->call_gate(p) : 0;
}

size_t platform_xstate_size(const struct platform *p)
{
	return p->impl->xstate_size(p);
}

int platform_as_create(struct platform *p, struct platform_as **out)
{
	return p->impl->as_create(p, out);
}

void platform_as_destroy(struct platform_as *as)
{
	if (as)
		as->impl->as_destroy(as);
}

int platform_as_apply(struct platform_as *as, const struct platform_op *ops, size_t count)
{
	return as->impl->as_apply(as, ops, count, false);
}

int platform_as_apply_lazy(struct platform_as *as, const struct platform_op *ops, size_t count)
{
	return as->impl->as_apply(as, ops, count, true);
}

int platform_as_clear(struct platform_as *as)
{
	return as->impl->as_clear(as);
}

void platform_as_kill(struct platform_as *as)
{
	as->impl->as_kill(as);
}

int platform_as_usage(struct platform_as *as, uint64_t *user_ns, uint64_t *sys_ns)
{
	return as->impl->as_usage(as, user_ns, sys_ns);
}

int platform_ctx_create(struct platform_as *as, struct platform_ctx **out)
{
	return as->impl->ctx_create(as, out);
}

void platform_ctx_destroy(struct platform_ctx *ctx)
{
	if (ctx)
		ctx->impl->ctx_destroy(ctx);
}

void platform_ctx_switch(struct platform_ctx *ctx, struct guest_regs *regs,
			 struct platform_event *ev)
{
	ctx->impl->ctx_switch(ctx, regs, ev);
}

void platform_ctx_interrupt(struct platform_ctx *ctx)
{
	ctx->impl->ctx_interrupt(ctx);
}

void platform_ctx_rest(struct platform_ctx *ctx)
{
	ctx->impl->ctx_rest(ctx);
}

void platform_ctx_owner(struct platform_ctx *ctx, uint32_t tid)
{
	ctx->impl->ctx_owner(ctx, tid);
}

uint64_t platform_ctx_cpu_ns(struct platform_ctx *ctx)
{
	return ctx->impl->ctx_cpu_ns(ctx);
}

void platform_ctx_xstate_get(struct platform_ctx *ctx, void *buf)
{
	ctx->impl->xstate_get(ctx, buf);
}

int platform_ctx_xstate_set(struct platform_ctx *ctx, const void *buf, size_t size)
{
	return ctx->impl->xstate_set(ctx, buf, size);
}

void platform_ctx_xstate_reset(struct platform_ctx *ctx)
{
	ctx->impl->xstate_reset(ctx);
}
