#!/bin/bash
# As root: files have their true owners, root reads what is another's alone, and what
# is made in a bound folder belongs to the guest's user. As anybody else: the host's
# permissions hold.
set -u
. "$(dirname "$0")/checklib.bash"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
[ "$(id -u)" = 0 ] || { echo "SKIP: not root"; exit 77; }

do_() { timeout 300 "$nacre" do "$@" 2>&1; }

mkdir -m 700 "$dir/private"
echo secret >"$dir/private/file"
chown -R 12345:23456 "$dir/private"
chmod 755 "$dir"
list='stat -c "%u:%g %a" /etc/shadow / '"$dir/private $dir/private/file"
check "owners" "$(sh -c "$list")" "$(do_ -- sh -c "$list")"
check "root reads it" secret "$(do_ -- cat "$dir/private/file")"
check "others do not" "cat: $dir/private/file: Permission denied" \
	"$(do_ --user 1000 -- cat "$dir/private/file")"
mkdir -m 777 "$dir/bound"
check "it is made" "" "$(do_ --bind "$dir/bound:/mnt" --user 1000:1001 -- \
	sh -c 'umask 022; touch /mnt/f && mkdir /mnt/d && ln -s f /mnt/l')"
check "it is theirs" "$(printf '1000:1001 755 d\n1000:1001 644 f\n1000:1001 777 l')" \
	"$(cd "$dir/bound" && stat -c '%u:%g %a %n' d f l)"
check "root gives it away" "5:6 640" "$(do_ --bind "$dir/bound:/mnt" -- \
	sh -c 'chown 5:6 /mnt/f && chmod 640 /mnt/f && stat -c "%u:%g %a" /mnt/f')"
if command -v setpriv >/dev/null; then
	check "an ordinary caller reads what is his" "cat: $dir/private/file: Permission denied" \
		"$(setpriv --reuid=65534 --regid=65534 --clear-groups timeout 300 "$nacre" do -- \
			cat "$dir/private/file" 2>&1)"
fi
end_of_checks
