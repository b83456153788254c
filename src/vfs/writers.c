/*
 * Programs and their writers: a file that is open for writing cannot be executed,
 * and one that is executed cannot be opened for writing (execve(2), ETXTBSY).
 *
 * inode->writers counts both: above zero the open files that may write, below zero
 * those that run it. A file knows its own share and gives it back as it goes. Files
 * that never had a name (memfd) are not counted, as in Linux.
 */
#include "vfs/internal.h"

/* Adds step unless the count has the other sign. */
static int writers_add(struct inode *inode, int step)
{
	int now = atomic_load_explicit(&inode->writers, memory_order_relaxed);

	do {
		if (step > 0 ? now < 0 : now > 0)
			return -ETXTBSY;
	} while (!atomic_compare_exchange_weak(&inode->writers, &now, now + step));
	return 0;
}

int inode_write_begin(struct inode *inode)
{
	return writers_add(inode, 1);
}

bool inode_is_run(const struct inode *inode)
{
	return atomic_load_explicit(&inode->writers, memory_order_relaxed) < 0;
}

int file_deny_write(struct file *f)
{
	int r = f->denies_write ? 0 : writers_add(f->inode, -1);

	if (r == 0)
		f->denies_write = true;
	return r;
}

void file_writers_end(struct file *f)
{
	if (f->is_writer)
		atomic_fetch_sub(&f->inode->writers, 1);
	if (f->denies_write)
		atomic_fetch_add(&f->inode->writers, 1);
}
