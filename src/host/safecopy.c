#include "host/safecopy.h"

#include <signal.h>
#include <ucontext.h>

#include "host/proc.h"

/* A row of the table in safecopy.S: offsets from each field's own address. */
struct fault_range {
	int32_t first, end, fixup;
};

extern const struct fault_range safecopy_table[] __attribute__((visibility("hidden")));
extern const struct fault_range safecopy_table_end[] __attribute__((visibility("hidden")));

static uint64_t field_target(const int32_t *field)
{
	return (uint64_t)(uintptr_t)field + (uint64_t)(int64_t)*field;
}

bool safecopy_fixup(void *ucontext)
{
	ucontext_t *uc = ucontext;
	uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	const struct fault_range *r;

	for (r = safecopy_table; r < safecopy_table_end; r++) {
		if (rip >= field_target(&r->first) && rip < field_target(&r->end)) {
			uc->uc_mcontext.gregs[REG_RIP] = (greg_t)field_target(&r->fixup);
			return true;
		}
	}
	return false;
}

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	const ucontext_t *uc = ucontext;

	if (safecopy_fixup(ucontext))
		return;
	panic("%s (code %d) at address %p, instruction %#llx", sig == SIGBUS ? "SIGBUS" : "SIGSEGV",
	      info->si_code, info->si_addr, (unsigned long long)uc->uc_mcontext.gregs[REG_RIP]);
}

void safecopy_init(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS };
	struct sigaction act = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int err = host_sigaction(signals[i], &act, NULL);

		if (err != 0)
			panic("no handler for signal %d: %d", signals[i], err);
	}
	/* The way back from a handler: */
	/* host: rt_sigreturn */
}
