#!/bin/bash
# unshare, nsenter, lsns and bwrap inside: the same output as natively, for root and, where
# the host lets them, for an ordinary user. Natively all of it runs in namespaces too: the
# host does not change.
set -u
nacre=${NACRE:-build/nacre}
passed=0 failed=0 skipped=0
[ "$(id -u)" = 0 ] || { echo "SKIP: not root"; exit 77; }
unshare -Urmpf --mount-proc true 2>/dev/null || { echo "SKIP: no namespaces here"; exit 77; }

same() { # COMMAND: as root inside and natively
	local want got
	want=$(timeout 20 bash -c "$1" 2>&1; echo "status $?")
	got=$(timeout -k 2 60 "$nacre" do -- bash -c "$1" 2>&1; echo "status $?")
	result "$1" "$want" "$got"
}

inside() { # COMMAND EXPECTED [FLAG...]: only inside
	local command=$1 want=$2
	shift 2
	result "$command" "$want" "$(timeout -k 2 60 "$nacre" do "$@" -- bash -c "$command" 2>&1)"
}

result() {
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAIL %s:\n    %s\nnot %s\n' "$1" "$3" "$2"
	fi
}

same 'unshare -r id -u'
same 'unshare -U id -u; unshare -U id -g'
same 'unshare -r cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups'
same 'unshare -Urmpf --mount-proc bash -c "echo \$\$ \$PPID; ls -d /proc/[0-9]*; readlink /proc/self"'
same 'unshare -pf --mount-proc bash -c "kill -9 1; kill -TERM 1; echo lives; (sleep 60 &); ps -o pid= -o comm="'
same 'unshare -u bash -c "hostname inner; hostname"'
same 'unshare -i bash -c "ipcmk -Q >/dev/null; ipcs -q | grep -c 0x; unshare -i ipcs -q | grep -c 0x"'
same 'unshare -m bash -c "mount -t tmpfs none /mnt; touch /mnt/x; ls /mnt; findmnt -no FSTYPE,PROPAGATION /mnt"'
same 'unshare -m --propagation shared bash -c "mount -t tmpfs none /mnt; findmnt -no PROPAGATION /mnt"'
same 'unshare -m bash -c "mount -t tmpfs none /mnt; cd /mnt; mkdir old usr; mount --rbind /usr usr;
	for l in bin lib lib64; do ln -s usr/\$l; done; pivot_root . old; echo *; umount -l old; rmdir old; echo *"'
same 'unshare -Ur unshare -Ur unshare -Ur id -u'
same 'setpriv --reuid 1000 --regid 1000 --clear-groups unshare -Ur id -u'
same 'setpriv --reuid 1000 --regid 1000 --clear-groups unshare -m true'
same 'unshare -Ur mount -t tmpfs none /mnt 2>/dev/null; echo $?'
same 'unshare -Urm bash -c "umount /proc 2>/dev/null; echo \$?; mount --bind /usr /mnt; ls -d /mnt/bin"'
same 'unshare -pf sleep 60 2>/dev/null & sleep 0.5; nsenter -t $(pgrep -P $!) -p bash -c "kill -0 1 && echo there"; kill -9 $(pgrep -P $!)'
same 'unshare -u bash -c "hostname x; exec sleep 60" & sleep 0.5; nsenter -t $! -u hostname; kill $!'
same 'unshare -Ur lsns -no TYPE,NPROCS -t user -p self 2>&1 | wc -l'
inside 'unshare -Urmpf --mount-proc bash -c "id -u; echo \$\$"' "$(printf '0\n1')" --user 1000
if command -v bwrap >/dev/null; then
	box='bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-user --unshare-pid
		--unshare-ipc --unshare-uts --unshare-cgroup'
	box=$(echo $box)
	same "$box true"
	same "$box bash -c 'echo \$\$; touch /etc/x; echo y >/tmp/y; cat /tmp/y; ls /dev'"
	same "$box --hostname box --uid 5 --gid 6 bash -c 'hostname; id -u; id -g; cat /proc/self/uid_map'"
	inside "$box id -u" 1000 --user 1000
else
	echo "SKIP: bwrap is not installed"
	skipped=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
