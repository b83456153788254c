/*
 * Random calls on one file, against an array of bytes, in each mode, with a
 * backend that fails, delays and comes back short.
 *
 * The file is cut into stripes that do not end at pages, and each thread owns every
 * nth: it alone changes those bytes, so it knows what they must be, while its
 * neighbours change the rest of the same pages. What changes all bytes
 * (truncate, moving ranges) is done with the other threads stopped.
 *
 * After a failed write a byte may be the old or the new one: `maybe`, until it is
 * seen. After an fsync that reported success, the backend has what the thread
 * wrote.
 *
 *	NACRE_TEST_SEED=n      another run
 *	NACRE_TEST_OPS=n       longer
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/falloc.h>
#include <unistd.h>

#include "base/hash.h"
#include "host/safecopy.h"
#include "host/thread.h"
#include "pagecache/testlib_backend.h"

#define MODEL_MAX ((uint64_t)384 << 10)
#define STRIPE 1500u
#define THREADS_MAX 4u
#define SPACES 2u
#define OPS_DEFAULT 6000u

/* After a failed write: the old byte, or alt; after two, anything. */
enum doubt { CERTAIN, EITHER, UNKNOWN };

struct world {
	enum pagecache_mode mode;
	struct memfile *mf;
	struct pagecache_set *set;
	struct fake_backend back;
	struct pagecache *pc;
	struct space spaces[SPACES];
	unsigned nspaces, nthreads, ops;
	bool has_trouble;
	struct rwlock all;  /* for writing: alone */
	struct mutex write; /* FILE_WRITE: the owner's */
	uint8_t bytes[MODEL_MAX], alt[MODEL_MAX];
	uint8_t maybe[MODEL_MAX]; /* enum doubt */
	uint64_t size;            /* [all] */
};

struct actor {
	struct world *w;
	unsigned id;
	uint64_t random;
	atomic_uint since; /* errors seen by its descriptor */
	struct pagecache_ra ra;
	uint8_t buf[STRIPE * 2];
	struct host_thread thread;
};

static uint64_t draw(struct actor *a)
{
	a->random += 0x9e3779b97f4a7c15ull;
	return hash_u64(a->random) >> 8;
}

static uint64_t pick(struct actor *a, uint64_t below)
{
	return draw(a) % below;
}

/* ---- the model ---- */

static void model_set(struct world *w, uint64_t pos, const uint8_t *from, uint64_t n)
{
	memcpy(w->bytes + pos, from, n);
	memset(w->maybe + pos, 0, n);
}

/* The write failed: it may have got there. */
static void model_doubt(struct world *w, uint64_t pos, const uint8_t *from, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		w->alt[pos + i] = from[i];
		w->maybe[pos + i] = w->maybe[pos + i] == CERTAIN ? EITHER : UNKNOWN;
	}
}

static void wrong(const struct actor *a, uint64_t pos, uint8_t got, const char *what)
{
	struct world *w = a->w;
	uint8_t there;

	mutex_lock(&w->back.lock);
	there = w->back.bytes[pos];
	mutex_unlock(&w->back.lock);
	panic("%s: byte %#lx is %#x, not %#x (or %#x); the backend has %#x; size %#lx, mode %d",
	      what, (unsigned long)pos, got, w->bytes[pos], w->maybe[pos] ? w->alt[pos] : 0, there,
	      (unsigned long)w->size, w->mode);
}

static bool model_allows(const struct world *w, uint64_t pos, uint8_t got)
{
	return got == w->bytes[pos] || w->maybe[pos] == UNKNOWN ||
	       (w->maybe[pos] == EITHER && got == w->alt[pos]);
}

static void model_check(struct actor *a, uint64_t pos, uint8_t got, const char *what)
{
	struct world *w = a->w;

	if (!model_allows(w, pos, got))
		wrong(a, pos, got, what);
	w->bytes[pos] = got;
	w->maybe[pos] = CERTAIN;
}

/* Some range of the actor's own bytes, not empty; it may lie past the end. */
static void own_range(struct actor *a, uint64_t *pos, uint64_t *n)
{
	uint64_t stripes = MODEL_MAX / STRIPE / a->w->nthreads;
	uint64_t stripe = pick(a, stripes) * a->w->nthreads + a->id;
	uint64_t from = pick(a, STRIPE), to = from + 1 + pick(a, STRIPE - from);

	*pos = stripe * STRIPE + from;
	*n = to - from;
}

