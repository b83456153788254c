# sqlite3: write-ahead log, several processes (whose rows are of one length: their order is open), vacuum, backup, big transactions.
# needs: sqlite3
sqlite3 db 'pragma journal_mode=wal; create table t(id integer primary key, v text);'
for p in 1 2 3 4; do
	(for i in $(seq 10 24); do echo "insert into t(v) values ('p$p-$i');"; done | sqlite3 -cmd '.timeout 20000' db) &
done
wait
sqlite3 db 'select count(*), count(distinct v) from t; pragma integrity_check; pragma wal_checkpoint(truncate);'
sqlite3 db "with recursive c(n) as (select 1 union all select n + 1 from c where n < 50000) insert into t(v) select 'row ' || n from c; select count(*), max(id) from t;"
sqlite3 db 'create index i on t(v); explain query plan select * from t where v = "row 7"; select id from t where v = "row 7"; delete from t where id % 2; vacuum; select count(*) from t;'
sqlite3 db '.backup copy' && sqlite3 copy 'select count(*) from t' && sqlite3 db .dump | sqlite3 other && sqlite3 other 'select count(*) from t'
for mode in delete truncate persist memory off; do sqlite3 db "pragma journal_mode=$mode; begin; update t set v = v || 'x' where id < 1000; commit; pragma quick_check;"; done
sqlite3 db 'pragma mmap_size=100000000; select sum(length(v)) from t; pragma locking_mode=exclusive; begin immediate; commit;'
(printf 'begin exclusive;\n.shell touch begun\n'; while [ ! -e tried ]; do sleep 0.05; done; printf 'commit;\n') | sqlite3 db &
while [ ! -e begun ]; do sleep 0.05; done; sqlite3 db 'insert into t(v) values (1)' 2>&1; touch tried; wait
sqlite3 -csv db 'select * from t limit 3' >x.csv; sqlite3 db '.mode csv' '.import x.csv u' 'select count(*) from u'; sqlite3 db "attach 'other' as o; select count(*) from o.t;"
sqlite3 new 'begin; create table a(b); insert into a values (zeroblob(5000000)); rollback; select count(*) from sqlite_master;'; sqlite3 :memory: "select json_array(1, 2)"
head -c 3000 db >bad; sqlite3 bad 'select * from t' 2>&1 | head -n 1; ls | sort
