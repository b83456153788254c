# Tools that look at the system, and what they read below /proc and /sys.
positive() { awk '{ print ($1 > 0) }'; }

echo '== procps'
ps -o pid= -p $$ | wc -l
ps ax | awk 'END { print NR > 1 }'
ps -eo pid,ppid,stat,comm --no-headers | awk '$1 == p { print $4 }' p=$$
ps -o pid,ppid,pgid,sid,tty,stat,ni,nlwp,args --no-headers -p $$ | awk '{ print $5, $7, $8, $9 }'
pgrep -f 'none such thing'
echo $?
sleep 5 &
pgrep -P $$ sleep | wc -l
pkill -P $$ sleep
wait 2>/dev/null
pidof none
echo $?
free -m | awk 'NR == 2 { print ($2 > 0) }'
vmstat | wc -l
vmstat -s | awk '/total memory/ { print ($1 > 0) }'
w -h | wc -l
uptime -p >/dev/null
echo $?
top -b -n 1 | awk '/Tasks/ { print $1 }'
pmap $$ | awk '/total/ { print $1 }'
pmap -x $$ | awk 'END { print $1 }'
slabtop --version | wc -l
sysctl -n kernel.ostype vm.overcommit_memory fs.nr_open | wc -l
pwdx $$ | wc -l
watch --version | wc -l

echo '== /proc'
grep -c processor /proc/cpuinfo | positive
awk '/MemTotal/ { print ($2 > 0) }' /proc/meminfo
awk '{ print NF }' /proc/uptime /proc/loadavg
awk 'NR == 1 { print NF > 5 }' /proc/stat
head -n 1 /proc/self/status
grep -E '^(Umask|Threads|SigIgn|NoNewPrivs|Seccomp):' /proc/self/status
grep -c . /proc/self/maps | awk '{ print ($1 > 5) }'
awk '{ print NF }' /proc/self/stat /proc/self/statm
tr '\0' ' ' </proc/self/cmdline
cat /proc/self/comm
readlink /proc/self/exe
readlink /proc/self/root
cat /proc/self/oom_score_adj
wc -l </proc/sys/kernel/pid_max
grep -c tmpfs /proc/filesystems
awk '$2 == "/" { print $2 }' /proc/mounts | sort -u
head -n 1 /proc/self/limits
wc -l </proc/self/cgroup | positive
cut -c 1-5 /proc/version
ls /proc/self/task | wc -l
cat /proc/sys/kernel/ostype
cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid | wc
[ "$(cat /proc/sys/kernel/random/uuid)" != "$(cat /proc/sys/kernel/random/uuid)" ] && echo two uuids
cat /proc/sys/fs/file-max /proc/cmdline /proc/swaps /proc/diskstats /proc/vmstat >/dev/null
echo $?
awk '$1 == "pgfault" { print NF }' /proc/vmstat
cat /proc/self/smaps_rollup | awk '/^Rss/ { print ($2 > 0) }'
cat /proc/self/timerslack_ns
cat /proc/self/environ | tr '\0' '\n' | grep -c '^HOME='
cat /proc/self/sessionid /proc/self/loginuid | wc -c | positive
ls -d /proc/self/ns/pid /proc/self/fdinfo/0

echo '== /sys and /dev'
ls /sys/devices/system/cpu | grep -c '^cpu0$'
wc -l </sys/devices/system/cpu/online
cat /sys/devices/system/cpu/cpu0/topology/core_id | wc -l
ls -d /sys/fs/cgroup /dev/shm /dev/pts /run
ls -l /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty | awk '{ print $1, $5, $6 }'
ls -l /dev/fd /dev/stdin /dev/stdout /dev/stderr | awk '{ print $9, $10, $11 }'
mountpoint -q / && echo mountpoint
findmnt -n -o TARGET / | sort -u
lscpu | grep -c Architecture
nproc | positive
df / | wc -l
stat -f -c %s / | positive

echo '== util-linux'
getopt -o ab: -- -a -b x y
flock -n l echo locked
flock -n l sh -c 'flock -n l true; echo $?'
setsid -w sh -c 'exit 3'
echo $?
taskset -p $$ >/dev/null
echo $?
taskset -c 0 nproc
chrt -p $$ | wc -l
ionice -p $$ >/dev/null
echo $?
prlimit --nofile --noheadings -o SOFT | wc -l
prlimit --nofile=50:60 sh -c 'ulimit -n; ulimit -Hn'
renice -n 1 $$ >/dev/null
nice
mcookie | wc -c
namei -m /usr/bin | wc -l
whereis -b sh | wc -l
swapon --show | wc -l
lsns -n -t pid | wc -l | positive
ipcs | grep -c '^---'
fallocate -l 100 fa && stat -c %s fa
script -qc 'echo in a script' /dev/null </dev/null >/dev/null
setpriv --reuid 65534 --regid 65534 --clear-groups id
setpriv --reuid 65534 --clear-groups cat /etc/shadow 2>/dev/null
echo $?
runuser -u nobody -- id -un
su -c 'id -u' root
chroot --userspec=nobody / id -u

echo '== libc and packages'
getent passwd root
getent group 0
getent services ssh/tcp | wc -l
getconf PAGESIZE
locale -a | grep -c C
iconv -f latin1 -t utf8 <<<x
ldconfig -p | wc -l | positive
TZ=Asia/Tokyo date -d @0 +%H
file -b /etc/passwd
dpkg -l bash | tail -n 1 | awk '{ print $2 }'
dpkg -S /bin/bash
dpkg-query -W -f '${Package}\n' 'lib*' | wc -l
apt-cache policy bash | head -n 1
apt-config dump | wc -l
perl -V:version
