# Redis-server with redis-benchmark
# needs: redis-server redis-benchmark
redis-server --port $PORT --save "" --unixsocket s --appendonly yes --appendfsync always >log 2>&1 &
S=$!; C="redis-cli -p $PORT"
i=0; until $C ping >/dev/null 2>&1; do i=$((i+1)); [ $i -gt 99 ] && { cat log; exit 1; }; sleep 0.1; done
$C set a 1; $C incr a; $C append a x; $C get a; $C lpush l 1 2 3; $C lrange l 0 -1
$C hset h f v g w; $C hgetall h; $C zadd z 1 one 2 two; $C zrange z 0 -1 WITHSCORES
$C setrange k 99999 x | wc -c; $C get k | md5sum; $C expire a 100; $C ttl a | wc -c
$C eval 'return redis.call("incrby", KEYS[1], 5)' 1 n; redis-cli -s s dbsize
$C subscribe news >sub 2>&1 & sleep 0.3; $C publish news hi; $C set a no; $C incr a
redis-benchmark -p $PORT -q -n 3000 -t ping,set,get,lpush,lrange -c 50 --csv | cut -d, -f1 | grep -v rps
redis-benchmark -s s -q -n 3000 -t set,get -c 20 -P 16 --csv | cut -d, -f1
$C debug jmap >/dev/null 2>&1; $C bgrewriteaof | cut -c1-10; sleep 0.5
$C dbsize; $C shutdown; wait $S; echo $?
