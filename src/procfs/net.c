/* /proc/[pid]/net: sockets, and the one interface, as Linux shows them. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "net/loopback.h"
#include "net/socket.h"
#include "procfs/internal.h"

#define TICKS_NS 10000000u /* of a jiffy as shown: USER_HZ is 100 */
#define STATE_LISTEN 10
#define TCP_WIDTH 149
#define UDP_WIDTH 127

/* ---- tcp, udp ---- */

struct rows {
	struct text *t;
	int family;
	unsigned count;
};

/* An address as Linux prints it: words in the machine's order. */
static void put_name(const struct rows *r, const uint8_t addr[16], uint16_t port)
{
	uint32_t w[4];

	memcpy(w, addr, sizeof(w));
	if (r->family == AF_INET)
		text_add(r->t, " %08X:%04X", w[3], port);
	else
		text_add(r->t, " %08X%08X%08X%08X:%04X", w[0], w[1], w[2], w[3], port);
}

/* The columns that all have. */
static void put_common(struct rows *r, const struct inet_info *in, bool is_tcp)
{
	text_add(r->t, is_tcp ? "%4u:" : "%5u:", r->count++);
	put_name(r, in->local, in->local_port);
	put_name(r, in->remote, in->remote_port);
	text_add(r->t, " %02X %08X:%08X %02X:%08llX %08X %5u %8d %llu %u %016llx",
		 (unsigned)in->state, in->tx, in->rx, in->waits ? 3 : 0,
		 (unsigned long long)(in->wait_ns / TICKS_NS), 0u, in->uid, 0,
		 (unsigned long long)in->ino, in->refs, 0ull);
}

/* Rows of IPv4 have a fixed width. */
static void pad_row(const struct rows *r, size_t start, size_t width)
{
	size_t used = r->t->size - start;

	if (r->family == AF_INET && used < width)
		text_add(r->t, "%*s", (int)(width - used), "");
	text_add(r->t, "\n");
}

static void tcp_row(const struct inet_info *in, void *arg)
{
	struct rows *r = arg;
	size_t start = r->t->size;

	put_common(r, in, true);
	if (!in->waits)
		text_add(r->t, " %u %u %u %u %d", in->state == STATE_LISTEN ? 100 : 20,
			 in->state == STATE_LISTEN ? 0 : 4, in->state == STATE_LISTEN ? 0 : 30, 10,
			 in->state == STATE_LISTEN ? 0 : -1);
	pad_row(r, start, TCP_WIDTH);
}

static void udp_row(const struct inet_info *in, void *arg)
{
	struct rows *r = arg;
	size_t start = r->t->size;

	put_common(r, in, false);
	text_add(r->t, " %u", in->drops);
	pad_row(r, start, UDP_WIDTH);
}

#define COLUMNS " st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
#define NAMES6 "local_address                         remote_address                       "

static void show_tcp(const struct subject *s UNUSED, struct text *t)
{
	struct rows r = { t, AF_INET, 0 };

	text_add(t, "%-*s\n", TCP_WIDTH, "  sl  local_address rem_address  " COLUMNS);
	socket_for_each_inet(AF_INET, IPPROTO_TCP, tcp_row, &r);
}

static void show_tcp6(const struct subject *s UNUSED, struct text *t)
{
	struct rows r = { t, AF_INET6, 0 };

	text_add(t, "  sl  " NAMES6 COLUMNS "\n");
	socket_for_each_inet(AF_INET6, IPPROTO_TCP, tcp_row, &r);
}

static void udp_head4(struct text *t)
{
	text_add(t, "%-*s\n", UDP_WIDTH,
		 "   sl  local_address rem_address  " COLUMNS " ref pointer drops");
}

static void udp_head6(struct text *t)
{
	text_add(t, "  sl  " NAMES6 COLUMNS " ref pointer drops\n");
}

static void udp_rows(struct text *t, int family, int protocol)
{
	struct rows r = { t, family, 0 };

	if (family == AF_INET)
		udp_head4(t);
	else
		udp_head6(t);
	socket_for_each_inet(family, protocol, udp_row, &r);
}

static void show_udp(const struct subject *s UNUSED, struct text *t)
{
	udp_rows(t, AF_INET, IPPROTO_UDP);
}

static void show_udp6(const struct subject *s UNUSED, struct text *t)
{
	udp_rows(t, AF_INET6, IPPROTO_UDP);
}

static void show_udplite(const struct subject *s UNUSED, struct text *t)
{
	udp_rows(t, AF_INET, IPPROTO_UDPLITE);
}

static void show_udplite6(const struct subject *s UNUSED, struct text *t)
{
	udp_rows(t, AF_INET6, IPPROTO_UDPLITE);
}

/* Protocols that there are no sockets of: the head alone. */
static void show_no_udp(const struct subject *s UNUSED, struct text *t)
{
	udp_head4(t);
}

static void show_no_udp6(const struct subject *s UNUSED, struct text *t)
{
	udp_head6(t);
}

static void show_raw(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "  sl  local_address rem_address  " COLUMNS " ref pointer drops\n");
}

/* ---- unix, netlink, packet ---- */

static void unix_row(const struct socket_info *si, void *arg)
{
	struct text *t = arg;

	text_add(t, "%016llx: %08X %08X %08X %04X %02X %5llu", 0ull, si->refs, 0u, si->flags,
		 (unsigned)si->type, si->state, (unsigned long long)si->ino);
	if (si->name[0])
		text_add(t, " %s", si->name);
	text_add(t, "\n");
}

static void show_unix(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	socket_for_each_unix(unix_row, t);
}

static void show_netlink(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    "
		    "Drops    Inode\n");
}

static void show_packet(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n");
}

/* ---- the interface and its routes; nothing is counted ---- */

