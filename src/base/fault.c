#include "base/fault.h"

#ifdef NACRE_DEBUG

#include <stdio.h>
#include <string.h>

#include "base/lock.h"

atomic_bool fault_any_armed;

/* Only taken while a test has armed something, so that nothing else pays. */
static struct mutex fault_lock = MUTEX_INIT(LOCK_NONE);
static char armed_name[64]; /* [fault_lock] "" for any point */
static unsigned remaining;  /* [fault_lock] passings until it fires, 0: disarmed */
static bool has_fired;      /* [fault_lock] */

void fault_arm(const char *name, unsigned nth)
{
	mutex_lock(&fault_lock);
	snprintf(armed_name, sizeof(armed_name), "%s", name ? name : "");
	remaining = nth;
	has_fired = false;
	atomic_store_explicit(&fault_any_armed, nth != 0, memory_order_relaxed);
	mutex_unlock(&fault_lock);
}

bool fault_fires(const char *name)
{
	bool fires = false;

	mutex_lock(&fault_lock);
	if (remaining && (!armed_name[0] || strcmp(armed_name, name) == 0))
		fires = --remaining == 0;
	if (fires) {
		has_fired = true;
		atomic_store_explicit(&fault_any_armed, false, memory_order_relaxed);
	}
	mutex_unlock(&fault_lock);
	return fires;
}

bool fault_fired(void)
{
	bool fired;

	mutex_lock(&fault_lock);
	fired = has_fired;
	mutex_unlock(&fault_lock);
	return fired;
}

#endif
