/* How platform.h reaches an implementation: every object starts with a pointer
 * to its implementation's table; platform.c forwards. */
#pragma once

#include "platform/platform.h"

struct platform_impl {
	const char *name;
	void (*prepare)(void);
	int (*create)(const struct platform_options *opt, struct platform **out);
	void (*destroy)(struct platform *p);
	void (*get_stats)(const struct platform *p, struct platform_stats *out);
	void (*guest_range)(const struct platform *p, gva_t *lo, gva_t *hi);
	uint64_t (*vdso_symbol)(const struct platform *p, const char *name);
	uint64_t (*call_gate)(const struct platform *p);
	size_t (*xstate_size)(const struct platform *p);

	int (*as_create)(struct platform *p, struct platform_as **out);
	void (*as_destroy)(struct platform_as *as);
	int (*as_apply)(struct platform_as *as, const struct platform_op *ops, size_t count,
			bool lazy);
	int (*as_clear)(struct platform_as *as);
	void (*as_kill)(struct platform_as *as);
	int (*as_usage)(struct platform_as *as, uint64_t *user_ns, uint64_t *sys_ns);

	int (*ctx_create)(struct platform_as *as, struct platform_ctx **out);
	void (*ctx_destroy)(struct platform_ctx *ctx);
	void (*ctx_switch)(struct platform_ctx *ctx, struct guest_regs *regs,
			   struct platform_event *ev);
	void (*ctx_interrupt)(struct platform_ctx *ctx);
	void (*ctx_rest)(struct platform_ctx *ctx);
	void (*ctx_owner)(struct platform_ctx *ctx, uint32_t tid);
	uint64_t (*ctx_cpu_ns)(struct platform_ctx *ctx);
	void (*xstate_get)(struct platform_ctx *ctx, void *buf);
	int (*xstate_set)(struct platform_ctx *ctx, const void *buf, size_t size);
	void (*xstate_reset)(struct platform_ctx *ctx);
};

struct platform {
	const struct platform_impl *impl;
};

struct platform_as {
	const struct platform_impl *impl;
	struct platform *platform;
};

struct platform_ctx {
	const struct platform_impl *impl;
	struct platform_as *as;
};

extern const struct platform_impl systrap_impl;
extern const struct platform_impl skeleton_impl;
