/* /proc/sys/net: the numbers that the sockets of net/ go by. They cannot be changed. */
#include <sys/stat.h>

#include "procfs/internal.h"

#define RO (S_IFREG | 0444)
#define DIR_ (S_IFDIR | 0555)

#define VALUE(fn, value)                                               \
	static void fn(const struct subject *s UNUSED, struct text *t) \
	{                                                              \
		text_add(t, "%s\n", value);                            \
	}

VALUE(show_0, "0")
VALUE(show_1, "1")
VALUE(show_2, "2")
VALUE(show_3, "3")
VALUE(show_5, "5")
VALUE(show_6, "6")
VALUE(show_9, "9")
VALUE(show_10, "10")
VALUE(show_15, "15")
VALUE(show_20, "20")
VALUE(show_60, "60")
VALUE(show_64, "64")
VALUE(show_75, "75")
VALUE(show_300, "300")
VALUE(show_1000, "1000")
VALUE(show_1024, "1024")
VALUE(show_4096, "4096")
VALUE(show_7200, "7200")
VALUE(show_65536, "65536")
VALUE(show_131072, "131072")
VALUE(show_212992, "212992")
VALUE(show_4194304, "4194304")
VALUE(show_none, "")
VALUE(show_port_range, "32768\t60999")
VALUE(show_ping_range, "1\t0")
VALUE(show_rmem, "4096\t131072\t33554432")
VALUE(show_wmem, "4096\t16384\t4194304")
VALUE(show_tcp_mem, "65536\t98304\t131072")
VALUE(show_cubic, "cubic")
VALUE(show_reno_cubic, "reno cubic")
VALUE(show_qdisc, "pfifo_fast")

#define ENTRY(n, fn)                                  \
	{                                             \
		.name = (n), .mode = RO, .show = (fn) \
	}
#define END                  \
	{                    \
		.name = NULL \
	}

static const struct pentry core_entries[] = {
	ENTRY("busy_poll", show_0),
	ENTRY("busy_read", show_0),
	ENTRY("default_qdisc", show_qdisc),
	ENTRY("netdev_max_backlog", show_1000),
	ENTRY("optmem_max", show_131072),
	ENTRY("rmem_default", show_212992),
	ENTRY("rmem_max", show_4194304),
	ENTRY("somaxconn", show_4096),
	ENTRY("wmem_default", show_212992),
	ENTRY("wmem_max", show_4194304),
	END,
};

static const struct pentry conf4_entries[] = {
	ENTRY("accept_redirects", show_1), ENTRY("accept_source_route", show_0),
	ENTRY("arp_ignore", show_0),       ENTRY("forwarding", show_0),
	ENTRY("log_martians", show_0),     ENTRY("route_localnet", show_0),
	ENTRY("rp_filter", show_0),        END,
};

static const struct pentry conf4_dirs[] = {
	{ .name = "all", .mode = DIR_, .children = conf4_entries },
	{ .name = "default", .mode = DIR_, .children = conf4_entries },
	{ .name = "lo", .mode = DIR_, .children = conf4_entries },
	END,
};

static const struct pentry ipv4_entries[] = {
	{ .name = "conf", .mode = DIR_, .children = conf4_dirs },
	ENTRY("icmp_echo_ignore_all", show_0),
	ENTRY("igmp_max_memberships", show_20),
	ENTRY("ip_default_ttl", show_64),
	ENTRY("ip_forward", show_0),
	ENTRY("ip_local_port_range", show_port_range),
	ENTRY("ip_local_reserved_ports", show_none),
	ENTRY("ip_nonlocal_bind", show_0),
	ENTRY("ip_unprivileged_port_start", show_1024),
	ENTRY("ping_group_range", show_ping_range),
	ENTRY("tcp_allowed_congestion_control", show_reno_cubic),
	ENTRY("tcp_available_congestion_control", show_reno_cubic),
	ENTRY("tcp_congestion_control", show_cubic),
	ENTRY("tcp_ecn", show_2),
	ENTRY("tcp_fastopen", show_0),
	ENTRY("tcp_fin_timeout", show_60),
	ENTRY("tcp_keepalive_intvl", show_75),
	ENTRY("tcp_keepalive_probes", show_9),
	ENTRY("tcp_keepalive_time", show_7200),
	ENTRY("tcp_max_orphans", show_65536),
	ENTRY("tcp_max_syn_backlog", show_1024),
	ENTRY("tcp_max_tw_buckets", show_65536),
	ENTRY("tcp_mem", show_tcp_mem),
	ENTRY("tcp_moderate_rcvbuf", show_1),
	ENTRY("tcp_mtu_probing", show_0),
	ENTRY("tcp_no_metrics_save", show_0),
	ENTRY("tcp_orphan_retries", show_0),
	ENTRY("tcp_reordering", show_3),
	ENTRY("tcp_retries1", show_3),
	ENTRY("tcp_retries2", show_15),
	ENTRY("tcp_rmem", show_rmem),
	ENTRY("tcp_sack", show_1),
	ENTRY("tcp_slow_start_after_idle", show_1),
	ENTRY("tcp_syn_retries", show_6),
	ENTRY("tcp_synack_retries", show_5),
	ENTRY("tcp_syncookies", show_1),
	ENTRY("tcp_timestamps", show_1),
	ENTRY("tcp_tw_reuse", show_2),
	ENTRY("tcp_window_scaling", show_1),
	ENTRY("tcp_wmem", show_wmem),
	ENTRY("udp_mem", show_tcp_mem),
	ENTRY("udp_rmem_min", show_4096),
	ENTRY("udp_wmem_min", show_4096),
	END,
};

static const struct pentry conf6_entries[] = {
	ENTRY("accept_ra", show_1),    ENTRY("disable_ipv6", show_0),
	ENTRY("forwarding", show_0),   ENTRY("hop_limit", show_64),
	ENTRY("mtu", show_65536),      ENTRY("router_solicitations", show_0),
	ENTRY("use_tempaddr", show_0), END,
};

static const struct pentry conf6_dirs[] = {
	{ .name = "all", .mode = DIR_, .children = conf6_entries },
	{ .name = "default", .mode = DIR_, .children = conf6_entries },
	{ .name = "lo", .mode = DIR_, .children = conf6_entries },
	END,
};

static const struct pentry ipv6_entries[] = {
	ENTRY("bindv6only", show_0),
	{ .name = "conf", .mode = DIR_, .children = conf6_dirs },
	ENTRY("ip_nonlocal_bind", show_0),
	ENTRY("ip6frag_time", show_60),
	ENTRY("mld_max_msf", show_64),
	ENTRY("xfrm6_gc_thresh", show_300),
	END,
};

static const struct pentry unix_entries[] = {
	ENTRY("max_dgram_qlen", show_10),
	END,
};

const struct pentry sys_net_entries[] = {
	{ .name = "core", .mode = DIR_, .children = core_entries },
	{ .name = "ipv4", .mode = DIR_, .children = ipv4_entries },
	{ .name = "ipv6", .mode = DIR_, .children = ipv6_entries },
	{ .name = "unix", .mode = DIR_, .children = unix_entries },
	END,
};
