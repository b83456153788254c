# The other shells and busybox's applets.
# needs: dash busybox
cat >script <<'S'
f() { echo "f $*"; return 3; }
f a b; echo $?
for i in 1 2 3; do (exit $i) || echo "failed $?"; done
x=$(cat <<EOF
here $((6 * 7))
EOF
); echo "$x"
echo a b c | { read -r one rest; echo "$rest"; }
trap 'echo bye' EXIT
trap 'echo usr1' USR1; kill -USR1 $$
sleep 0.05 & wait $!; echo "waited $?"
case $(uname -s) in Linux) echo linux ;; esac
set -- x y z; shift; echo "$# $1"; (cd / && pwd); echo "${x%%4*}" "${#x}"
seq 1 5 | while read -r n; do echo $((n * n)); done | sort -rn | head -n 2
exec 4>out; echo four >&4; exec 4>&-; cat out; [ -f out ] && rm out
false | true; echo $?; ! true; echo $?; { echo grouped; } 2>&1 | cat
sh -c 'kill -TERM $$'; echo $?; eval 'echo evaluated'; umask; ulimit -n >/dev/null; printf '%d %s\n' 5 five; type cd >/dev/null && echo cd
S
for shell in dash bash 'bash --posix' 'busybox sh' zsh mksh ksh; do
	command -v ${shell%% *} >/dev/null || continue
	echo "== $shell"; $shell script 2>/dev/null; echo "status $?"
done
echo '== busybox'
B=busybox
$B seq 1 20 >n; for a in 'wc' 'head -n 2' 'tail -n 2' 'tac' 'sort -rn' 'md5sum' 'sha1sum' 'sha256sum' 'od -c' 'hexdump -C' 'nl' 'rev' 'cut -c 1' 'base64' 'uniq -c' 'paste -s' 'fold -w 3' 'cksum' 'xxd' 'gzip -c' 'bzip2 -c' 'uuencode x'; do
	command $B $a <n | md5sum; done
$B find . -type f | $B sort; $B grep -n 1 n; $B sed -n '2,4p' n; $B awk '{ s += $1 } END { print s }' n; $B tr 1 x <n | $B head -n 1; $B expr 3 + 4; $B dc -e '2 3 + p' 2>/dev/null; echo '2^10' | $B bc
$B cp n m; $B mv m o; $B ln -s n l; $B ls -1; $B stat -c '%s %a' n; $B cmp n o; $B diff -u n script | $B head -n 3 | $B wc -l; $B dd if=n of=p bs=5 count=2 2>/dev/null; $B cat p; $B rm p o l
$B tar cf t.tar n script; $B tar tf t.tar; $B mkdir -p q/r; $B rmdir q/r q; $B touch -d '2020-01-01' z; $B date -r z +%Y; $B env | $B wc -l >/dev/null; $B printf '%x\n' 255; $B readlink -f n | $B sed 's,.*/,,'
$B timeout 1 $B sleep 0.01; echo $?; $B nice $B true; $B id -u; $B xargs -n 3 echo <n; $B split -l 7 n; $B ls x*; $B sum n; $B du -s n >/dev/null; $B mktemp -u | $B wc -l; $B usleep 1000; $B pidof none; echo $?; $B ps >/dev/null; echo $?; $B free | $B wc -l; $B uptime | $B wc -l; $B df / | $B wc -l; $B flock n echo locked; $B setsid echo session; $B time true 2>/dev/null; $B vi -h 2>/dev/null; $B ash -c 'echo $((1<<10))'; $B kill -l | head -n 3; $B which sh; $B tty; $B arch; $B nproc | $B wc -l; $B cal 2 2024; $B factor 91; $B realpath . | $B wc -l; $B shuf -i 1-3 | $B sort; $B truncate -s 100 tr; $B stat -c %s tr; $B mkfifo ff; ($B echo x >ff &) ; $B cat ff; $B strings n | $B wc -l; $B unlink ff; $B ed n <<<'1,3p' ; $B patch --help >/dev/null 2>&1; echo $?
