/* Socket addresses and messages, as strace shows them. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "syscall/strace_internal.h"

#define ADDR_MAX 128

/* struct msghdr of x86-64. */
struct abi_msghdr_view {
	uint64_t name;
	uint32_t namelen, pad0;
	uint64_t iov, iovlen, control, controllen;
	uint32_t flags, pad1;
};

static void print_unix(struct strace_line *l, const uint8_t *bytes, size_t size)
{
	const char *path = (const char *)bytes + 2;
	size_t len = size - 2;

	strace_puts(l, ", sun_path=");
	if (len == 0) {
		strace_puts(l, "\"\"");
	} else if (path[0] == '\0') {
		strace_puts(l, "@");
		strace_quote(l, path + 1, len - 1, false);
	} else {
		strace_quote(l, path, strnlen(path, len), false);
	}
}

static void print_inet(struct strace_line *l, const uint8_t *bytes)
{
	strace_printf(l, ", sin_port=htons(%u), sin_addr=inet_addr(\"%u.%u.%u.%u\")",
		      (unsigned)bytes[2] << 8 | bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]);
}

static void print_inet6(struct strace_line *l, const uint8_t *bytes)
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(AF_INET6, bytes + 8, text, sizeof(text));
	strace_printf(l, ", sin6_port=htons(%u), sin6_addr=\"%s\"",
		      (unsigned)bytes[2] << 8 | bytes[3], text);
}

static void print_addr(struct strace_line *l, struct task *t, gva_t addr, uint64_t size)
{
	uint8_t bytes[ADDR_MAX] = { 0 };
	bool is_flags;
	uint16_t family;

	size = MIN(size, (uint64_t)sizeof(bytes));
	if (!addr || size < 2 || mm_copy_in(t->mm, bytes, addr, size) < 0) {
		strace_pointer(l, addr);
		return;
	}
	memcpy(&family, bytes, sizeof(family));
	strace_puts(l, "{sa_family=");
	strace_value(l, family, strace_kind_names(ARG_FAMILY, &is_flags), "%d");
	if (family == AF_UNIX)
		print_unix(l, bytes, size);
	else if (family == AF_INET && size >= 8)
		print_inet(l, bytes);
	else if (family == AF_INET6 && size >= 24)
		print_inet6(l, bytes);
	strace_puts(l, "}");
}

void strace_sockaddr(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	print_addr(l, c->t, c->args->a[i], (uint32_t)c->args->a[i + 1]);
}

/* The size is behind a pointer. */
void strace_sockaddr_out(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	uint32_t size;

	if (!c->args->a[i + 1] || mm_copy_in(c->t->mm, &size, c->args->a[i + 1], sizeof(size)) < 0)
		size = 0;
	print_addr(l, c->t, c->args->a[i], size);
}

void strace_msghdr(struct strace_line *l, const struct strace_call *c, unsigned i)
{
	struct abi_msghdr_view m;

	if (mm_copy_in(c->t->mm, &m, c->args->a[i], sizeof(m)) < 0) {
		strace_pointer(l, c->args->a[i]);
		return;
	}
	strace_puts(l, "{msg_name=");
	print_addr(l, c->t, m.name, m.namelen);
	strace_printf(l, ", msg_namelen=%u, msg_iov=", m.namelen);
	strace_iovec(l, c->t, m.iov, m.iovlen,
		     c->is_done && c->ret >= 0 ? (uint64_t)c->ret : ~(uint64_t)0);
	strace_printf(l, ", msg_iovlen=%llu, msg_controllen=%llu, msg_flags=",
		      (unsigned long long)m.iovlen, (unsigned long long)m.controllen);
	{
		bool is_flags;

		strace_flags(l, m.flags, strace_kind_names(ARG_MSG_FLAGS, &is_flags));
	}
	strace_puts(l, "}");
}
