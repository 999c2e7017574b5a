update t set b='y' where id=1; select pg_sleep(0.7);
alter table t add column d varchar(10); select pg_sleep(0.7); update t set d='d' where id=1; select pg_sleep(0.7);
alter table t rename column d to e; select pg_sleep(0.7); update t set e='e' where id=1; select pg_sleep(0.7);
alter table t drop column a; select pg_sleep(0.7); update t set b='z' where id=1; update t set b=b where id=1; select pg_sleep(0.7);
alter table t alter column c type varchar(7); select pg_sleep(0.7); update t set c='cc' where id=1; select pg_sleep(0.7);
alter table t alter column e type int using 5; select pg_sleep(0.7); update t set e=6 where id=1; delete from t where id=1; select pg_sleep(0.7);
