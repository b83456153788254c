/*
 * /proc/[pid]/oom_score, oom_score_adj, and oom_adj, which is the latter in units of
 * old: -17 (never) to 15.
 */
#include <ctype.h>
#include <linux/oom.h>
#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "procfs/internal.h"

/* Linux looks at no more of what is written. */
#define NUMBER_MAX 12u

void show_oom_score(const struct subject *s, struct text *t)
{
	text_add(t, "%u\n", oom_score(s->group));
}

void show_oom_score_adj(const struct subject *s, struct text *t)
{
	text_add(t, "%d\n", READ_ONCE(s->group->oom_score_adj));
}

void show_oom_adj(const struct subject *s, struct text *t)
{
	int adj = READ_ONCE(s->group->oom_score_adj);

	text_add(t, "%d\n",
		 adj == OOM_SCORE_ADJ_MAX ? OOM_ADJUST_MAX
					  : adj * -OOM_DISABLE / OOM_SCORE_ADJ_MAX);
}

/* A number alone, between spaces. */
static int parse(const char *buf, size_t size, int *out)
{
	char copy[NUMBER_MAX + 1] = { 0 };
	char *end;
	long v;

	memcpy(copy, buf, size);
	v = strtol(copy, &end, 0);
	if (end == copy)
		return -EINVAL;
	while (isspace((unsigned char)*end))
		end++;
	if (*end)
		return -EINVAL;
	if (v < INT32_MIN || v > INT32_MAX)
		return -ERANGE;
	*out = (int)v;
	return 0;
}

static ssize_t store(const struct subject *s, const char *buf, size_t size, int min, int max,
		     bool is_old)
{
	bool privileged = s->ctx && cred_has_cap(s->ctx->cred, CAP_SYS_RESOURCE);
	int adj, r;

	size = MIN(size, NUMBER_MAX);
	r = parse(buf, size, &adj);
	if (r < 0)
		return r;
	if (adj < min || adj > max)
		return -EINVAL;
	if (is_old)
		adj = adj == OOM_ADJUST_MAX ? OOM_SCORE_ADJ_MAX
					    : adj * OOM_SCORE_ADJ_MAX / -OOM_DISABLE;
	r = oom_set_score_adj(s->group, adj, is_old, privileged);
	return r < 0 ? r : (ssize_t)size;
}

ssize_t store_oom_score_adj(const struct subject *s, const char *buf, size_t size)
{
	return store(s, buf, size, OOM_SCORE_ADJ_MIN, OOM_SCORE_ADJ_MAX, false);
}

ssize_t store_oom_adj(const struct subject *s, const char *buf, size_t size)
{
	return store(s, buf, size, OOM_DISABLE, OOM_ADJUST_MAX, true);
}
