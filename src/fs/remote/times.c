/*
 * Times that the backend does not know yet.
 *
 * A guest sees a file change when it writes to it; the backend sees it when the data
 * is written back. So while data waits, the times are ours ("owned"), and when the
 * last of it is written, the backend is told the mtime:
 *
 *	owns_mtime   from a write into the cache, or utimens while data waits, until
 *	             everything is written back and the backend was told
 *	owns_ctime   from a write into the cache until a change of attributes, which
 *	             sets it in the backend too; it cannot be told
 *	owns_atime   from a read from the cache until the descriptor is closed
 */
#include <time.h>

#include "fs/remote/internal.h"

static struct timespec_k now(void)
{
	uint64_t ns = host_clock_ns(CLOCK_REALTIME);

	return (struct timespec_k){ (int64_t)(ns / 1000000000), (uint32_t)(ns % 1000000000) };
}

static struct timespec host_time(struct timespec_k t)
{
	return (struct timespec){ (time_t)t.sec, (long)t.nsec };
}

void times_written(struct rnode *n)
{
	struct timespec_k t = now();

	mutex_lock(&n->attr_lock);
	n->st.mtime = n->st.ctime = t;
	n->owns_mtime = n->owns_ctime = true;
	mutex_unlock(&n->attr_lock);
}

void times_read(struct rnode *n, const struct file *f)
{
	struct timespec_k t = now();

	mutex_lock(&n->attr_lock);
	if (file_updates_atime(f, &n->st.atime, &n->st.mtime, &n->st.ctime, t.sec)) {
		n->st.atime = t;
		n->owns_atime = true;
	}
	mutex_unlock(&n->attr_lock);
}

void times_set(struct rnode *n, const struct setattr *sa)
{
	uint64_t cached, dirty = 0;

	if (rnode_cache(n))
		pagecache_count(rnode_cache(n), &cached, &dirty);
	mutex_lock(&n->attr_lock);
	if (sa->valid & (SETATTR_ATIME | SETATTR_ATIME_NOW))
		n->owns_atime = false;
	if (sa->valid & (SETATTR_MTIME | SETATTR_MTIME_NOW)) {
		n->st.mtime = sa->valid & SETATTR_MTIME_NOW ? now() : sa->mtime;
		n->owns_mtime = dirty > 0;
	}
	mutex_unlock(&n->attr_lock);
}

static void tell(struct rnode *n, const struct timespec times[2])
{
	struct remote_handle *h = handle_peek(n);

	if (!h)
		return;
	(void)!n->remote->ops->utimens(h, times);
	remote_handle_put(h);
	rnode_refresh_later(n);
}

void times_flush(struct rnode *n)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
	bool owned;

	mutex_lock(&n->attr_lock);
	owned = n->owns_mtime;
	n->owns_mtime = false;
	times[1] = host_time(n->st.mtime);
	mutex_unlock(&n->attr_lock);
	if (owned)
		tell(n, times);
}

void times_flush_atime(struct rnode *n)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
	bool owned;

	mutex_lock(&n->attr_lock);
	owned = n->owns_atime;
	n->owns_atime = false;
	times[0] = host_time(n->st.atime);
	mutex_unlock(&n->attr_lock);
	if (owned && !n->remote->readonly)
		tell(n, times);
}

void times_keep_locked(const struct rnode *n, struct kstat *st)
{
	if (n->owns_atime)
		st->atime = n->st.atime;
	if (n->owns_mtime)
		st->mtime = n->st.mtime;
	if (n->owns_ctime)
		st->ctime = n->st.ctime;
}
