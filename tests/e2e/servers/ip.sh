# Iproute2 and net-tools of the sandbox's own network
# needs: ip unshare setpriv
# natively: lo only
[ $(id -u) = 0 ] || { echo 'a network of its own needs root'; exit 77; }
ip addr; ip -6 addr; ip route; ip route show table all; ip -6 route show table all
ip route get 127.0.0.1; ip route get 192.0.2.99; ip -6 route get ::1; ip rule; ip -6 rule
ip neigh; ip link set lo up; echo $?; ip link show dev nosuch; ip -j addr
cat /proc/net/if_inet6 /proc/net/route /proc/net/igmp
