create table t(id int primary key, short varchar(3), long varchar(9), def text default 'a default', req text not null, b bytea, u uuid not null);
insert into t values (1,'abc','abcdefghi','default','required','\x0102030405','00000000-0000-0000-0000-000000000001'),(2,null,null,null,'','\x0102',gen_random_uuid());
update t set u='00000000-0000-0000-0000-000000000002' where id=2;
