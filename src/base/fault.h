/*
 * Fault points: if (FAULT_POINT("memfile.alloc")) return -ENOMEM;
 * A test arms a point to fire at its nth passing. Compiled out of builds
 * without NACRE_DEBUG.
 */
#pragma once

#include "base/base.h"

#ifdef NACRE_DEBUG
extern atomic_bool fault_any_armed;
bool fault_fires(const char *name);
#define FAULT_POINT(name)                                                          \
	(unlikely(atomic_load_explicit(&fault_any_armed, memory_order_relaxed)) && \
	 fault_fires(name))
/* Makes the nth (from 1) passing of the point fail, then disarms it; n = 0
 * disarms. name NULL: any point. */
void fault_arm(const char *name, unsigned nth);
/* True when the armed point has fired since fault_arm(). */
bool fault_fired(void);
#else
#define FAULT_POINT(name) (false)
#endif