/* Errors are expected only in trouble. */
static bool is_trouble(const struct actor *a, ssize_t r)
{
	if (r >= 0)
		return false;
	if (!a->w->has_trouble)
		panic("error %zd without trouble, mode %d", r, a->w->mode);
	return true;
}

/* ---- one actor's calls ---- */

static void do_read(struct actor *a)
{
	unsigned flags = pick(a, 8) == 0 ? PAGECACHE_DIRECT : 0;
	struct world *w = a->w;
	uint64_t pos, n, expect;
	struct uio_seg seg;
	struct uio u;
	ssize_t got;

	own_range(a, &pos, &n);
	uio_init_kernel(&u, &seg, UIO_TO_USER, a->buf, n);
	got = pagecache_read(w->pc, &u, pos, &a->ra, flags);
	if (is_trouble(a, got))
		return;
	expect = pos >= w->size ? 0 : MIN(n, w->size - pos);
	if ((uint64_t)got > expect || ((uint64_t)got < expect && !w->has_trouble))
		panic("read %zd bytes, not %lu", got, (unsigned long)expect);
	for (ssize_t i = 0; i < got; i++)
		model_check(a, pos + (uint64_t)i, a->buf[i], "read");
}

/* After a write the file is at least that large; only alone can it grow. */
static void do_write(struct actor *a)
{
	unsigned flags = pick(a, 8) == 0 ? PAGECACHE_DIRECT : 0;
	struct world *w = a->w;
	uint64_t pos, n;
	struct uio_seg seg;
	struct uio u;
	ssize_t done;

	own_range(a, &pos, &n);
	if (pos >= w->size)
		return;
	n = MIN(n, w->size - pos);
	for (uint64_t i = 0; i < n; i++)
		a->buf[i] = (uint8_t)draw(a);
	uio_init_kernel(&u, &seg, UIO_FROM_USER, a->buf, n);
	mutex_lock(&w->write);
	done = pagecache_write(w->pc, &u, pos, flags, 0);
	mutex_unlock(&w->write);
	(void)is_trouble(a, done);
	done = MAX(done, (ssize_t)0);
	model_set(w, pos, a->buf, (uint64_t)done);
	model_doubt(w, pos + (uint64_t)done, a->buf + done, n - (uint64_t)done);
	if (w->mode == PAGECACHE_EXCLUSIVE && !flags)
		return;
	mutex_lock(&w->back.lock); /* the other modes: it is there now */
	if (memcmp(w->back.bytes + pos, a->buf, (size_t)done) != 0)
		panic("a write of %zd bytes is not in the backend, mode %d", done, w->mode);
	mutex_unlock(&w->back.lock);
}

static void do_load(struct actor *a)
{
	struct world *w = a->w;
	uint64_t pos, n;
	uint8_t v;
	int r;

	if (!w->nspaces)
		return;
	own_range(a, &pos, &n);
	r = space_load(&w->spaces[pick(a, w->nspaces)], pos, &v);
	if (r == -EFAULT && pos >= page_up(w->size))
		return;
	if (!is_trouble(a, r) && pos < w->size)
		model_check(a, pos, v, "load");
}

static void do_store(struct actor *a)
{
	struct world *w = a->w;
	uint8_t v = (uint8_t)draw(a);
	uint64_t pos, n;
	int r;

	if (!w->nspaces)
		return;
	own_range(a, &pos, &n);
	r = space_store(&w->spaces[pick(a, w->nspaces)], pos, v);
	if (r == -EFAULT && pos >= page_up(w->size))
		return;
	if (!is_trouble(a, r) && pos < w->size)
		model_set(w, pos, &v, 1);
}

