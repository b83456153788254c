#!/bin/bash
# --strace: decoded lines of the whole tree, filters, signals, exits. Ends with
# "N passed, N failed".
set -u
nacre=${NACRE:-build/nacre}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# expect WHAT PATTERN: the trace has a line that matches (grep -E).
expect() {
	if grep -qE -- "$2" "$dir/trace"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "$1: no line matches $2 in:"
		tail -n 20 "$dir/trace"
	fi
}
refuse() {
	if grep -qE -- "$2" "$dir/trace"; then
		failed=$((failed + 1))
		echo "$1: a line matches $2:"
		grep -E -- "$2" "$dir/trace" | head -n 5
	else
		passed=$((passed + 1))
	fi
}
# trace FLAG CMD...
trace() {
	local flag=$1
	shift
	timeout 60 "$nacre" do "$flag" -- "$@" >"$dir/out" 2>"$dir/trace"
}

trace --strace /usr/bin/head -n 1 /etc/passwd
expect "an open" '^\[[0-9]+\] openat\(AT_FDCWD, "/etc/passwd", O_RDONLY\) = [0-9]+$'
expect "a read" '^\[[0-9]+\] read\([0-9]+, "root:.*"\.\.\., [0-9]+\) = [0-9]+$'
expect "a mapping" '^\[[0-9]+\] mmap\(NULL, [0-9]+, PROT_READ.*\) = 0x[0-9a-f]+$'
expect "a stat" 'st_mode=S_IFREG\|0644, st_size=[0-9]+'
expect "the end" '^\[[0-9]+\] exit_group\(0\) = \?$'
expect "the exit" '^\[[0-9]+\] \+\+\+ exited with 0 \+\+\+$'
refuse "only whole lines" '^[^[]'

trace --strace=openat,close /bin/cat /nonexistent
expect "an error" 'openat\(AT_FDCWD, "/nonexistent", O_RDONLY\) = -1 ENOENT \(No such file or directory\)$'
refuse "a filter of names" '^\[[0-9]+\] (read|mmap|write)\('

trace --strace=%process /bin/sh -c '/bin/true; exit 3'
expect "a fork or clone" '^\[[0-9]+\] (clone|clone3|fork|vfork)\(.*\) = [0-9]+$'
expect "an execve" '^\[[0-9]+\] execve\("/bin/true", \["/bin/true"\], 0x[0-9a-f]+ /\* [0-9]+ vars \*/\) = 0$'
expect "a wait" '^\[[0-9]+\] wait4\(-?[0-9]+, \[\{WIFEXITED\(s\) && WEXITSTATUS\(s\) == 0\}\]'
expect "a SIGCHLD" '^\[[0-9]+\] --- SIGCHLD \{si_signo=SIGCHLD, si_code=CLD_EXITED, .*si_status=0\} ---$'
expect "the exit status" '\+\+\+ exited with 3 \+\+\+$'
refuse "a filter of a class" '^\[[0-9]+\] (openat|mmap)\('

trace '--strace=!%memory' /bin/sh -c 'kill -9 $$'
expect "a kill" '^\[[0-9]+\] kill\([0-9]+, SIGKILL\)'
expect "a death" '^\[[0-9]+\] \+\+\+ killed by SIGKILL \+\+\+$'
refuse "an inverted class" '^\[[0-9]+\] (mmap|brk|munmap)\('

trace --strace=nonsense /bin/true
status=$?
if [ $status = 125 ] && [ "$(wc -l <"$dir/trace")" = 1 ]; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "an unknown filter: status $status, not 125 with one line:"
	cat "$dir/trace"
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
