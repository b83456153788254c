/* /proc/[pid]/fdinfo of a ring. */
#pragma once

#include "uring/internal.h"

size_t fdinfo_show(struct ring *r, char *buf, size_t size);
