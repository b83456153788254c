/*
 * The names of an open directory, for file systems that read them whole.
 *
 * Each has a position, which it keeps when the list is made again (at a rewind): a
 * position that telldir(3) gave stays true across seekdir(3) to the start, whatever came
 * and went. Names that are new then come last.
 */
#pragma once

#include "vfs/vfs.h"

struct listing_item {
	uint64_t ino, pos;
	uint32_t name; /* offset into names */
	uint8_t type;
};

struct listing {
	struct listing_item *items; /* by rising pos */
	size_t count, capacity;
	char *names; /* each with its NUL */
	size_t names_size, names_capacity;
	uint64_t next_pos;
};

/* NULL: no memory. */
struct listing *listing_create(void);
/* Harmless on NULL. */
void listing_free(struct listing *l);
/* At the end. -ENOMEM. */
int listing_add(struct listing *l, const char *name, size_t len, uint64_t ino, uint8_t type)
	MUST_CHECK;
/* Gives names of l that are in old their positions there, and the others positions behind
 * all of old. -ENOMEM: l is of no use. */
int listing_keep_positions(struct listing *l, const struct listing *old) MUST_CHECK;
/* Emits from f->pos on, as file_ops.readdir. */
void listing_emit(const struct listing *l, struct file *f, dirent_fn emit, void *arg);

static inline const char *listing_name(const struct listing *l, const struct listing_item *it)
{
	return l->names + it->name;
}
