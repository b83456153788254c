# What bash can do that needs its kernel: substitution, coprocesses, traps, redirections.
# needs: bash
echo '== substitution'
diff <(seq 1 5) <(seq 2 6)
cat <(echo a) <(echo b) <(cat <(echo nested))
tee >(tr a-z A-Z >upper) >(wc -c >count) <<<'some words' >/dev/null
while [ ! -s upper ] || [ ! -s count ]; do sleep 0.01; done
cat upper count
echo "$(echo $(echo deep $(echo deeper)))" `echo old`
mapfile -t lines < <(seq 1 1000); echo ${#lines[@]} ${lines[999]}

echo '== here documents'
cat <<-EOF
	tabs $((1 + 1)) $HOME_UNSET gone
	EOF
cat <<'EOF'
$literal `text`
EOF
cat <<<"here string"
big=$(seq 1 30000); wc -c <<<"$big"

echo '== coprocess'
coproc BC { while read -r x; do echo $((x * 2)); done; }
coproc_pid=$BC_PID # bash forgets it when it has ended
echo 21 >&"${BC[1]}"; read -r answer <&"${BC[0]}"; echo "$answer"
exec {fd}>&"${BC[1]}"-; exec {fd}>&-
wait "$coproc_pid"; echo "coproc $?"

echo '== traps'
(trap 'echo exit trap' EXIT; exit 3); echo $?
(trap 'echo int' INT; kill -INT $BASHPID; echo after)
(trap 'echo err $?' ERR; false; true)
(trap 'echo debug' DEBUG; :)
trap 'echo usr1' USR1; for i in 1 2 3; do kill -USR1 $$; done; trap - USR1
(trap '' TERM; kill -TERM $BASHPID; echo ignored)
bash -c 'trap "echo child died" CHLD; (exit 1) & wait; :'
sh -c 'kill -9 $$'; echo $?
sh -c 'kill -SEGV $$' 2>/dev/null; echo $?
bash -c 'sleep 5 & p=$!; trap "kill $p; echo woken; exit 6" TERM; (sleep 0.1; kill $$) & wait $p'; echo $?

echo '== background'
for i in 3 1 2; do (sleep "0.$i"; exit $i) & done
wait -n; echo "first $?"; wait -n; echo "second $?"; wait; echo "all $?"
sleep 0.05 & p=$!; wait $p; echo $?; wait $p; echo $?
(exit 9) & wait $!; echo $?
wait 999999 2>/dev/null; echo $?
for i in $(seq 1 40); do true & done; wait
{ sleep 0.02; echo late; } & echo early; wait

echo '== pipes'
seq 1 100000 | head -n 1; echo "${PIPESTATUS[@]}"
set -o pipefail; false | true; echo $?; set +o pipefail
yes | head -n 20000 | sort | uniq -c
exec 5<>fifo_none 2>/dev/null; rm -f fifo_none; mkfifo f; (echo through fifo >f) & cat f; wait
exec 7<>f; echo both >&7; read -r x <&7; echo $x; exec 7>&-
(echo out; echo err >&2) 2>&1 >/dev/null
ls /nonexistent 2>&1 | wc -l
{ echo one; echo two; } >file; { read a; read b; } <file; echo $b $a
exec 3<file; read -u 3 x; echo $x; cat <&3; exec 3<&-
echo append >>file; wc -l <file; : >file; wc -c <file
set -o noclobber; echo x >file 2>/dev/null || echo noclobber; echo y >|file; set +o noclobber
read -t 0.05 x < <(sleep 1); [ $? -gt 128 ] && echo timeout
read -n 3 x <<<abcdef; echo $x
printf '%s\n' {a..e}{1..3} | paste -sd ' '

echo '== limits'
(ulimit -n 30; ulimit -n; exec 40>x 2>/dev/null || echo too many)
(ulimit -f 1; dd if=/dev/zero of=limited bs=1k count=10 2>/dev/null; echo $?; wc -c <limited)
(ulimit -c 0; ulimit -s 1024; ulimit -s)
(ulimit -v 50000; python3 -c 'x = "a" * 100000000' 2>/dev/null; echo $?)
(ulimit -t 1; while :; do :; done) 2>/dev/null; echo $?
(ulimit -u 1000000 2>/dev/null); umask 027; touch u; stat -c %a u; umask

echo '== other'
cd /usr/share && pwd && cd - >/dev/null
[[ abc =~ ^a(.)c$ ]] && echo "${BASH_REMATCH[1]}"
declare -A m=([x]=1 [y]=2); echo "${m[x]}${m[y]}" "${!m[@]}" | tr ' ' '\n' | sort | paste -sd ' '
shopt -s globstar nullglob; mkdir -p g/h/i; touch g/a g/h/b g/h/i/c; echo g/**/[abc] none*
type -t cd ls for; hash -r; command -v sh
time -p true 2>/dev/null; TIMEFORMAT=; 
echo $BASH_SUBSHELL; (echo $BASH_SUBSHELL; (echo $BASH_SUBSHELL))
[ -p /dev/stdin ] && echo pipe; [ -e /dev/fd/1 ] && echo fd; [ -c /dev/null ] && echo chardev
echo via /dev/stdout >/dev/stdout; echo via fd >/dev/fd/1
bash -c 'echo $0 $# $@' name a b c
exec -a othername bash -c 'echo $0' 
