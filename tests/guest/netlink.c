/* AF_NETLINK: names, errors, acknowledgements; the links and addresses that
 * getifaddrs(3) and if_nameindex(3) find, and the ioctls about interfaces. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "check.h"

static int open_route(void)
{
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	CHECK(s >= 0);
	return s;
}

static void names(void)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK }, got;
	int a = open_route(), b = open_route();
	socklen_t size = sizeof(got);

	CHECK_ERR(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE), ESOCKTNOSUPPORT);
	CHECK_ERR(socket(AF_NETLINK, SOCK_RAW, 200), EPROTONOSUPPORT);
	CHECK_EQ(getsockname(a, (struct sockaddr *)&got, &size), 0);
	CHECK_EQ(size, sizeof(got));
	CHECK_EQ(got.nl_pid, 0);
	CHECK_ERR(bind(a, (struct sockaddr *)&nl, sizeof(nl) - 1), EINVAL);
	CHECK_EQ(bind(a, (struct sockaddr *)&nl, sizeof(nl)), 0);
	CHECK_EQ(bind(b, (struct sockaddr *)&nl, sizeof(nl)), 0);
	CHECK_EQ(getsockname(a, (struct sockaddr *)&got, &size), 0);
	CHECK_EQ(got.nl_pid, getpid());
	nl.nl_pid = got.nl_pid;
	CHECK_EQ(getsockname(b, (struct sockaddr *)&got, &size), 0);
	CHECK(got.nl_pid != nl.nl_pid && got.nl_pid != 0);
	CHECK_EQ(bind(a, (struct sockaddr *)&nl, sizeof(nl)), 0);
	CHECK_ERR(bind(b, (struct sockaddr *)&nl, sizeof(nl)), EINVAL);
	nl.nl_family = AF_INET;
	CHECK_ERR(bind(a, (struct sockaddr *)&nl, sizeof(nl)), EINVAL);
	close(a);
	close(b);
}

struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
	};
	char room[64];
};

static ssize_t ask(int s, struct request *rq, int type, int flags, size_t size)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	rq->h = (struct nlmsghdr){ .nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
				   .nlmsg_type = (uint16_t)type,
				   .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
				   .nlmsg_seq = 77 };
	return sendto(s, rq, rq->h.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel));
}

static union {
	struct nlmsghdr h;
	char bytes[65536];
} answer;

/* The acknowledgement's errno. */
static int acknowledged(int s)
{
	const struct nlmsgerr *e = NLMSG_DATA(&answer.h);

	CHECK(recv(s, &answer, sizeof(answer), 0) >= (ssize_t)NLMSG_LENGTH(sizeof(*e)));
	CHECK_EQ(answer.h.nlmsg_type, NLMSG_ERROR);
	CHECK_EQ(answer.h.nlmsg_seq, 77);
	return -e->error;
}

