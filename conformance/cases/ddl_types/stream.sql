insert into c values (1,'a',1.5,2); insert into c values (2,'b',1.25,3); select pg_sleep(0.7);
alter table c alter column v type varchar(20), alter column n type numeric(10,2); select pg_sleep(0.7); insert into c values (3,'c',2.5,4); select pg_sleep(0.7);
alter table c alter column v type varchar, alter column x type numeric(5,1); select pg_sleep(0.7); insert into c values (4,'d',2.5,4.5); select pg_sleep(0.7);
alter table c alter column v type text, alter column n type numeric; select pg_sleep(0.7); insert into c values (5,'e',2.125,4.5); select pg_sleep(0.7);
alter table c alter column n set not null, alter column n set default 9; select pg_sleep(0.7); insert into c(id,v) values (6,'f'); select pg_sleep(0.7);
