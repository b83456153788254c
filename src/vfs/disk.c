/* The list of disks: it only grows, and not any more once guests run. */
#include "vfs/disk.h"

#include <string.h>

static struct list disks = LIST_INIT(disks);

void vfs_disk_add(struct disk *d)
{
	list_push_back(&disks, &d->link);
}

struct disk *vfs_disk_next(const struct disk *d)
{
	struct list *next = d ? d->link.next : disks.next;

	return next == &disks ? NULL : list_entry(next, struct disk, link);
}

struct disk *vfs_disk_find(const char *name)
{
	list_for_each(d, &disks, struct disk, link) {
		if (strcmp(d->name, name) == 0)
			return d;
	}
	return NULL;
}
