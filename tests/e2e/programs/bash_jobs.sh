# Job control without a terminal: process groups, stops and continues, fg and bg.
# needs: bash
set -m
sleep 30 & sleep 31 &
jobs | sed 's/ *$//'
kill %1 %2
wait
jobs
sleep 30 & p=$!
kill -STOP $p
while [ "$(ps -o stat= -p $p | cut -c1)" != T ]; do sleep 0.01; done
jobs | sed 's/ *$//'
bg %1 >/dev/null; jobs | sed 's/ *$//'
kill %1; wait %1 2>/dev/null; echo $?
(echo $(ps -o pgid= -p $BASHPID)) | { read -r g; [ "$g" != "$(ps -o pgid= -p $$)" ] && echo own group; }
sh -c 'sleep 20 & sleep 20 & wait' & p=$!
while [ "$(ps -o pid= --ppid $p | wc -l)" != 2 ]; do sleep 0.01; done
kill -TERM -- -$p; wait $p 2>/dev/null; echo $?
while [ -n "$(ps -o pid= -g $p 2>/dev/null)" ]; do sleep 0.01; done; echo group gone
sleep 0.2 & fg %+ >/dev/null; echo fg $?
setsid sh -c 'ps -o pid=,sid=,pgid= -p $$' | awk '{ print $1 == $2 && $2 == $3 }'
set +m
(sleep 30 & echo $! >pid; wait) & sub=$!
while [ ! -s pid ]; do sleep 0.01; done
kill $sub; wait $sub 2>/dev/null
orphan=$(cat pid); ps -o comm= -p "$orphan"; kill "$orphan"
nohup sh -c 'kill -HUP $$; echo survived' 2>/dev/null
timeout -s USR1 1 sh -c 'trap "echo got usr1; exit 4" USR1; while :; do sleep 0.01; done'; echo $?
timeout --preserve-status 0.1 sleep 5; echo $?
timeout -k 0.1 1 sh -c 'trap "" TERM; while :; do sleep 0.01; done'; echo $?
kill -l | tr -s ' \t' '\n' | grep -c SIG
kill -0 $$ && echo alive; kill -0 999999 2>/dev/null || echo none
