#!/bin/bash
# /dev/stdin, /dev/stdout, /dev/fd/N and /proc/self/fd/N open inherited descriptors
# again: the same natively and in nacre, for files, pipes and devices.
set -u
nacre=${NACRE:-build/nacre}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# same WHAT REDIRECTION SCRIPT: the script's output (in $dir/out, or through cat)
# and status are those of a native run.
same() {
	local how
	for how in native nacre; do
		local run=(timeout 300 sh -c "$3")
		[ $how = native ] || run=(timeout 300 "$nacre" do -- sh -c "$3")
		printf 'first line\n' >"$dir/out"
		printf 'one\ntwo\nthree\n' >"$dir/in"
		case $2 in
		file) "${run[@]}" <"$dir/in" >"$dir/out" 2>/dev/null ;;
		append) "${run[@]}" <"$dir/in" >>"$dir/out" 2>/dev/null ;;
		both) "${run[@]}" </dev/null 1<>"$dir/out" 2>/dev/null ;;
		pipe) cat "$dir/in" | "${run[@]}" 2>/dev/null | cat >"$dir/out" ;;
		device) "${run[@]}" </dev/null >/dev/null 2>/dev/null ;;
		esac
		status=("${PIPESTATUS[@]}")
		echo "status ${status[1]:-${status[0]}}" >"$dir/status"
		cat "$dir/out" "$dir/status" >"$dir/$how"
	done
	if cmp -s "$dir/native" "$dir/nacre"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "$1, $2: not the same:"
		diff -a "$dir/native" "$dir/nacre"
	fi
}

same "written by name" pipe 'echo a; echo b >/dev/stdout; echo c >/dev/fd/1; echo d >>/proc/self/fd/1; echo e'
same "a truncated file" file 'echo aaaa; echo b >/dev/stdout'
same "a position of its own" both 'echo abc; exec 3>>/dev/stdout; echo x >&3; echo y >&3; echo z'
same "appended" file 'echo a; echo b >>/dev/stdout; echo c >>/dev/stdout; exec 1>>/dev/stdout; echo d'
same "appended" append 'echo a; echo b >>/dev/stdout; echo c'
same "read by name" file 'cat /dev/stdin; cat /dev/stdin; head -n 1; cat'
same "read by name" pipe 'read -r x; echo "$x"; cat /dev/stdin; cat /proc/self/fd/0; echo end'
same "a program reads its script" file 'echo "echo from a script" | sh /dev/stdin'
same "tee" pipe 'seq 1 5 | tee /dev/stdout /dev/fd/1 | sort | wc -l'
same "the null device" device 'echo x >/dev/stdout && cat /dev/stdin && test -c /dev/stdout'
same "what it is" file 'test -f /dev/stdout && test -f /dev/stdin && stat -L -c %s /dev/stdin'
same "what it is" pipe 'test -p /dev/stdout && test -p /dev/stdin && echo pipes'
same "links show the access mode" file 'stat -c %A /proc/self/fd/0 /proc/self/fd/1'
same "truncated by a program" both 'python3 -c "import os; os.truncate(1, 3); print(os.fstat(1).st_size)"'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
