/* /proc/net: sockets are found there by their port, with their state, queue and inode. */
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "inet.h"

struct row {
	unsigned long local, remote, state, tx, rx, ino;
	unsigned local_port, remote_port;
};

/* The row of the file whose local port, and remote port unless 0, are those. */
static int find(const char *file, int local, int remote, struct row *r)
{
	char line[512], addr[2][64];
	FILE *f = fopen(file, "r");

	CHECK(f);
	CHECK(fgets(line, sizeof(line), f));
	while (fgets(line, sizeof(line), f)) {
		CHECK_EQ(
			sscanf(line,
			       " %*u: %63[0-9A-F]:%x %63[0-9A-F]:%x %lx %lx:%lx %*x:%*x %*x %*u %*u %lu",
			       addr[0], &r->local_port, addr[1], &r->remote_port, &r->state, &r->tx,
			       &r->rx, &r->ino),
			8);
		r->local = strtoul(addr[0] + strlen(addr[0]) - 8, NULL, 16);
		if (r->local_port == (unsigned)local &&
		    (!remote || r->remote_port == (unsigned)remote)) {
			fclose(f);
			return 1;
		}
	}
	fclose(f);
	return 0;
}

static unsigned long ino_of(int s)
{
	struct stat st;

	CHECK_EQ(fstat(s, &st), 0);
	CHECK(S_ISSOCK(st.st_mode));
	return st.st_ino;
}

static void tcp(void)
{
	int l = listener4(4), p[2], port = port_of(l);
	struct row r;

	CHECK(find("/proc/net/tcp", port, 0, &r));
	CHECK_EQ(r.state, TCP_LISTEN);
	CHECK_EQ(r.local, htonl(INADDR_LOOPBACK));
	CHECK_EQ(r.ino, ino_of(l));
	p[0] = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_EQ(connect4(p[0], "127.0.0.1", port), 0);
	p[1] = accept(l, NULL, NULL);
	CHECK_EQ(send(p[0], "12345", 5, 0), 5);
	CHECK(find("/proc/self/net/tcp", port, port_of(p[0]), &r));
	CHECK_EQ(r.state, TCP_ESTABLISHED);
	CHECK_EQ(r.rx, 5);
	CHECK_EQ(r.ino, ino_of(p[1]));
	port = port_of(p[0]);
	close(p[0]);
	close(p[1]);
	close(l);
	/* A socket that is only bound is not there. */
	l = inet_sock(AF_INET6, SOCK_STREAM);
	CHECK_EQ(bind6(l, "::1", 0), 0);
	CHECK(!find("/proc/net/tcp6", port_of(l), 0, &r));
	CHECK_EQ(listen(l, 1), 0);
	CHECK(find("/proc/net/tcp6", port_of(l), 0, &r));
	close(l);
}

static void udp(void)
{
	int s = inet_sock(AF_INET, SOCK_DGRAM);
	struct row r;

	CHECK_EQ(bind4(s, "127.0.0.1", 0), 0);
	CHECK(find("/proc/net/udp", port_of(s), 0, &r));
	CHECK_EQ(r.state, TCP_CLOSE);
	CHECK_EQ(r.ino, ino_of(s));
	CHECK_EQ(connect4(s, "127.0.0.1", 9), 0);
	CHECK(find("/proc/net/udp", port_of(s), 9, &r));
	CHECK_EQ(r.state, TCP_ESTABLISHED);
	close(s);
}

static void local(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "\0nacre-proc-net" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), found = 0;
	char line[512];
	FILE *f;

	CHECK_EQ(bind(s, (struct sockaddr *)&un, 2 + 15), 0);
	CHECK_EQ(listen(s, 1), 0);
	f = fopen("/proc/net/unix", "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned flags, type, state;
		unsigned long ino;
		char name[256] = "";

		if (sscanf(line, "%*x: %*x %*x %x %x %x %lu %255s", &flags, &type, &state, &ino,
			   name) < 4)
			continue;
		if (strcmp(name, "@nacre-proc-net") == 0) {
			CHECK_EQ(flags, 0x10000);
			CHECK_EQ(type, SOCK_STREAM);
			CHECK_EQ(ino, ino_of(s));
			found = 1;
		}
	}
	CHECK(found);
	fclose(f);
	close(s);
}

static void contains(const char *file, const char *text)
{
	char buf[65536];
	FILE *f = fopen(file, "r");
	size_t n;

	CHECK(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	CHECK(strstr(buf, text));
	fclose(f);
}

int main(void)
{
	tcp();
	udp();
	local();
	contains("/proc/net/dev", "    lo:");
	contains("/proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n");
	contains("/proc/net/route", "Iface\tDestination");
	contains("/proc/net/sockstat", "TCP: inuse ");
	contains("/proc/net/sockstat6", "UDP6: inuse ");
	contains("/proc/sys/net/core/somaxconn", "4096\n");
	contains("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
	contains("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n");
	return 0;
}