static void do_fsync(struct actor *a)
{
	struct world *w = a->w;
	int r = pagecache_fsync(w->pc, 0, UINT64_MAX, pick(a, 2)), e;

	e = errseq_check(pagecache_errors(w->pc), &a->since);
	(void)is_trouble(a, r);
	if (r < 0 && r != -ENOMEM && e == 0)
		panic("fsync failed (%d), and its descriptor was not told", r);
	if (r < 0 || e < 0)
		return;
	mutex_lock(&w->back.lock);
	for (uint64_t i = 0; i < MIN(w->size, MODEL_MAX); i++) {
		uint8_t there = w->back.bytes[i];

		if (i / STRIPE % w->nthreads != a->id)
			continue;
		if (!model_allows(w, i, there))
			panic("fsync reported byte %#lx as written: it is %#x, not %#x, mode %d",
			      (unsigned long)i, there, w->bytes[i], w->mode);
	}
	mutex_unlock(&w->back.lock);
}

static void do_punch(struct actor *a)
{
	int modes[] = { FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
	struct world *w = a->w;
	uint64_t pos, n;
	int r;

	own_range(a, &pos, &n);
	if (pos >= w->size)
		return;
	n = MIN(n, w->size - pos);
	mutex_lock(&w->write);
	r = pagecache_fallocate(w->pc, modes[pick(a, 2)], pos, n);
	mutex_unlock(&w->write);
	if (is_trouble(a, r))
		return;
	memset(a->buf, 0, n);
	model_set(w, pos, a->buf, n);
}

static void do_house_keeping(struct actor *a)
{
	struct world *w = a->w;
	uint64_t from = pick(a, MODEL_MAX), to = from + pick(a, MODEL_MAX - from) + 1;

	switch (pick(a, 6)) {
	case 0:
		memfile_evict(w->mf, pick(a, 1 << 20));
		break;
	case 1:
		mutex_lock(&w->write);
		(void)is_trouble(a, pagecache_invalidate(w->pc, from, to));
		mutex_unlock(&w->write);
		break;
	case 2:
		pagecache_will_need(w->pc, from, to);
		break;
	case 3:
		pagecache_wont_need(w->pc, from, to);
		break;
	case 4:
		(void)is_trouble(a, pagecache_flush(w->pc, from, to));
		break;
	default:
		if (w->nthreads == 1)
			pagecache_check(w->pc);
	}
}

/* ---- calls on the whole file, alone ---- */

/* The rest of the file past what the model holds is never looked at. */
static void model_resize(struct world *w, uint64_t size)
{
	if (size < w->size) {
		memset(w->bytes + size, 0, MODEL_MAX - size);
		memset(w->maybe + size, 0, MODEL_MAX - size);
	}
	w->size = size;
}

static void do_resize(struct actor *a)
{
	uint64_t size = pick(a, 3) ? MODEL_MAX - pick(a, 100000) : pick(a, MODEL_MAX);
	struct world *w = a->w;
	int r;

	mutex_lock(&w->write);
	r = pagecache_truncate(w->pc, size);
	mutex_unlock(&w->write);
	if (!is_trouble(a, r))
		model_resize(w, size);
}

static void do_extend(struct actor *a)
{
	struct world *w = a->w;
	uint64_t pos = w->size + (pick(a, 2) ? 0 : pick(a, 9000)), n = 1 + pick(a, STRIPE);
	struct uio_seg seg;
	struct uio u;
	ssize_t done;

	if (pos + n > MODEL_MAX)
		return;
	for (uint64_t i = 0; i < n; i++)
		a->buf[i] = (uint8_t)draw(a);
	uio_init_kernel(&u, &seg, UIO_FROM_USER, a->buf, n);
	mutex_lock(&w->write);
	done = pagecache_write(w->pc, &u, pos, pick(a, 6) ? 0 : PAGECACHE_DIRECT, 0);
	mutex_unlock(&w->write);
	(void)is_trouble(a, done);
	done = MAX(done, (ssize_t)0);
	/* A failed one may have made it longer all the same: so we ask. */
	if (pagecache_size(w->pc, &w->size) < 0) {
		mutex_lock(&w->back.lock);
		w->size = w->back.size;
		mutex_unlock(&w->back.lock);
	}
	if ((done && w->size < pos + (uint64_t)done) || (done == (ssize_t)n && w->size != pos + n))
		panic("a write of %zd up to %#lx leaves size %#lx", done, (unsigned long)(pos + n),
		      (unsigned long)w->size);
	model_set(w, pos, a->buf, (uint64_t)done);
	model_doubt(w, pos + (uint64_t)done, a->buf + done, n - (uint64_t)done);
}

static void do_move(struct actor *a)
{
	struct world *w = a->w;
	uint64_t off = pick(a, MODEL_MAX / PAGE_SIZE) * PAGE_SIZE,
		 len = (1 + pick(a, 4)) * PAGE_SIZE;
	bool inserts = pick(a, 2), fits;
	int r;

	fits = inserts ? off < w->size && w->size + len <= MODEL_MAX : off + len < w->size;
	if (!fits)
		return;
	mutex_lock(&w->write);
	r = pagecache_fallocate(w->pc, inserts ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE,
				off, len);
	mutex_unlock(&w->write);
	if (is_trouble(a, r))
		return;
	if (inserts) {
		uint64_t n = w->size - off;

		memmove(w->bytes + off + len, w->bytes + off, n);
		memmove(w->alt + off + len, w->alt + off, n);
		memmove(w->maybe + off + len, w->maybe + off, n);
		memset(w->bytes + off, 0, len);
		memset(w->maybe + off, 0, len);
		w->size += len;
	} else {
		uint64_t n = w->size - off - len;

		memmove(w->bytes + off, w->bytes + off + len, n);
		memmove(w->alt + off, w->alt + off + len, n);
		memmove(w->maybe + off, w->maybe + off + len, n);
		model_resize(w, w->size - len);
	}
}

/* A failed write past the end may have left bytes in the backend that show when the
 * file grows over them; a mapping, too, may store past the end. Both are undone here
 * as a file system would: by cutting at the size that counts. */
static void do_trim(struct actor *a)
{
	struct world *w = a->w;
	unsigned trouble = atomic_exchange(&w->back.trouble, 0);

	mutex_lock(&w->back.lock);
	if (w->back.size > w->size) {
		memset(w->back.bytes + w->size, 0, w->back.size - w->size);
		w->back.size = w->size;
	}
	mutex_unlock(&w->back.lock);
	memset(w->bytes + w->size, 0, MODEL_MAX - w->size);
	memset(w->maybe + w->size, 0, MODEL_MAX - w->size);
	atomic_store(&w->back.trouble, trouble);
}

static void alone(struct actor *a)
{
	struct world *w = a->w;

	rwlock_write(&w->all);
	switch (pick(a, 4)) {
	case 0:
		do_resize(a);
		break;
	case 1:
		do_move(a);
		break;
	default:
		do_extend(a);
	}
	do_trim(a);
	rwlock_write_unlock(&w->all);
}

/* ---- the run ---- */

static void step(struct actor *a)
{
	static void (*const calls[])(struct actor *) = {
		do_read, do_read,  do_read,  do_write, do_write, do_write, do_load,
		do_load, do_store, do_store, do_store, do_punch, do_fsync, do_house_keeping,
	};

	if (pick(a, 40) == 0) {
		alone(a);
		return;
	}
	rwlock_read(&a->w->all);
	calls[pick(a, ARRAY_SIZE(calls))](a);
	rwlock_read_unlock(&a->w->all);
}

static void actor_main(void *arg)
{
	struct actor *a = arg;

	for (unsigned i = 0; i < a->w->ops; i++)
		step(a);
}

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

static struct world *world_create(enum pagecache_mode mode, unsigned nthreads, unsigned trouble)
{
	static const struct pagecache_limits lim = {
		.background = 100 << 10, .hard = 200 << 10, .age_ns = 2000000, .readahead = 1 << 20
	};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->mode = mode;
	w->nthreads = nthreads;
	w->has_trouble = trouble;
	w->ops = (unsigned)env_number("NACRE_TEST_OPS", OPS_DEFAULT) / nthreads;
	rwlock_init(&w->all, LOCK_NONE);
	mutex_init(&w->write, LOCK_FILE_WRITE);
	block_safecopy = safecopy;
	block_safezero = safecopy_zero;
	safecopy_init();
	assert_int_equal(memfile_create(0, &w->mf), 0);
	assert_int_equal(pagecache_set_create(w->mf, &lim, &w->set), 0);
	fake_init(&w->back);
	w->size = MODEL_MAX / 2;
	w->back.size = w->size;
	for (uint64_t i = 0; i < w->size; i++)
		w->bytes[i] = w->back.bytes[i] = (uint8_t)hash_u64(i);
	assert_int_equal(pagecache_create(w->set, &fake_ops, &w->back, NULL, mode, w->size, &w->pc),
			 0);
	if (mode != PAGECACHE_SHARED)
		w->nspaces = SPACES;
	for (unsigned i = 0; i < w->nspaces; i++)
		assert_int_equal(
			space_map(&w->spaces[i], w->mf, w->pc, MODEL_MAX / PAGE_SIZE, true), 0);
	atomic_store(&w->back.trouble, trouble);
	if (trouble)
		atomic_store(&w->back.delay_ns, nthreads > 1 ? 20000 : 0);
	return w;
}

/* The trouble is over: nothing that was written is lost. */
static void world_finish(struct world *w, struct actor *a)
{
	atomic_store(&w->back.trouble, 0);
	atomic_store(&w->back.delay_ns, 0);
	for (unsigned i = 0; i < w->nspaces; i++)
		space_unmap(&w->spaces[i]);
	pagecache_check(w->pc);
	assert_int_equal(pagecache_set_sync(w->set, NULL), 0);
	for (uint64_t i = 0; i < w->size; i++)
		model_check(a, i, w->back.bytes[i], "at the end");
	while (atomic_load(&w->back.refs))
		usleep(100);
	pagecache_destroy(w->pc);
	pagecache_set_destroy(w->set);
	fake_fini(&w->back);
	memfile_check(w->mf);
	memfile_destroy(w->mf);
	free(w);
}

static void run(enum pagecache_mode mode, unsigned nthreads, unsigned trouble)
{
	static struct actor actors[THREADS_MAX];
	struct world *w = world_create(mode, nthreads, trouble);
	uint64_t seed = env_number("NACRE_TEST_SEED", 1);

	memset(actors, 0, sizeof(actors));
	for (unsigned i = 0; i < nthreads; i++) {
		actors[i].w = w;
		actors[i].id = i;
		actors[i].random = hash_u64(seed * 1000 + i + mode * 10 + trouble);
		atomic_store(&actors[i].since, errseq_sample(pagecache_errors(w->pc)));
	}
	for (unsigned i = 0; i < nthreads; i++)
		assert_int_equal(host_thread_create(&actors[i].thread, "actor", 0, actor_main,
						    &actors[i]),
				 0);
	for (unsigned i = 0; i < nthreads; i++)
		host_thread_join(&actors[i].thread);
	world_finish(w, &actors[0]);
}

#define TROUBLE 40u /* one call in so many fails */

static void exclusive(void **state)
{
	(void)state;
	run(PAGECACHE_EXCLUSIVE, 1, 0);
	run(PAGECACHE_EXCLUSIVE, 4, 0);
}

static void exclusive_with_faults(void **state)
{
	(void)state;
	run(PAGECACHE_EXCLUSIVE, 1, TROUBLE);
	run(PAGECACHE_EXCLUSIVE, 4, TROUBLE);
}

static void writethrough(void **state)
{
	(void)state;
	run(PAGECACHE_WRITETHROUGH, 1, 0);
	run(PAGECACHE_WRITETHROUGH, 4, 0);
}

static void writethrough_with_faults(void **state)
{
	(void)state;
	run(PAGECACHE_WRITETHROUGH, 1, TROUBLE);
	run(PAGECACHE_WRITETHROUGH, 4, TROUBLE);
}

static void shared(void **state)
{
	(void)state;
	run(PAGECACHE_SHARED, 1, 0);
	run(PAGECACHE_SHARED, 4, 0);
}

static void shared_with_faults(void **state)
{
	(void)state;
	run(PAGECACHE_SHARED, 1, TROUBLE);
	run(PAGECACHE_SHARED, 4, TROUBLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exclusive),    cmocka_unit_test(exclusive_with_faults),
		cmocka_unit_test(writethrough), cmocka_unit_test(writethrough_with_faults),
		cmocka_unit_test(shared),       cmocka_unit_test(shared_with_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
