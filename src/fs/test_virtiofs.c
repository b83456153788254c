/* The virtiofs backend on a device in this process that answers FUSE, honestly or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fs/remote/virtiofs/internal.h"
#include "host/safecopy.h"
#include "vhost/testlib_device.h"

#define FILE_NODE 7u

/* How the device answers. */
enum lie {
	HONEST,
	ERROR,       /* -ENOENT, as it may */
	UNIQUE,      /* another request's number */
	LENGTH,      /* not what it wrote */
	HALF_HEADER, /* less than a header */
	NOTHING,     /* not even that */
	ERROR_POSITIVE,
	ERROR_HUGE,
	ERROR_LONG, /* an error, and more */
	SHORT,      /* less than the structure */
	NODE_0,
	NODE_ROOT,
	NO_TYPE,
	HUGE_FILE,
	NAME_EMPTY,
	NAME_LONG,
	NAME_CUT,
	STANDS_STILL, /* the same position again */
};

struct fuse_server {
	struct test_device device;
	atomic_uint lie;
	struct fuse_init_out init;
	atomic_uint forgets;
};

static struct fuse_server server;
static struct memfile *mf;
static struct fuse_backend backend;
static struct remote_handle *root;

/* ---- the device's side ---- */

static struct fuse_attr attributes(enum lie lie)
{
	struct fuse_attr a = { .ino = 5, .size = 100, .mode = S_IFREG | 0644, .nlink = 1 };

	if (lie == NO_TYPE)
		a.mode = 0644;
	if (lie == HUGE_FILE)
		a.size = (uint64_t)INT64_MAX + 1;
	return a;
}

static size_t put_dirent(char *to, enum lie lie)
{
	struct fuse_dirent d = { .ino = 5, .off = 1, .namelen = 4, .type = 8 };

	d.namelen = lie == NAME_EMPTY ? 0 : lie == NAME_LONG ? 256 : lie == NAME_CUT ? 200 : 4;
	d.off = lie == STANDS_STILL ? 0 : 1;
	memcpy(to, &d, FUSE_NAME_OFFSET);
	memcpy(to + FUSE_NAME_OFFSET, "name", 4);
	return FUSE_NAME_OFFSET + 8;
}

/* The answer's structure. */
static size_t put_body(char *to, const struct fuse_in_header *h, enum lie lie)
{
	struct fuse_entry_out e = { .nodeid = FILE_NODE, .attr = attributes(lie) };
	struct fuse_attr_out a = { .attr = attributes(lie) };
	struct fuse_open_out o = { .fh = 3 };

	switch (h->opcode) {
	case FUSE_INIT:
		memcpy(to, &server.init, sizeof(server.init));
		return sizeof(server.init);
	case FUSE_LOOKUP:
		e.nodeid = lie == NODE_0 ? 0 : lie == NODE_ROOT ? FUSE_ROOT_ID : FILE_NODE;
		memcpy(to, &e, sizeof(e));
		return sizeof(e);
	case FUSE_GETATTR:
		memcpy(to, &a, sizeof(a));
		return sizeof(a);
	case FUSE_OPENDIR:
		memcpy(to, &o, sizeof(o));
		return sizeof(o);
	case FUSE_READDIR:
		return put_dirent(to, lie);
	default:
		return 0;
	}
}

static int64_t serve(struct test_device *device UNUSED, unsigned queue, struct test_chain *c)
{
	struct fuse_out_header out = { 0 };
	struct fuse_in_header h;
	enum lie lie = (enum lie)server.lie;
	char *at;
	size_t size;

	memcpy(&h, c->in[0].iov_base, sizeof(h));
	if (queue == QUEUE_HIPRIO) {
		atomic_fetch_add(&server.forgets, h.opcode == FUSE_FORGET);
		return 0;
	}
	at = c->out[0].iov_base;
	size = sizeof(out) + put_body(at + sizeof(out), &h, lie);
	if (lie == SHORT)
		size -= 8;
	if (lie == ERROR || lie == ERROR_POSITIVE || lie == ERROR_HUGE)
		size = sizeof(out);
	out.error = lie == ERROR            ? -ENOENT
		    : lie == ERROR_POSITIVE ? 2
		    : lie == ERROR_HUGE     ? -5000
		    : lie == ERROR_LONG     ? -ENOENT
					    : 0;
	out.unique = h.unique + 2 * (lie == UNIQUE);
	out.len = (uint32_t)size + (lie == LENGTH);
	memcpy(at, &out, sizeof(out));
	if (lie == NOTHING)
		return 0;
	return lie == HALF_HEADER ? 8 : (int64_t)size;
}

/* ---- the front end's side ---- */

