insert into p(a,b,v) values (1,10,'one'); select pg_sleep(0.7);
alter table p rename column pk to key; select pg_sleep(0.7); insert into p(a,b,v) values (2,20,'two'); select pg_sleep(0.7);
alter table p drop constraint p_pkey; alter table p add primary key(b,a); select pg_sleep(0.7); insert into p(a,b,v) values (3,30,'three'); select pg_sleep(0.7);
alter table p drop constraint p_pkey; select pg_sleep(0.7); insert into p(a,b,v) values (4,40,'no key'); select pg_sleep(0.7);
alter table p add primary key(key); select pg_sleep(0.7); insert into p(a,b,v) values (5,50,'again'); delete from p where key=5; select pg_sleep(0.7);
insert into o values (5,6,7,8); select pg_sleep(0.7); alter table o add column e int; select pg_sleep(0.7); insert into o values (9,10,11,12,13); update o set a=19 where a=9; select pg_sleep(0.7);
