/* Ops on names in directories. */
#include <dirent.h>
#include <stdlib.h>

#include "fs/remote/virtiofs/internal.h"

static struct fuse_arg name_arg(const char *name)
{
	return (struct fuse_arg){ name, strlen(name) + 1 };
}

/* A call that answers with an entry: a node that we are told of. */
static int ask_entry(struct remote_handle *dir, struct fuse_call *call, struct fuse_entry_out *e)
{
	int r;

	call->node = object_of(dir)->node;
	call->out = e;
	call->out_size = call->out_min = sizeof(*e);
	r = channel_call(channel_of(dir), call);
	if (r < 0)
		return r;
	if (e->nodeid == 0) /* its way to say that there is none */
		return call->opcode == FUSE_LOOKUP
			       ? -ENOENT
			       : channel_is_wrong(channel_of(dir), "made a file without a number");
	if (e->nodeid == FUSE_ROOT_ID)
		return channel_is_wrong(channel_of(dir), "has its root below itself");
	return 0;
}

static int find(struct remote_handle *dir, const char *name, struct fuse_entry_out *e)
{
	struct fuse_call call = { .opcode = FUSE_LOOKUP, .in = { name_arg(name) } };

	return ask_entry(dir, &call, e);
}

/* What was made is looked up by whoever wants to know it. */
static int make(struct remote_handle *dir, struct fuse_call *call)
{
	struct fuse_entry_out e;
	int r = ask_entry(dir, call, &e);

	if (r == 0)
		node_forget(channel_of(dir), e.nodeid);
	return r;
}

int virtiofs_lookup(struct remote_handle *dir, const char *name, struct statx *stx)
{
	struct fuse_entry_out e;
	int r = find(dir, name, &e);

	if (r < 0)
		return r;
	node_forget(channel_of(dir), e.nodeid);
	return attr_to_statx(channel_of(dir), &e.attr, stx);
}

/* ---- opening ---- */

static int open_node(struct fuse_backend *b, struct fuse_object *o, int flags)
{
	struct fuse_open_in in = { .flags = (uint32_t)flags };
	struct fuse_open_out out;
	struct fuse_call call = { .opcode = o->kind == FUSE_FILE ? FUSE_OPEN : FUSE_OPENDIR,
				  .node = o->node,
				  .in = { { &in, sizeof(in) } },
				  .out = &out,
				  .out_size = sizeof(out),
				  .out_min = sizeof(out) };
	int r = channel_call(b->channel, &call);

	if (r == 0)
		o->fh = out.fh;
	return r;
}

static int create(struct remote_handle *dir, const char *name, int flags, uint32_t mode,
		  struct fuse_object *o)
{
	struct fuse_create_in in = { .flags = (uint32_t)flags, .mode = mode | S_IFREG };
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	struct fuse_call call = { .opcode = FUSE_CREATE,
				  .node = object_of(dir)->node,
				  .in = { { &in, sizeof(in) }, name_arg(name) },
				  .out = &out,
				  .out_size = sizeof(out),
				  .out_min = sizeof(out) };
	int r = channel_call(channel_of(dir), &call);

	if (r < 0)
		return r;
	if (out.entry.nodeid <= FUSE_ROOT_ID)
		return channel_is_wrong(channel_of(dir), "made a file without a number");
	*o = (struct fuse_object){ .kind = FUSE_FILE, .node = out.entry.nodeid, .fh = out.open.fh };
	return 0;
}

static int open_existing(struct remote_handle *dir, const char *name, int flags,
			 struct fuse_object *o)
{
	struct fuse_entry_out e;
	int r = find(dir, name, &e);