static void errors(void)
{
	int s = open_route();
	struct request rq = { 0 };
	struct pollfd p = { .fd = s, .events = POLLIN | POLLOUT };

	CHECK_ERR(recv(s, &answer, 10, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(ask(s, &rq, 0x7f0, 0, sizeof(rq.link)), NLMSG_LENGTH(sizeof(rq.link)));
	CHECK_EQ(poll(&p, 1, 60000), 1);
	CHECK_EQ(p.revents, POLLIN | POLLOUT);
	CHECK_EQ(acknowledged(s), EOPNOTSUPP);
	rq.link.ifi_index = 0x7fff;
	ask(s, &rq, RTM_GETLINK, 0, sizeof(rq.link));
	CHECK_EQ(acknowledged(s), ENODEV);
	/* Of a request that is shorter than it says nothing is taken. */
	rq.h.nlmsg_len = 200;
	CHECK_EQ(send(s, &rq, 32, 0), 32);
	CHECK_ERR(recv(s, &answer, 10, MSG_DONTWAIT), EAGAIN);
	ask(s, &rq, NLMSG_NOOP, NLM_F_ACK, 0);
	CHECK_EQ(acknowledged(s), 0);
	close(s);
}

static void one_link(void)
{
	int s = open_route();
	struct request rq = { 0 };
	struct sockaddr_nl from;
	socklen_t size = sizeof(from);
	const struct ifinfomsg *link = NLMSG_DATA(&answer.h);
	ssize_t n, whole;

	rq.link.ifi_index = (int)if_nametoindex("lo");
	ask(s, &rq, RTM_GETLINK, 0, sizeof(rq.link));
	whole = recv(s, &answer, 20, MSG_PEEK | MSG_TRUNC);
	CHECK(whole > 20);
	n = recvfrom(s, &answer, sizeof(answer), 0, (struct sockaddr *)&from, &size);
	CHECK_EQ(n, whole);
	CHECK_EQ(from.nl_family, AF_NETLINK);
	CHECK_EQ(from.nl_pid, 0);
	CHECK_EQ(answer.h.nlmsg_type, RTM_NEWLINK);
	CHECK_EQ(answer.h.nlmsg_len, n);
	CHECK_EQ(answer.h.nlmsg_seq, 77);
	CHECK_EQ(answer.h.nlmsg_pid, getpid());
	CHECK_EQ(link->ifi_index, (int)if_nametoindex("lo"));
	CHECK_EQ(link->ifi_type, ARPHRD_LOOPBACK);
	CHECK(link->ifi_flags & IFF_LOOPBACK && link->ifi_flags & IFF_UP);
	close(s);
}

static void addresses(void)
{
	struct ifaddrs *all, *i;
	int found = 0;

	CHECK_EQ(getifaddrs(&all), 0);
	for (i = all; i; i = i->ifa_next) {
		if (strcmp(i->ifa_name, "lo") != 0 || !i->ifa_addr)
			continue;
		CHECK(i->ifa_flags & IFF_LOOPBACK);
		if (i->ifa_addr->sa_family == AF_INET) {
			const struct sockaddr_in *sin = (void *)i->ifa_addr;

			CHECK_EQ(sin->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
			sin = (void *)i->ifa_netmask;
			CHECK_EQ(sin->sin_addr.s_addr, htonl(0xff000000));
			found |= 1;
		}
		if (i->ifa_addr->sa_family == AF_INET6)
			found |= 2;
		if (i->ifa_addr->sa_family == AF_PACKET)
			found |= 4;
	}
	CHECK_EQ(found, 7);
	freeifaddrs(all);
}

static void resolving(void)
{
	struct addrinfo hints = { .ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM }, *ai;

	CHECK_EQ(getaddrinfo("127.0.0.1", "80", &hints, &ai), 0);
	CHECK_EQ(ai->ai_family, AF_INET);
	freeaddrinfo(ai);
	CHECK_EQ(getaddrinfo("::1", "80", &hints, &ai), 0);
	CHECK_EQ(ai->ai_family, AF_INET6);
	freeaddrinfo(ai);
}

static void ioctls(int family)
{
	int s = socket(family, SOCK_DGRAM, 0);
	struct ifreq r = { .ifr_name = "lo" };
	struct ifreq list[64];
	struct ifconf conf = { .ifc_len = sizeof(list), .ifc_req = list };
	char name[IFNAMSIZ];

	CHECK_EQ(ioctl(s, SIOCGIFINDEX, &r), 0);
	CHECK(if_indextoname((unsigned)r.ifr_ifindex, name));
	CHECK_EQ(strcmp(name, "lo"), 0);
	CHECK_EQ(ioctl(s, SIOCGIFFLAGS, &r), 0);
	CHECK_EQ(r.ifr_flags & (IFF_UP | IFF_LOOPBACK), IFF_UP | IFF_LOOPBACK);
	CHECK_EQ(ioctl(s, SIOCGIFMTU, &r), 0);
	CHECK_EQ(r.ifr_mtu, 65536);
	CHECK_EQ(ioctl(s, SIOCGIFHWADDR, &r), 0);
	CHECK_EQ(r.ifr_hwaddr.sa_family, ARPHRD_LOOPBACK);
	CHECK_EQ(ioctl(s, SIOCGIFCONF, &conf), 0);
	CHECK(conf.ifc_len >= (int)sizeof(list[0]) && conf.ifc_len % sizeof(list[0]) == 0);
	if (family == AF_INET) {
		CHECK_EQ(ioctl(s, SIOCGIFADDR, &r), 0);
		CHECK_EQ(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr,
			 htonl(INADDR_LOOPBACK));
		CHECK_EQ(ioctl(s, SIOCGIFNETMASK, &r), 0);
		CHECK_EQ(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr, htonl(0xff000000));
	} else {
		CHECK_ERR(ioctl(s, SIOCGIFADDR, &r), ENOTTY);
	}
	strcpy(r.ifr_name, "nosuch0");
	CHECK_ERR(ioctl(s, SIOCGIFFLAGS, &r), ENODEV);
	r.ifr_ifindex = 0x7fff;
	CHECK_ERR(ioctl(s, SIOCGIFNAME, &r), ENODEV);
	close(s);
}

int main(void)
{
	names();
	errors();
	one_link();
	addresses();
	resolving();
	ioctls(AF_INET);
	ioctls(AF_INET6);
	ioctls(AF_UNIX);
	return 0;
}
