#!/bin/bash
# Programs written for liburing: the examples that Debian's liburing-dev brings, built
# here, natively first and then in nacre.
set -u
. "$(dirname "$0")/checklib.bash"
from=/usr/share/doc/liburing-dev/examples
[ -d $from ] && [ -f /usr/include/liburing.h ] || { echo "SKIP: no liburing-dev"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

build() { # NAME
	if [ -f "$from/$1.c" ]; then cat "$from/$1.c"; else zcat "$from/$1.c.gz"; fi >"$1.c" &&
		cc -D_GNU_SOURCE -w -o "$1" "$1.c" -luring 2>build.log || { cat build.log; exit 1; }
}

for name in io_uring-test io_uring-cp link-cp; do build $name; done
head -c 3000000 /dev/urandom >a
check "io_uring-test natively" "Submitted=4, completed=4, bytes=16384" "$(./io_uring-test a 2>&1)"
check "io_uring-test" "Submitted=4, completed=4, bytes=16384" \
	"$(timeout 300 "$nacre" do --cwd "$dir" ./io_uring-test a 2>&1)"
for name in io_uring-cp link-cp; do
	timeout 300 ./$name a b >/dev/null && cmp a b
	check "$name natively" 0 $?
	rm -f b
	timeout 300 "$nacre" do --cwd "$dir" --no-overlay ./$name a b >/dev/null && cmp a b
	check "$name" 0 $?
	rm -f b
done
# Programs that use io_uring by themselves, where they are installed.
if type node >/dev/null 2>&1; then
	cat >read.js <<-'end'
		const fs = require("fs").promises;
		let n = 0;
		for (let i = 0; i < 50; i++)
			fs.readFile("a").then(b => { if (b.length != 3000000) process.exit(3);
				if (++n == 50) console.log("read"); });
	end
	check "node natively" read "$(UV_USE_IO_URING=1 node read.js 2>&1)"
	check "node" read "$(UV_USE_IO_URING=1 timeout 60 "$nacre" do -- node read.js 2>&1)"
fi
if type stress-ng >/dev/null 2>&1; then
	timeout 60 "$nacre" do -- stress-ng --io-uring 2 --verify -t 3 >stress.log 2>&1
	check "stress-ng --io-uring --verify" 0 $?
fi
end_of_checks