	if (r < 0)
		return r;
	*o = (struct fuse_object){ .kind = flags & O_PATH ? FUSE_NODE : FUSE_FILE,
				   .node = e.nodeid };
	if ((flags & O_DIRECTORY) && !S_ISDIR(e.attr.mode))
		r = -ENOTDIR;
	else if (!(flags & O_PATH) && !S_ISREG(e.attr.mode))
		r = -ELOOP;
	else if (!(flags & O_PATH))
		r = open_node(backend_of(dir), o, flags & O_ACCMODE);
	if (r < 0)
		node_forget(channel_of(dir), e.nodeid);
	return r;
}

int virtiofs_open(struct remote_handle *dir, const char *name, int flags, uint32_t mode,
		  struct remote_handle **out)
{
	struct fuse_object o;
	int r;

	if (flags & O_DIRECT) /* its data goes through the page cache */
		return -EINVAL;
	r = flags & O_CREAT ? create(dir, name, flags & (O_ACCMODE | O_EXCL), mode, &o)
			    : open_existing(dir, name, flags, &o);
	return r < 0 ? r : object_create(backend_of(dir), &o, out);
}

int virtiofs_tmpfile(struct remote_handle *dir UNUSED, uint32_t mode UNUSED,
		     struct remote_handle **out UNUSED)
{
	return -EOPNOTSUPP;
}

int virtiofs_open_dir(struct remote_handle *dir, struct remote_handle **out)
{
	struct fuse_object o = { .kind = FUSE_DIRECTORY, .node = object_of(dir)->node };
	int r = open_node(backend_of(dir), &o, O_RDONLY | O_DIRECTORY);

	if (r < 0)
		return r;
	o.holder = remote_handle_get(dir);
	return object_create(backend_of(dir), &o, out);
}

/* ---- listing ---- */

#define LIST_SIZE 4096u

/* As the caller wants it: struct linux_dirent64. */
struct record {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* One foreign entry: how long it is; 0: it cannot be. */
static size_t entry_size(const char *at, size_t left, struct fuse_dirent *d)
{
	size_t size;

	if (left < FUSE_NAME_OFFSET)
		return 0;
	memcpy(d, at, FUSE_NAME_OFFSET);
	if (d->namelen < 1 || d->namelen > 255)
		return 0;
	size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + d->namelen);
	return size <= left ? size : 0;
}

static size_t put_record(char *to, const struct fuse_dirent *d, const char *name)
{
	size_t head = offsetof(struct record, name), size = (head + d->namelen + 8) & ~(size_t)7;
	struct record rec = { d->ino, (int64_t)d->off, (uint16_t)size, (uint8_t)d->type };

	memset(to, 0, size);
	memcpy(to, &rec, head);
	memcpy(to + head, name, d->namelen);
	return size;
}

/* A record here is at most as long as one of the device's. */
static_assert(offsetof(struct record, name) < FUSE_NAME_OFFSET, "a listing fits");

ssize_t virtiofs_readdir(struct remote_handle *h, void *buf, size_t size)
{
	struct fuse_object *o = object_of(h);
	char list[LIST_SIZE];
	struct fuse_read_in in = { .fh = o->fh,
				   .offset = o->offset,
				   .size = (uint32_t)MIN(size, sizeof(list)) };
	struct fuse_call call = { .opcode = FUSE_READDIR,
				  .node = o->node,
				  .in = { { &in, sizeof(in) } },
				  .out = list,
				  .out_size = in.size };
	size_t done = 0;
	int r = channel_call(channel_of(h), &call);

	if (r < 0)
		return r;
	for (size_t at = 0; at < call.got;) {
		struct fuse_dirent d;
		size_t n = entry_size(list + at, call.got - at, &d);

		if (!n || d.off == o->offset)
			return channel_is_wrong(channel_of(h), "lists what cannot be");
		done += put_record((char *)buf + done, &d, list + at + FUSE_NAME_OFFSET);
		o->offset = d.off;
		at += n;
	}
	return (ssize_t)done;
}

