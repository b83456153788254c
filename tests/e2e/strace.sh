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
	timeout 300 "$nacre" do "$flag" -- "$@" >"$dir/out" 2>"$dir/trace"
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

trace --strace=io_uring_setup,io_uring_enter,io_uring_register /usr/bin/python3 -c '
import ctypes, struct
call = ctypes.CDLL(None).syscall
params = ctypes.create_string_buffer(120)
struct.pack_into("=4I", params, 0, 0, 16, 1 << 3 | 1 << 6, 0)  # CQSIZE, R_DISABLED
ring = call(425, 4, params)
call(427, ring, 2, (ctypes.c_int * 2)(0, -1), 2)  # FILES
call(427, ring, 12, None, 0)  # ENABLE_RINGS
ts = (ctypes.c_longlong * 2)(0, 1000)
call(426, ring, 0, 1, 1 | 8, struct.pack("=QIIQ", 0, 8, 0, ctypes.addressof(ts)), ctypes.c_size_t(24))
struct.pack_into("=4I", params, 0, 0, 0, 1 << 30, 0)
call(425, 4, params)
'
expect "params" '^\[[0-9]+\] io_uring_setup\(4, \{flags=IORING_SETUP_CQSIZE\|IORING_SETUP_R_DISABLED, .*sq_entries=4, cq_entries=16, features=IORING_FEAT_SINGLE_MMAP\|.*, sq_off=\{head=.*\}\}\) = [0-9]+$'
expect "registered files" 'io_uring_register\([0-9]+, IORING_REGISTER_FILES, \[0, -1\], 2\) = 0$'
expect "a register opcode" 'io_uring_register\([0-9]+, IORING_REGISTER_ENABLE_RINGS, NULL, 0\) = 0$'
expect "a wait" 'io_uring_enter\([0-9]+, 0, 1, IORING_ENTER_GETEVENTS\|IORING_ENTER_EXT_ARG, \{sigmask=NULL, sigmask_sz=8, min_wait_usec=0, ts=\{tv_sec=0, tv_nsec=1000\}\}, 24\) = -1 ETIME '
expect "refused params" 'io_uring_setup\(4, \{flags=0x40000000, sq_thread_cpu=0, sq_thread_idle=0\}\) = -1 EINVAL '

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
