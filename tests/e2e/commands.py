#!/usr/bin/env python3
"""The same output and status from ordinary commands, natively and in nacre.

timeout: 300
"""
import os
import subprocess
import sys
import tempfile

COMMANDS = r"""
true
false
echo hello world
printf '%05d %s\n' 42 x
seq 1 200
expr 6 '*' 7
uname -s -m -o
basename /usr/share/doc
dirname /usr/share/doc
cat /etc/passwd
head -n 3 /etc/passwd
tail -n 3 /etc/passwd
wc /etc/passwd
sort /etc/passwd
sort -t: -k3 -n -r /etc/passwd
cut -d: -f1,3 /etc/passwd
tr a-z A-Z </etc/passwd
nl /etc/passwd
rev /etc/passwd
tac /etc/passwd
paste -d, /etc/passwd /etc/passwd
fold -w 20 /etc/passwd
md5sum /etc/passwd /bin/bash
sha256sum /bin/bash
cksum /bin/bash
od -c /etc/hostname
base64 /etc/passwd
comm /etc/passwd /etc/passwd
uniq -c /etc/passwd
join -t: /etc/passwd /etc/passwd
split --help
ls /usr/bin
ls -R /etc/apt
ls /nonexistent
stat -c '%s %F %a' /etc/passwd
readlink -f /bin/sh
realpath /usr/../etc/./passwd
find /etc/apt
find /usr/share/doc -maxdepth 1 -name 'lib*'
find /etc -maxdepth 1 -type l
grep -c root /etc/passwd
grep -rn root /etc/apt
sed -n '1,5s/:/ /gp' /etc/passwd
awk -F: '{ n += $3 } END { print n, NR }' /etc/passwd
gawk 'BEGIN { for (i = 0; i < 10; i++) printf "%d ", i * i; print "" }'
tar cf - /etc/apt 2>/dev/null | tar tf - | sort
gzip -c /etc/passwd | gunzip
bzip2 -c /etc/passwd | bunzip2
xz -c /etc/passwd | unxz
diff /etc/passwd /etc/group
cmp /etc/passwd /etc/passwd
test -f /etc/passwd
env -i A=1 B=2 env
date -u -d @0
dash -c 'x=1; while [ $x -lt 20 ]; do x=$((x * 2)); done; echo $x'
bash -c 'a=(1 2 3); echo ${#a[@]} ${a[@]}; for i in {1..20}; do (exit $i); echo -n "$? "; done'
bash -c 'echo one | { read x; echo "got $x"; }; cat <(echo sub) <<<here'
bash -c 'trap "echo trapped" USR1; kill -USR1 $$; echo after'
bash -c 'sleep 0.05 & wait $!; echo $?'
bash -c 'exit 77'
sh -c 'kill -TERM $$'
busybox seq 3
busybox sh -c 'echo $((1 + 2))'
busybox sort -r /etc/passwd
perl -e 'print join(",", map { $_ ** 2 } 1..10), "\n"'
perl -ne 'print if /root/' /etc/passwd
python3 -c 'import sys; print(sys.version_info[:2], sum(range(1000)))'
python3 -c 'import json, hashlib; print(json.dumps({"a": hashlib.md5(b"x").hexdigest()}))'
python3 -c 'import subprocess as s; print(s.run(["sh", "-c", "exit 3"]).returncode)'
python3 -c 'import threading as t; l = []; ts = [t.Thread(target=l.append, args=(i,)) for i in range(20)]; [x.start() for x in ts]; [x.join() for x in ts]; print(len(l))'
python3 -c 'import os; r, w = os.pipe(); os.write(w, b"x" * 1000); print(len(os.read(r, 2000)))'
python3 -c 'import mmap; m = mmap.mmap(-1, 8192); m[0:5] = b"hello"; print(m[0:5])'
python3 -c 'import sqlite3; c = sqlite3.connect(":memory:"); c.execute("create table t(a)"); print(c.execute("select count(*) from t").fetchall())'
lua5.4 -e 'local t = {} for i = 1, 10 do t[i] = i * i end print(table.concat(t, " "))'
sqlite3 :memory: 'select 1 + 1, upper("x");'
jq -n '[range(10)] | map(. * 2) | add'
git --version
git -c init.defaultBranch=main init -q "$D/r" && cd "$D/r" && echo a >f && git add f && git -c user.name=n -c user.email=e@x commit -qm m && git log --format=%s && git ls-files
gcc -dumpmachine
echo 'int main(void) { return 42; }' >"$D/a.c" && gcc -o "$D/a" "$D/a.c" && "$D/a"
printf 'all: x\nx:\n\t@echo made\n' >"$D/Makefile" && make -s -C "$D"
xargs -n 2 echo </etc/hostname
tee "$D/t" </etc/passwd | wc -l
cp -r /etc/apt "$D/apt" && ls "$D/apt"
mkdir -p "$D/x/y/z" && rmdir "$D/x/y/z" && ls "$D/x"
ln -s target "$D/l" && readlink "$D/l"
touch -d @1000000000 "$D/old" && stat -c %Y "$D/old"
mv "$D/nothing" "$D/else"
dd if=/dev/zero bs=1k count=64 2>/dev/null | wc -c
timeout 0.1 sleep 5
nice -n 5 nice
id -u
whoami
"""


def run(argv):
    with tempfile.TemporaryDirectory() as d:
        env = dict(os.environ, LC_ALL="C", D=d, HOME=d)
        p = subprocess.run(argv, env=env, cwd="/", stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        return p.returncode, p.stdout.replace(d.encode(), b"DIR")


passed = failed = 0
for line in COMMANDS.strip().split("\n"):
    native = run(["bash", "-c", line])
    try:
        inside = run([os.environ["NACRE"], "do", "--", "bash", "-c", line])
    except subprocess.TimeoutExpired:
        inside = ("still running", b"")
    # A shell that a signal ended: natively minus its number, from nacre 128 plus it.
    expect = (128 - native[0] if native[0] < 0 else native[0], native[1])
    if inside == expect:
        passed += 1
        continue
    failed += 1
    print("not the same: %s: status %s, natively %s" % (line, inside[0], expect[0]))
    for a, b in zip(inside[1].split(b"\n"), expect[1].split(b"\n")):
        if a != b:
            print("  in nacre: %r\n  natively: %r" % (a[:100], b[:100]))
            break
print("%d passed, %d failed, 0 skipped" % (passed, failed))
sys.exit(failed != 0)
