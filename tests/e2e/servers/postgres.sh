# Postgresql with psql and pgbench
# needs: /usr/lib/postgresql/15/bin/initdb /usr/lib/postgresql/15/bin/pgbench psql
B=/usr/lib/postgresql/15/bin
if [ $(id -u) = 0 ]; then # the server refuses to run as root
	chown nobody . && exec setpriv --reuid nobody --regid nogroup --clear-groups bash "$0"
fi
D=$PWD; export PGHOST=$D PGPORT=$PORT PGDATABASE=postgres
$B/initdb -D $D/data >log 2>&1; echo $?
$B/pg_ctl -D $D/data -o "-k $D -h 127.0.0.1" -l server.log -w start >log 2>&1; echo $?
psql -Atc 'create table t as select generate_series(1, 20000) i; select count(*), sum(i) from t'
psql -Atc 'create index on t(i); vacuum analyze t; explain (costs off) select * from t where i = 7'
psql -h 127.0.0.1 -Atc 'begin; delete from t where i % 2 = 0; select count(*) from t; rollback; select count(*) from t'
$B/pgbench -q -i -s 1 >log 2>&1; echo $?
$B/pgbench -n -c 4 -j 2 -t 50 2>&1 | grep -E 'actually|failed'
psql -Atc 'select sum(abalance) = (select sum(delta) from pgbench_history) from pgbench_accounts'
psql -c 'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; select count(*) from t a, t b where a.i = b.i'
$B/pg_ctl -D $D/data stop -m fast >log; echo $?
$B/pg_controldata -D $D/data | grep state
