# coreutils, findutils, diffutils, patch: file trees, temporary files, pipes, sparse files.
# needs: patch
mkdir -p t/a/b t/c && cd t
for i in $(seq 1 60); do seq 1 "$i" >"a/f$i"; done
echo '== find and xargs'
find . -type f -exec wc -l {} + | tail -n 1
find a -name 'f1*' -exec sh -c 'echo $# files' sh {} +
find . -type f -print0 | sort -z | xargs -0 -n 5 -P 4 sh -c 'cat "$@" | wc -l' sh | sort -n | paste -sd ' '
find . -name 'f2?' -size -2 -newer a/f1 -printf '%f %s %m %y\n' | sort
find . -type f -name 'f5*' -delete; find . -type f | wc -l
find . -maxdepth 2 -empty -type d | sort; find . -type d -perm -u+x | sort
seq 1 10 | xargs -I{} -P 3 sh -c 'exit $(({} % 2))'; echo $?
seq 1 3 | xargs -n 1 sh -c 'kill -TERM $$' 2>/dev/null; echo $?
printf 'a b\n' | xargs -d '\n' ls 2>/dev/null; echo $?
find . -type f | sort | xargs sha1sum | sha1sum
echo '== sort, split, join'
seq 1 300000 | shuf --random-source=<(yes) >big
sort -n -S 200k -T . big | md5sum
sort -n -S 200k --parallel=4 --compress-program=gzip big | tail -n 1
sort -R --random-source=big big | head -n 2 | wc -l
split -l 30000 -d big part. && ls part.* | wc -l && cat part.* | cmp - big && echo same
split -b 100k --filter='wc -c' big
csplit -s -z big 1000 '{2}' && wc -l xx* && rm xx* part.*
sort -u -t1 -k2 big | wc -l; sort -m <(seq 1 3) <(seq 2 4) | paste -sd ' '
tsort <<<'a b b c a c'; ptx <<<'one two three' | wc -l
echo '== dd and sparse files'
dd if=big of=copy bs=7k skip=3 seek=5 conv=notrunc,fsync 2>&1 | head -n 2
dd if=/dev/zero of=sparse bs=1 count=0 seek=10M 2>/dev/null; stat -c '%s %b' sparse
cp --sparse=always big cs && cmp big cs; dd if=big of=ex bs=64k conv=sparse 2>/dev/null; cmp ex big && echo equal
truncate -s 5000 big2; truncate -s +100 big2; stat -c %s big2; fallocate -l 20000 fa; stat -c %s fa
fallocate -p -o 4096 -l 4096 fa; stat -c %s fa; dd if=/dev/urandom bs=1k count=3 2>/dev/null | wc -c
dd if=big bs=1k count=4 iflag=fullblock status=none | md5sum; cat big | dd bs=1M status=none | md5sum
head -c 100 /dev/zero | od -An -tx1 | uniq -c; dd if=big of=/dev/full bs=1k count=1 2>/dev/null; echo $?
echo full >/dev/full; echo $?
echo '== cp, mv, ln, install'
cp -a a copydir && diff -r a copydir && echo copied
cp --reflink=auto big r1; cp -l big r2; stat -c %h big; cp -s "$PWD/big" r3; readlink r3 | sed 's,.*/,,'
ln -f big r1; stat -c %h r1; ln -sfn a dirlink; ls -l dirlink | sed 's/.* dirlink/dirlink/'
install -D -m 750 big deep/er/inst; stat -c '%a %s' deep/er/inst; mv deep/er/inst . && rmdir -p deep/er
mv -n a/f1 a/f2; mv -b a/f1 a/f2; ls a/f2*; mv a c/; ls c/a | wc -l
cp a/none x; echo $?; mv c c/a 2>/dev/null; echo $?; rm c 2>/dev/null; echo $?; rm -r c copydir; ls | sort
touch -d '2001-02-03 04:05:06.789 UTC' x; stat -c '%y %X' x | cut -c 1-23; touch -r x y; [ x -ot big ] && echo older
ls -la --time-style=+%s x | awk '{ print $1, $2, $5, $6, $7 }'; ls -i x y | awk '{ print NF }'
chmod u=rw,go=r x; chmod a+X .; stat -c %A x; chmod 1777 . ; stat -c %a .; mktemp -d tmp.XXXX | wc -c; mktemp -u | wc -c
mkfifo p; (cat p >fromp) & echo fifo >p; wait; cat fromp; mknod nod p && stat -c %F nod
du -sb . | awk '{ print ($1 > 1000) }'; df . | wc -l; df -h / | wc -l; sync -f x; stat -f -c %T / | wc -l
realpath --relative-to=/usr /usr/../etc; readlink -e none; echo $?; pathchk -p "$(printf 'a%.0s' $(seq 300))" 2>/dev/null; echo $?
echo '== diff and patch'
seq 1 50 >o; seq 1 50 | sed '10d;20s/$/ changed/;30a new' >n
diff -u --label o --label n o n >d.patch; cat d.patch; patch -s o <d.patch && cmp o n && echo patched
patch -R -s o <d.patch && seq 1 50 | cmp - o && echo reversed; diff3 o n o | head -n 4; sdiff -s o n; cmp o n
seq 100 >o; patch o <d.patch; ls o*; diff -rq /etc/apt /etc/apt; diff -y <(seq 3) <(seq 2 4)
echo '== text'
nl -ba o | tail -n 2; pr -t -2 -l 5 o | head -n 3; fmt -w 20 <<<'some words that must be folded'; expand -t 4 <<<$'a\tb'; tr -s a <<<aaab
comm -12 <(seq 5) <(seq 3 7); numfmt --to=iec 123456789; factor 1234567891; seq -w 8 11; shuf -e -n 1 x; printf '%q\n' 'a b'
sha512sum big | cut -c 1-20; b2sum big | cut -c 1-20; sum big; cksum -a sm3 big 2>/dev/null | wc -l; base32 <<<x; basenc --base16 <<<hi; md5sum x y | md5sum -c
tail -c 20 big | od -c | wc -l; tac big | tail -n 1 | cmp - <(head -n 1 big) && echo tac; tail -n 1 -f o >tailed & t=$!; echo followed >>o
until grep -q followed tailed; do sleep 0.05; done; kill $t; tail -n 1 tailed
echo '== processes'
nproc | wc -l; env -i sh -c 'env | sort' | grep -v -E '^(_|PWD|SHLVL)='; env -C /usr pwd; nice -n 2 nice; (sleep 0.05 & wait); stdbuf -oL echo line; tty; test -t 0; echo $?
printenv HOME | wc -l; arch; hostname | wc -l; id -un; groups | wc -w; logname 2>/dev/null; who | wc -l; uptime | wc -l; getconf PAGESIZE; getconf _NPROCESSORS_ONLN | wc -l; date -u -d '2020-01-01 +3 days' +%F; chroot / true; echo $?