static int start_server(void)
{
	memset(&server, 0, sizeof(server));
	test_device_init(&server.device);
	server.device.serve = serve;
	server.init = (struct fuse_init_out){ .major = 7, .minor = 36, .max_write = 1 << 20 };
	return test_device_start(&server.device);
}

static int setup_all(void **state UNUSED)
{
	return memfile_create(0, &mf);
}

static int setup(void **state UNUSED)
{
	struct fuse_object o = { .kind = FUSE_NODE, .node = FUSE_ROOT_ID, .is_root = true };

	safecopy_init();
	backend = (struct fuse_backend){ .backend.ops = &virtiofs_ops, .max_write = 1 << 20 };
	assert_int_equal(channel_create(start_server(), "fs.sock", mf, &backend.channel), 0);
	assert_int_equal(object_create(&backend, &o, &root), 0);
	return 0;
}

static int teardown(void **state UNUSED)
{
	remote_handle_put(root);
	channel_destroy(backend.channel);
	test_device_stop(&server.device);
	return 0;
}

static void an_honest_device_is_believed(void **state UNUSED)
{
	struct remote_handle *dir;
	struct statx stx;
	char buf[4096];

	assert_int_equal(virtiofs_lookup(root, "name", &stx), 0);
	assert_int_equal(stx.stx_ino, 5);
	assert_int_equal(stx.stx_size, 100);
	server.lie = ERROR;
	assert_int_equal(virtiofs_lookup(root, "name", &stx), -ENOENT);
	server.lie = NODE_0;
	assert_int_equal(virtiofs_lookup(root, "name", &stx), -ENOENT);
	server.lie = HONEST;
	assert_int_equal(virtiofs_open_dir(root, &dir), 0);
	assert_int_equal(virtiofs_readdir(dir, buf, sizeof(buf)), 24);
	assert_string_equal(buf + 19, "name");
	remote_handle_put(dir);
	/* Each node that we were told of is given back. */
	while (server.forgets < 1)
		;
}

static void every_lie_ends_the_session(void **state UNUSED)
{
	static const enum lie lies[] = { UNIQUE,     LENGTH,     HALF_HEADER, ERROR_POSITIVE,
					 ERROR_HUGE, ERROR_LONG, SHORT,       NODE_ROOT,
					 NO_TYPE,    HUGE_FILE };
	struct statx stx;

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		server.lie = lies[i];
		assert_int_equal(virtiofs_lookup(root, "name", &stx), -EIO);
		server.lie = HONEST;
		assert_int_equal(virtiofs_lookup(root, "name", &stx), -EIO);
		assert_int_equal(teardown(NULL), 0);
		assert_int_equal(setup(NULL), 0);
		assert_int_equal(virtiofs_lookup(root, "name", &stx), 0);
	}
}

static void impossible_listings_end_the_session(void **state UNUSED)
{
	static const enum lie lies[] = { NAME_EMPTY, NAME_LONG, NAME_CUT, STANDS_STILL };
	struct remote_handle *dir;
	char buf[4096];

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		assert_int_equal(virtiofs_open_dir(root, &dir), 0);
		server.lie = lies[i];
		assert_int_equal(virtiofs_readdir(dir, buf, sizeof(buf)), -EIO);
		remote_handle_put(dir);
		assert_int_equal(teardown(NULL), 0);
		assert_int_equal(setup(NULL), 0);
	}
}

static void empty_answers_end_the_session(void **state UNUSED)
{
	struct statx stx;

	server.lie = NOTHING;
	assert_int_equal(virtiofs_lookup(root, "name", &stx), -EIO);
	assert_int_equal(virtiofs_lookup(root, "name", &stx), -EIO);
}

static void what_speaks_no_fuse_is_refused(void **state UNUSED)
{
	static const struct fuse_init_out inits[] = {
		{ .major = 6, .minor = 36, .max_write = 4096 },
		{ .major = 8, .minor = 36, .max_write = 4096 },
		{ .major = 7, .minor = 30, .max_write = 4096 },
		{ .major = 7, .minor = 36, .max_write = 0 },
	};
	struct remote_options opt = { .cache = REMOTE_SHARED };
	struct super *sb;

	for (unsigned i = 0; i < ARRAY_SIZE(inits); i++) {
		int fd;

		assert_int_equal(teardown(NULL), 0);
		fd = start_server();
		server.init = inits[i];
		assert_true(remote_mount_virtiofs(fd, "fs.sock", mf, &opt, &sb) < 0);
		test_device_stop(&server.device);
		assert_int_equal(setup(NULL), 0);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_honest_device_is_believed),        TEST(every_lie_ends_the_session),
		TEST(impossible_listings_end_the_session), TEST(empty_answers_end_the_session),
		TEST(what_speaks_no_fuse_is_refused),
	};
#undef TEST

	return cmocka_run_group_tests(tests, setup_all, NULL);
}