static void show_dev(const struct subject *s UNUSED, struct text *t)
{
	text_add(
		t,
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
		"drop fifo colls carrier compressed\n"
		"    lo:       0       0    0    0    0     0          0         0        0       0    0"
		"    0    0     0       0          0\n");
}

static void show_route(const struct subject *s UNUSED, struct text *t)
{
	text_add(
		t, "%-127s\n",
		"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
}

#define ZERO32 "00000000000000000000000000000000"
#define ONE32 "00000000000000000000000000000001"
#define REJECT ZERO32 " 00 " ZERO32 " 00 " ZERO32 " ffffffff 00000001 00000000 00200200       lo\n"

static void show_ipv6_route(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, REJECT ONE32 " 80 " ZERO32 " 00 " ZERO32
				 " 00000000 00000002 00000000 80200001       lo\n" REJECT);
}

static void show_if_inet6(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, ONE32 " %02x 80 10 80       lo\n", LOOPBACK_INDEX);
}

static void show_arp(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "IP address       HW type     Flags       HW address            Mask     "
		    "Device\n");
}

static void show_igmp(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"
		    "1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n");
}

static void show_dev_mcast(const struct subject *s UNUSED, struct text *t UNUSED)
{
}

/* ---- counts ---- */

struct census {
	unsigned in_use, waiting;
};

static void count_one(const struct inet_info *in, void *arg)
{
	struct census *c = arg;

	if (in->waits)
		c->waiting++;
	else
		c->in_use++;
}

static void count_unix(const struct socket_info *si UNUSED, void *arg)
{
	++*(unsigned *)arg;
}

static struct census census_of(int family, int protocol)
{
	struct census c = { 0 };

	socket_for_each_inet(family, protocol, count_one, &c);
	return c;
}

static void show_sockstat(const struct subject *s UNUSED, struct text *t)
{
	struct census tcp = census_of(AF_INET, IPPROTO_TCP), udp = census_of(AF_INET, IPPROTO_UDP);
	struct census tcp6 = census_of(AF_INET6, IPPROTO_TCP);
	struct census udp6 = census_of(AF_INET6, IPPROTO_UDP);
	unsigned nr_unix = 0;

	socket_for_each_unix(count_unix, &nr_unix);
	text_add(t, "sockets: used %u\n",
		 nr_unix + tcp.in_use + udp.in_use + tcp6.in_use + udp6.in_use);
	text_add(t, "TCP: inuse %u orphan 0 tw %u alloc %u mem 0\n", tcp.in_use,
		 tcp.waiting + tcp6.waiting, tcp.in_use + tcp6.in_use);
	text_add(t, "UDP: inuse %u mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
		 udp.in_use);
}

static void show_sockstat6(const struct subject *s UNUSED, struct text *t)
{
	text_add(t,
		 "TCP6: inuse %u\nUDP6: inuse %u\nUDPLITE6: inuse 0\nRAW6: inuse 0\n"
		 "FRAG6: inuse 0 memory 0\n",
		 census_of(AF_INET6, IPPROTO_TCP).in_use, census_of(AF_INET6, IPPROTO_UDP).in_use);
}

static void show_snmp(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams "
		    "InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes "
		    "ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates "
		    "OutTransmits\n"
		    "Ip: 2 64 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
		    "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails "
		    "EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n"
		    "Tcp: 1 200 120000 -1 0 0 0 0 0 0 0 0 0 0 0\n"
		    "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors "
		    "InCsumErrors IgnoredMulti MemErrors\n"
		    "Udp: 0 0 0 0 0 0 0 0 0\n");
}

static void show_netstat(const struct subject *s UNUSED, struct text *t)
{
	text_add(t, "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPTimeouts\n"
		    "TcpExt: 0 0 0 0\nIpExt: InOctets OutOctets\nIpExt: 0 0\n");
}

/* ---- the directory ---- */

#define RO (S_IFREG | 0444)

const struct pentry proc_net_entries[] = {
	{ .name = "arp", .mode = RO, .show = show_arp },
	{ .name = "dev", .mode = RO, .show = show_dev },
	{ .name = "dev_mcast", .mode = RO, .show = show_dev_mcast },
	{ .name = "icmp", .mode = RO, .show = show_no_udp },
	{ .name = "icmp6", .mode = RO, .show = show_no_udp6 },
	{ .name = "if_inet6", .mode = RO, .show = show_if_inet6 },
	{ .name = "igmp", .mode = RO, .show = show_igmp },
	{ .name = "ipv6_route", .mode = RO, .show = show_ipv6_route },
	{ .name = "netlink", .mode = RO, .show = show_netlink },
	{ .name = "netstat", .mode = RO, .show = show_netstat },
	{ .name = "packet", .mode = RO, .show = show_packet },
	{ .name = "raw", .mode = RO, .show = show_raw },
	{ .name = "raw6", .mode = RO, .show = show_no_udp6 },
	{ .name = "route", .mode = RO, .show = show_route },
	{ .name = "snmp", .mode = RO, .show = show_snmp },
	{ .name = "sockstat", .mode = RO, .show = show_sockstat },
	{ .name = "sockstat6", .mode = RO, .show = show_sockstat6 },
	{ .name = "tcp", .mode = RO, .show = show_tcp },
	{ .name = "tcp6", .mode = RO, .show = show_tcp6 },
	{ .name = "udp", .mode = RO, .show = show_udp },
	{ .name = "udp6", .mode = RO, .show = show_udp6 },
	{ .name = "udplite", .mode = RO, .show = show_udplite },
	{ .name = "udplite6", .mode = RO, .show = show_udplite6 },
	{ .name = "unix", .mode = RO, .show = show_unix },
	{ .name = NULL },
};
