# Archives and compressors: attributes, sparse files, hard links, threads.
# needs: tar gzip bzip2 xz zstd python3
mkdir -p src/d/e; cd src
seq 1 100000 >text; head -c 3000000 </dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null >random || head -c 3000000 /dev/zero >random
truncate -s 20M sparse; echo end >>sparse; ln text hard; ln -s text soft; mkfifo fifo; chmod 751 d; chmod 4755 random
touch -d @1234567890.123456789 d/e/old; : >d/empty; python3 -c 'import os; os.setxattr("text", "user.colour", b"pearl")'
echo "$(printf 'long%.0s' $(seq 1 40))" >"d/$(printf 'long%.0s' $(seq 1 40))"
cd ..
for flags in '' --sparse '--format=pax --xattrs' --format=ustar --format=v7 '--format=gnu -M -L 100000'; do
	rm -rf out a.tar; mkdir out
	case $flags in *-M*) continue ;; esac
	tar $flags -cf a.tar src 2>/dev/null; echo "create $flags $?"
	tar --xattrs -xpf a.tar -C out 2>/dev/null; echo "extract $?"
	(cd out/src && find . | LC_ALL=C sort | while read -r f; do stat -c '%n %F %a %s %h' "$f"; done) | grep -v longlong | sed 's/^\(\.[^ ]* directory [0-7]*\) [0-9]*/\1/'
	diff -r --exclude=fifo src out/src && echo same
	python3 -c 'import os; print({n: os.getxattr("out/src/text", n) for n in os.listxattr("out/src/text")})'
	stat -c %y out/src/d/e/old | cut -c 1-29
done
tar -cf - src | (mkdir piped && tar -xf - -C piped) && diff -r --exclude=fifo src piped/src && echo piped
tar -czf a.tgz src && tar -tzf a.tgz | wc -l; tar -cJf a.txz src/text; tar -cf a.tzst --zstd src/text; tar -tf a.tzst; tar -xOf a.txz | cmp - src/text
tar --delete -f a.tar src/d 2>/dev/null; echo $?; tar -rf a.tar src/soft; tar -uf a.tar src/text; tar -df a.tar 2>&1 | wc -l
tar --listed-incremental=snar -cf inc.tar src; echo new >src/new; tar --listed-incremental=snar -cf inc2.tar src; tar -tf inc2.tar | sort
head -c 5000 a.tar | tar tf - >/dev/null 2>&1; echo $?
for z in gzip bzip2 xz zstd 'xz -T4' 'zstd -T4 -q' 'gzip -9' 'zstd -19 -q --long'; do
	$z -kf src/random -c >packed 2>/dev/null; $z -dc <packed 2>/dev/null | cmp - src/random && echo "$z ok"
	$z -c src/text 2>/dev/null | $z -d -c | md5sum
done
xz -T4 --block-size=300KiB -k -c src/random | xz -t -T2; echo $?
gzip -kf src/text && gzip -l src/text.gz && zcat src/text.gz | tail -n 1 && gunzip -f src/text.gz && zstd -f -q src/text --rm -o z.zst && zstd -q -t z.zst && unzstd -q z.zst -o src/text
echo broken | gzip -d 2>/dev/null; echo $?; gzip nothing 2>/dev/null; echo $?; cat src/text | xz -9 --memlimit=500M | xz -l /dev/stdin 2>/dev/null | wc -l
zgrep -c 99 <(gzip -c src/text); xzdiff <(xz -c src/text) <(xz -c src/text) && echo xzdiff
command -v cpio >/dev/null && { find src | cpio -o 2>/dev/null | cpio -t 2>/dev/null | wc -l; }
find src | busybox cpio -o -H newc 2>/dev/null | (mkdir cp && cd cp && busybox cpio -i -d 2>/dev/null; find . | wc -l)
command -v rsync >/dev/null && { rsync -aHS src/ synced/ && diff -r --exclude=fifo src synced && echo synced; }
dpkg-deb --version | head -n 1 | cut -c 1-10; mkdir -p pkg/DEBIAN && printf 'Package: toy\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: toy\n' >pkg/DEBIAN/control && dpkg-deb -b pkg toy.deb && dpkg-deb -c toy.deb | wc -l && dpkg-deb -f toy.deb Package && dpkg-deb -x toy.deb unp; echo $?
