#!/bin/sh
# Installs the Debian 12 packages that nacre is built and tested with.
#
#   install-deps.sh           what 'make', 'make demo' and 'make check-all' need
#   install-deps.sh --servers and the servers and clients that 'make check-all' runs; none of
#                             them is started on this machine
#   install-deps.sh --bench   and what 'make bench' compares with
#   --quiet                   say nothing when nothing is missing
#
# As root it installs what is missing and says so; otherwise it says what to do.
set -eu

build="gcc libc6-dev make meson ninja-build pkg-config python3
	libseccomp-dev libcap-dev libjson-c-dev libcmocka-dev
	clang libclang-rt-14-dev clang-format"
tests="bash bubblewrap busybox-static bzip2 coreutils dash diffutils dpkg-dev findutils gawk gdb git grep
	gzip jq liburing-dev lua5.4 make mawk patch perl procps sed sqlite3 strace tar util-linux xz-utils"
servers="apache2-utils curl e2fsprogs fio iproute2 memcached nginx-light openssh-client
	openssh-server postgresql qemu-system-common redis-server wrk"
bench="runsc"

quiet=
packages="$build $tests"
for arg; do
	case $arg in
	--quiet) quiet=yes ;;
	--servers) packages="$packages $servers" ;;
	--bench) packages="$packages $bench" ;;
	*)
		echo "usage: install-deps.sh [--quiet] [--servers] [--bench]" >&2
		exit 2
		;;
	esac
done

# pkg-config is provided by pkgconf too; either will do.
missing() {
	for package in $packages; do
		state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) || state=
		[ "$state" = "install ok installed" ] || echo "$package"
	done | sort -u | tr '\n' ' ' | sed 's/ $//'
}

want=$(missing)
if [ -z "$want" ]; then
	[ -n "$quiet" ] || echo "every package that nacre needs is installed"
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "these packages are missing; install them as root:" >&2
	echo "  apt-get install $want" >&2
	exit 1
fi

echo "installing: $want"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
policy=
trap 'rm -f "$log" $policy' EXIT

# A machine that only tests does not become a server (invoke-rc.d(8)).
if [ ! -e /usr/sbin/policy-rc.d ]; then
	policy=/usr/sbin/policy-rc.d
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi

install_them() {
	# shellcheck disable=SC2086 # the list is words
	apt-get install -y -q --no-install-recommends $want </dev/null >"$log" 2>&1
}

# Lists as old as the image name versions that the mirror no longer has.
if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || ! install_them; then
	apt-get update -q </dev/null >"$log" 2>&1 || true
	install_them || {
		cat "$log" >&2
		echo "apt-get could not install: $want" >&2
		exit 1
	}
fi
want=$(missing)
[ -z "$want" ] || {
	echo "still missing after apt-get: $want" >&2
	exit 1
}
