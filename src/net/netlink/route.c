/*
 * NETLINK_ROUTE (rtnetlink(7)): what Linux answers where there is nothing but lo.
 * Everything is asked for; nothing can be changed, but that lo, which is up, may be
 * set up.
 */
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "abi/errno.h"
#include "net/inet/name.h"
#include "net/netlink/netlink.h"

#define RTCF_LOCAL_FLAG 0x80000000u
#define FOREVER UINT32_MAX
#define GSO_MAX_SEGS 65535u
#define PRIORITY_MAIN 32766u
#define PRIORITY_DEFAULT 32767u

#ifndef IFA_PROTO
#define IFA_PROTO 11
#endif
#define IFAPROT_LO 1 /* IFAPROT_KERNEL_LO */

/* The fixed part of a request, zeros for what it does not have. */
static void head_of(const struct netlink_request *rq, void *head, size_t size)
{
	memset(head, 0, size);
	memcpy(head, rq->payload, MIN(rq->size, size));
}

static bool is_dump(const struct netlink_request *rq)
{
	return (rq->h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
}

static uint8_t family_of(const struct netlink_request *rq)
{
	return rq->size ? *(const uint8_t *)rq->payload : AF_UNSPEC;
}

/* ---- links ---- */

static void add_link(struct netlink_answer *a)
{
	static const uint8_t no_address[6];
	const struct ifinfomsg head = {
		.ifi_family = AF_UNSPEC,
		.ifi_type = ARPHRD_LOOPBACK,
		.ifi_index = LOOPBACK_INDEX,
		.ifi_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP,
	};
	const struct rtnl_link_ifmap map = { 0 };
	const struct rtnl_link_stats64 stats64 = { 0 };
	const struct rtnl_link_stats stats = { 0 };

	netlink_message(a, RTM_NEWLINK, &head, sizeof(head));
	netlink_attr_string(a, IFLA_IFNAME, "lo");
	netlink_attr_u32(a, IFLA_TXQLEN, LOOPBACK_TXQLEN);
	netlink_attr_u8(a, IFLA_OPERSTATE, 0);
	netlink_attr_u8(a, IFLA_LINKMODE, 0);
	netlink_attr_u32(a, IFLA_MTU, LOOPBACK_MTU);
	netlink_attr_u32(a, IFLA_MIN_MTU, 0);
	netlink_attr_u32(a, IFLA_MAX_MTU, 0);
	netlink_attr_u32(a, IFLA_GROUP, 0);
	netlink_attr_u32(a, IFLA_PROMISCUITY, 0);
	netlink_attr_u32(a, IFLA_NUM_TX_QUEUES, 1);
	netlink_attr_u32(a, IFLA_GSO_MAX_SEGS, GSO_MAX_SEGS);
	netlink_attr_u32(a, IFLA_GSO_MAX_SIZE, LOOPBACK_MTU);
	netlink_attr_u32(a, IFLA_NUM_RX_QUEUES, 1);
	netlink_attr_u8(a, IFLA_CARRIER, 1);
	netlink_attr_string(a, IFLA_QDISC, "noqueue");
	netlink_attr_u32(a, IFLA_CARRIER_CHANGES, 0);
	netlink_attr_u8(a, IFLA_PROTO_DOWN, 0);
	netlink_attr(a, IFLA_MAP, &map, sizeof(map));
	netlink_attr(a, IFLA_ADDRESS, no_address, sizeof(no_address));
	netlink_attr(a, IFLA_BROADCAST, no_address, sizeof(no_address));
	netlink_attr(a, IFLA_STATS64, &stats64, sizeof(stats64));
	netlink_attr(a, IFLA_STATS, &stats, sizeof(stats));
}

/* What IPv6 tells of a link, to those who ask it alone. */
static void add_link6(struct netlink_answer *a)
{
	static const uint8_t no_address[6];
	const struct ifinfomsg head = {
		.ifi_family = AF_INET6,
		.ifi_type = ARPHRD_LOOPBACK,
		.ifi_index = LOOPBACK_INDEX,
		.ifi_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP,
	};

	netlink_message(a, RTM_NEWLINK, &head, sizeof(head));
	netlink_attr_string(a, IFLA_IFNAME, "lo");
	netlink_attr(a, IFLA_ADDRESS, no_address, sizeof(no_address));
	netlink_attr_u32(a, IFLA_MTU, LOOPBACK_MTU);
	netlink_attr_u8(a, IFLA_OPERSTATE, 0);
}

/* Does the request name lo, by number or name? */
static bool names_lo(const struct netlink_request *rq)
{
	struct ifinfomsg head;
	const char *name;
	size_t size;

	head_of(rq, &head, sizeof(head));
	if (head.ifi_index)
		return head.ifi_index == LOOPBACK_INDEX;
	name = netlink_find(rq, sizeof(head), IFLA_IFNAME, &size);
	return name && size >= 2 && memcmp(name, "lo", 2) == 0 && (size == 2 || !name[2]);
}

static int get_link(const struct netlink_request *rq, struct netlink_answer *a)
{
	if (!is_dump(rq)) {
		if (rq->size < sizeof(struct ifinfomsg))
			return -EINVAL;
		if (!names_lo(rq))
			return -ENODEV;
	}
	if (is_dump(rq) && family_of(rq) == AF_INET6)
		add_link6(a);
	else
		add_link(a);
	return 0;
}

static int set_link(const struct netlink_request *rq)
{
	struct ifinfomsg head;

	head_of(rq, &head, sizeof(head));
	if (!names_lo(rq))
		return -EPERM;
	return head.ifi_flags & IFF_UP ? 0 : -EPERM;
}

/* ---- addresses ---- */

static void add_address(struct netlink_answer *a, uint8_t family)
{
	bool v4 = family == AF_INET;
	const struct inet_name *n = v4 ? &name_loopback4 : &name_loopback6;
	const struct ifa_cacheinfo forever = { .ifa_prefered = FOREVER, .ifa_valid = FOREVER };
	const void *addr = v4 ? n->addr + 12 : n->addr;
	size_t size = v4 ? 4 : 16;
	const struct ifaddrmsg head = { .ifa_family = family,
					.ifa_prefixlen = v4 ? 8 : 128,
					.ifa_flags = IFA_F_PERMANENT,
					.ifa_scope = RT_SCOPE_HOST,
					.ifa_index = LOOPBACK_INDEX };

	netlink_message(a, RTM_NEWADDR, &head, sizeof(head));
	netlink_attr(a, IFA_ADDRESS, addr, size);
	if (v4) {
		netlink_attr(a, IFA_LOCAL, addr, size);
		netlink_attr_string(a, IFA_LABEL, "lo");
	} else {
		netlink_attr_u8(a, IFA_PROTO, IFAPROT_LO);
	}
	netlink_attr_u32(a, IFA_FLAGS, IFA_F_PERMANENT);
	netlink_attr(a, IFA_CACHEINFO, &forever, sizeof(forever));
}

static int get_address(const struct netlink_request *rq, struct netlink_answer *a)
{
	struct ifaddrmsg head;

	if (!is_dump(rq))
		return -EOPNOTSUPP;
	head_of(rq, &head, sizeof(head));
	if (rq->is_strict && head.ifa_index) {
		if (head.ifa_index != LOOPBACK_INDEX)
			return -ENODEV;
		a->flags |= NLM_F_DUMP_FILTERED;
	}
	if (head.ifa_family != AF_INET6)
		add_address(a, AF_INET);
	if (head.ifa_family != AF_INET)
		add_address(a, AF_INET6);
	return 0;
}

/* ---- routes: all are in the table of what is local ---- */

struct route {
	uint8_t type, scope, prefix;
	uint32_t dst; /* host order */
};

static const struct route routes4[] = {
	{ RTN_LOCAL, RT_SCOPE_HOST, 8, 0x7f000000 },
	{ RTN_LOCAL, RT_SCOPE_HOST, 32, INADDR_LOOPBACK },
	{ RTN_BROADCAST, RT_SCOPE_LINK, 32, 0x7fffffff },
};

static struct rtmsg route_head(uint8_t family, uint8_t prefix, uint8_t type, uint8_t scope)
{
	return (struct rtmsg){ .rtm_family = family,
			       .rtm_dst_len = prefix,
			       .rtm_table = RT_TABLE_LOCAL,
			       .rtm_protocol = RTPROT_KERNEL,
			       .rtm_scope = scope,
			       .rtm_type = type };
}

static void add_route4(struct netlink_answer *a, const struct route *r)
{
	struct rtmsg head = route_head(AF_INET, r->prefix, r->type, r->scope);

	netlink_message(a, RTM_NEWROUTE, &head, sizeof(head));
	netlink_attr_u32(a, RTA_TABLE, RT_TABLE_LOCAL);
	netlink_attr_u32(a, RTA_DST, htonl(r->dst));
	netlink_attr_u32(a, RTA_PREFSRC, htonl(INADDR_LOOPBACK));
	netlink_attr_u32(a, RTA_OIF, LOOPBACK_INDEX);
}

static void add_route6(struct netlink_answer *a)
{
	const struct rta_cacheinfo cache = { 0 };
	struct rtmsg head = route_head(AF_INET6, 128, RTN_LOCAL, RT_SCOPE_UNIVERSE);

	netlink_message(a, RTM_NEWROUTE, &head, sizeof(head));
	netlink_attr_u32(a, RTA_TABLE, RT_TABLE_LOCAL);
	netlink_attr(a, RTA_DST, name_loopback6.addr, sizeof(name_loopback6.addr));
	netlink_attr_u32(a, RTA_PRIORITY, 0);
	netlink_attr_u32(a, RTA_OIF, LOOPBACK_INDEX);
	netlink_attr(a, RTA_CACHEINFO, &cache, sizeof(cache));
	netlink_attr_u8(a, RTA_PREF, 0);
}

/* With strict checks a dump may be of one table. */
static bool wants_local_table(const struct netlink_request *rq, struct netlink_answer *a)
{
	struct rtmsg head;
	uint32_t table;
	const void *attr;
	size_t size;

	if (!rq->is_strict)
		return true;
	head_of(rq, &head, sizeof(head));
	table = head.rtm_table;
	attr = netlink_find(rq, sizeof(head), RTA_TABLE, &size);
	if (attr && size >= sizeof(table))
		memcpy(&table, attr, sizeof(table));
	if (!table)
		return true;
	a->flags |= NLM_F_DUMP_FILTERED;
	return table == RT_TABLE_LOCAL;
}

static int dump_routes(const struct netlink_request *rq, struct netlink_answer *a)
{
	uint8_t family = family_of(rq);

	if (!wants_local_table(rq, a))
		return 0;
	if (family == AF_UNSPEC || family == AF_INET) {
		for (unsigned i = 0; i < ARRAY_SIZE(routes4); i++)
			add_route4(a, &routes4[i]);
	}
	if (family == AF_UNSPEC || family == AF_INET6)
		add_route6(a);
	return 0;
}

/* The address that a request for one route is about; the wildcard when it has none. */
static int route_destination(const struct netlink_request *rq, uint8_t family,
			     struct inet_name *out)
{
	size_t size, want = family == AF_INET ? 4 : 16;
	const void *dst = netlink_find(rq, sizeof(struct rtmsg), RTA_DST, &size);

	*out = family == AF_INET ? name_any4 : name_any6;
	if (!dst)
		return 0;
	if (size < want)
		return -EINVAL;
	memcpy(out->addr + 16 - want, dst, want);
	return 0;
}

static void add_way4(struct netlink_answer *a, const struct inet_name *dst, uint32_t uid)
{
	const struct rta_cacheinfo cache = { 0 };
	struct rtmsg head = route_head(AF_INET, 32, RTN_LOCAL, RT_SCOPE_UNIVERSE);

	head.rtm_table = RT_TABLE_MAIN;
	head.rtm_protocol = RTPROT_UNSPEC;
	head.rtm_flags = RTM_F_CLONED | RTCF_LOCAL_FLAG;
	netlink_message(a, RTM_NEWROUTE, &head, sizeof(head));
	netlink_attr_u32(a, RTA_TABLE, RT_TABLE_MAIN);
	netlink_attr_u32(a, RTA_DST, name_v4(dst));
	netlink_attr_u32(a, RTA_OIF, LOOPBACK_INDEX);
	netlink_attr_u32(a, RTA_PREFSRC, htonl(INADDR_LOOPBACK));
	netlink_attr_u32(a, RTA_UID, uid);
	netlink_attr(a, RTA_CACHEINFO, &cache, sizeof(cache));
}

static void add_way6(struct netlink_answer *a, const struct inet_name *dst)
{
	const struct rta_cacheinfo cache = { 0 };
	struct rtmsg head = route_head(AF_INET6, 128, RTN_LOCAL, RT_SCOPE_UNIVERSE);

	head.rtm_src_len = 128;
	netlink_message(a, RTM_NEWROUTE, &head, sizeof(head));
	netlink_attr_u32(a, RTA_TABLE, RT_TABLE_LOCAL);
	netlink_attr(a, RTA_DST, dst->addr, sizeof(dst->addr));
	netlink_attr(a, RTA_SRC, name_any6.addr, sizeof(name_any6.addr));
	netlink_attr(a, RTA_PREFSRC, name_loopback6.addr, sizeof(name_loopback6.addr));
	netlink_attr_u32(a, RTA_PRIORITY, 0);
	netlink_attr_u32(a, RTA_OIF, LOOPBACK_INDEX);
	netlink_attr(a, RTA_CACHEINFO, &cache, sizeof(cache));
	netlink_attr_u8(a, RTA_PREF, 0);
}

/* RTM_GETROUTE of one address: how it would be reached. */
static int get_one_route(const struct netlink_request *rq, struct netlink_answer *a)
{
	uint8_t family = family_of(rq);
	struct inet_name dst;
	int r;

	if (rq->size < sizeof(struct rtmsg))
		return -EINVAL;
	if (family != AF_INET && family != AF_INET6)
		return -EOPNOTSUPP;
	r = route_destination(rq, family, &dst);
	if (r < 0)
		return r;
	if (name_is_any(&dst))
		dst = *name_loopback_for(&dst);
	if (name_route(&dst) != ROUTE_LOCAL)
		return -ENETUNREACH;
	if (family == AF_INET)
		add_way4(a, &dst, rq->ctx->cred->fsuid);
	else
		add_way6(a, &dst);
	return 0;
}

static int get_route(const struct netlink_request *rq, struct netlink_answer *a)
{
	return is_dump(rq) ? dump_routes(rq, a) : get_one_route(rq, a);
}

/* ---- rules ---- */

static void add_rule(struct netlink_answer *a, uint8_t family, uint32_t priority, uint8_t table)
{
	const struct fib_rule_hdr head = { .family = family,
					   .table = table,
					   .action = FR_ACT_TO_TBL };

	netlink_message(a, RTM_NEWRULE, &head, sizeof(head));
	netlink_attr_u32(a, FRA_TABLE, table);
	netlink_attr_u32(a, FRA_SUPPRESS_PREFIXLEN, UINT32_MAX);
	netlink_attr_u8(a, FRA_PROTOCOL, RTPROT_KERNEL);
	if (priority)
		netlink_attr_u32(a, FRA_PRIORITY, priority);
}

static int get_rule(const struct netlink_request *rq, struct netlink_answer *a)
{
	uint8_t family = family_of(rq);

	if (!is_dump(rq))
		return -EOPNOTSUPP;
	if (family == AF_UNSPEC || family == AF_INET) {
		add_rule(a, AF_INET, 0, RT_TABLE_LOCAL);
		add_rule(a, AF_INET, PRIORITY_MAIN, RT_TABLE_MAIN);
		add_rule(a, AF_INET, PRIORITY_DEFAULT, RT_TABLE_DEFAULT);
	}
	if (family == AF_UNSPEC || family == AF_INET6) {
		add_rule(a, AF_INET6, 0, RT_TABLE_LOCAL);
		add_rule(a, AF_INET6, PRIORITY_MAIN, RT_TABLE_MAIN);
	}
	return 0;
}

/* ---- dispatch ---- */

int route_request(const struct netlink_request *rq, struct netlink_answer *a)
{
	if (rq->size < sizeof(struct rtgenmsg))
		return 0; /* as Linux */
	if (!cred_has_cap(rq->ctx->cred, CAP_NET_ADMIN) &&
	    (rq->h->nlmsg_type - RTM_BASE) % 4 != 2) /* all but RTM_GET... */
		return -EPERM;
	switch (rq->h->nlmsg_type) {
	case RTM_GETLINK:
		return get_link(rq, a);
	case RTM_GETADDR:
		return get_address(rq, a);
	case RTM_GETROUTE:
		return get_route(rq, a);
	case RTM_GETRULE:
		return get_rule(rq, a);
	case RTM_GETNEIGH:
	case RTM_GETQDISC:
	case RTM_GETTCLASS:
	case RTM_GETTFILTER:
		return is_dump(rq) ? 0 : -ENOENT;
	case RTM_NEWLINK:
	case RTM_SETLINK:
		return set_link(rq);
	case RTM_DELLINK:
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
		return -EPERM;
	default:
		return -EOPNOTSUPP;
	}
}
