/* The names of an open directory, see vfs/listing.h. */
#include "vfs/listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/hash.h"

struct listing *listing_create(void)
{
	return FAULT_POINT("vfs.listing") ? NULL : calloc(1, sizeof(struct listing));
}

void listing_free(struct listing *l)
{
	if (!l)
		return;
	free(l->items);
	free(l->names);
	free(l);
}

static bool grow(void *array, size_t *capacity, size_t need, size_t each)
{
	size_t cap = MAX(*capacity ? *capacity * 2 : 64, need);
	void **at = array, *grown;

	if (need <= *capacity)
		return true;
	grown = FAULT_POINT("vfs.listing_grow") ? NULL : realloc(*at, cap * each);
	if (!grown)
		return false;
	*at = grown;
	*capacity = cap;
	return true;
}

int listing_add(struct listing *l, const char *name, size_t len, uint64_t ino, uint8_t type)
{
	if (l->names_size + len + 1 > UINT32_MAX ||
	    !grow(&l->items, &l->capacity, l->count + 1, sizeof(*l->items)) ||
	    !grow(&l->names, &l->names_capacity, l->names_size + len + 1, 1))
		return -ENOMEM;
	l->items[l->count++] = (struct listing_item){
		.ino = ino, .pos = l->next_pos++, .name = (uint32_t)l->names_size, .type = type
	};
	memcpy(l->names + l->names_size, name, len);
	l->names[l->names_size + len] = '\0';
	l->names_size += len + 1;
	return 0;
}

/* ---- positions that stay ---- */

/* Names to items, open addressing; at most half full. */
struct index {
	const struct listing *l;
	uint32_t *slots; /* an item's number and one; 0: free */
	size_t mask;
};

static size_t slot_of(const struct index *ix, const char *name)
{
	size_t at = hash_string(name) & ix->mask;

	while (ix->slots[at] &&
	       strcmp(listing_name(ix->l, &ix->l->items[ix->slots[at] - 1]), name) != 0)
		at = (at + 1) & ix->mask;
	return at;
}

static int index_create(struct index *ix, const struct listing *l)
{
	size_t size = 64;

	while (size < 2 * l->count)
		size *= 2;
	ix->l = l;
	ix->mask = size - 1;
	ix->slots = FAULT_POINT("vfs.listing_index") ? NULL : calloc(size, sizeof(*ix->slots));
	if (!ix->slots)
		return -ENOMEM;
	for (size_t i = 0; i < l->count; i++)
		ix->slots[slot_of(ix, listing_name(l, &l->items[i]))] = (uint32_t)i + 1;
	return 0;
}

/* l's items in a new order: those of old's names first, as they stand in old. kept[i] says
 * which item of l has the name of old's item i, and is 0 or that number and one. */
static void reorder(struct listing *l, const struct listing *old, const uint32_t *kept,
		    struct listing_item *to)
{
	size_t n = 0;

	for (size_t i = 0; i < old->count; i++) {
		struct listing_item *it = kept[i] ? &l->items[kept[i] - 1] : NULL;

		if (!it)
			continue;
		to[n] = *it;
		to[n++].pos = old->items[i].pos;
		it->pos = UINT64_MAX; /* has its place */
	}
	l->next_pos = old->next_pos;
	for (size_t i = 0; i < l->count; i++) {
		if (l->items[i].pos == UINT64_MAX)
			continue;
		to[n] = l->items[i];
		to[n++].pos = l->next_pos++;
	}
	ASSERT(n == l->count);
}

/* A backend may lie and list a name twice: the second is as a new name. */
int listing_keep_positions(struct listing *l, const struct listing *old)
{
	struct listing_item *items = calloc(l->capacity, sizeof(*items));
	uint32_t *kept = calloc(old->count + 1, sizeof(*kept));
	struct index ix = { 0 };
	int r = items && kept ? index_create(&ix, old) : -ENOMEM;

	if (r < 0)
		goto out_free;
	for (size_t i = 0; i < l->count; i++) {
		uint32_t found = ix.slots[slot_of(&ix, listing_name(l, &l->items[i]))];

		if (found && !kept[found - 1])
			kept[found - 1] = (uint32_t)i + 1;
	}
	reorder(l, old, kept, items);
	free(ix.slots);
	free(l->items);
	l->items = items;
	items = NULL;
out_free:
	free(items);
	free(kept);
	return r;
}

/* ---- reading ---- */

static size_t first_from(const struct listing *l, uint64_t pos)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->items[middle].pos < pos)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void listing_emit(const struct listing *l, struct file *f, dirent_fn emit, void *arg)
{
	for (size_t i = first_from(l, f->pos); i < l->count; i++) {
		const struct listing_item *it = &l->items[i];
		const char *name = listing_name(l, it);

		if (!emit(arg, name, strlen(name), it->ino, it->type, it->pos + 1))
			break;
		f->pos = it->pos + 1;
	}
}
