/* The checker of translate()'s postconditions. */
#include "memmap/memmap.h"

static void check_one(const struct translation *t, fileoff_t opt_start, fileoff_t opt_end,
		      int access)
{
	ASSERT(t->start < t->end);
	ASSERT(!((t->start | t->end | t->offset) & ~PAGE_MASK));
	ASSERT(t->start >= opt_start && t->end <= opt_end);
	ASSERT((t->perms & access) == access);
	ASSERT(t->file && t->file->ops);
}

void translate_check(fileoff_t start, fileoff_t end, fileoff_t opt_start, fileoff_t opt_end,
		     int access, int result, const struct translation *t, unsigned count)
{
	ASSERT(opt_start <= start && start < end && end <= opt_end);
	ASSERT(result <= 0);
	for (unsigned i = 0; i < count; i++) {
		check_one(&t[i], opt_start, opt_end, access);
		ASSERT(i == 0 || t[i].start == t[i - 1].end);
	}
	if (result == 0)
		ASSERT(count && t[0].start <= start && t[count - 1].end >= end);
	else
		ASSERT(!count || t[0].start <= start);
}