ssize_t virtiofs_readlink(struct remote_handle *dir, const char *name, char *buf, size_t size)
{
	char text[4096];
	struct fuse_call call = { .opcode = FUSE_READLINK, .out = text, .out_size = sizeof(text) };
	struct fuse_entry_out e;
	int r = find(dir, name, &e);

	if (r < 0)
		return r;
	call.node = e.nodeid;
	r = S_ISLNK(e.attr.mode) ? channel_call(channel_of(dir), &call) : -EINVAL;
	node_forget(channel_of(dir), e.nodeid);
	if (r < 0)
		return r;
	size = MIN(size, MIN(call.got, sizeof(text)));
	memcpy(buf, text, size);
	return (ssize_t)size;
}

/* ---- changing ---- */

int virtiofs_mkdir(struct remote_handle *dir, const char *name, uint32_t mode)
{
	struct fuse_mkdir_in in = { .mode = mode };
	struct fuse_call call = { .opcode = FUSE_MKDIR,
				  .in = { { &in, sizeof(in) }, name_arg(name) } };

	return make(dir, &call);
}

int virtiofs_mknod(struct remote_handle *dir, const char *name, uint32_t mode)
{
	struct fuse_mknod_in in = { .mode = mode };
	struct fuse_call call = { .opcode = FUSE_MKNOD,
				  .in = { { &in, sizeof(in) }, name_arg(name) } };

	return make(dir, &call);
}

int virtiofs_symlink(const char *target, struct remote_handle *dir, const char *name)
{
	struct fuse_call call = { .opcode = FUSE_SYMLINK,
				  .in = { name_arg(name), name_arg(target) } };

	return make(dir, &call);
}

static int link_node(uint64_t node, struct remote_handle *newdir, const char *newname)
{
	struct fuse_link_in in = { .oldnodeid = node };
	struct fuse_call call = { .opcode = FUSE_LINK,
				  .in = { { &in, sizeof(in) }, name_arg(newname) } };

	return make(newdir, &call);
}

int virtiofs_link(struct remote_handle *olddir, const char *oldname, struct remote_handle *newdir,
		  const char *newname)
{
	struct fuse_entry_out e;
	int r = find(olddir, oldname, &e);

	if (r < 0)
		return r;
	r = link_node(e.nodeid, newdir, newname);
	node_forget(channel_of(olddir), e.nodeid);
	return r;
}

int virtiofs_link_handle(struct remote_handle *h, struct remote_handle *newdir, const char *newname)
{
	return link_node(object_of(h)->node, newdir, newname);
}

/* virtiofsd removes and moves only what somebody knows at that time (else EIO): so it is
 * looked up before, and forgotten after. */
int virtiofs_unlink(struct remote_handle *dir, const char *name, bool is_dir)
{
	struct fuse_call call = { .opcode = is_dir ? FUSE_RMDIR : FUSE_UNLINK,
				  .node = object_of(dir)->node,
				  .in = { name_arg(name) } };
	struct fuse_entry_out e;
	int r = find(dir, name, &e);

	if (r < 0)
		return r;
	r = channel_call(channel_of(dir), &call);
	node_forget(channel_of(dir), e.nodeid);
	return r;
}

int virtiofs_rename(struct remote_handle *olddir, const char *oldname, struct remote_handle *newdir,
		    const char *newname, unsigned flags)
{
	struct fuse_rename2_in in = { .newdir = object_of(newdir)->node, .flags = flags };
	struct fuse_call call = {
		.opcode = FUSE_RENAME2,
		.node = object_of(olddir)->node,
		.in = { { &in, sizeof(in) }, name_arg(oldname), name_arg(newname) }
	};
	struct fuse_entry_out from, to;
	int r = find(olddir, oldname, &from);
	bool has_target;

	if (r < 0)
		return r;
	has_target = find(newdir, newname, &to) == 0;
	r = channel_call(channel_of(olddir), &call);
	node_forget(channel_of(olddir), from.nodeid);
	if (has_target)
		node_forget(channel_of(newdir), to.nodeid);
	return r;
}
