create table fresh(id int primary key, v text); insert into fresh values (1,'new'); select pg_sleep(0.7);
alter table old rename to renamed; select pg_sleep(0.7); insert into renamed values (2,'y'); select pg_sleep(0.7);
create schema s2; create table s2.a(pk serial primary key, aa int); insert into s2.a(aa) values (1),(2); select pg_sleep(0.7);
drop table fresh; create table fresh(id int primary key, w int); insert into fresh values (2,3); select pg_sleep(0.7);
alter table s2.a add column bb int default 5; select pg_sleep(0.7); insert into s2.a(aa) values (3); select pg_sleep(0.7);
