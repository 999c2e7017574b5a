create table t(id serial primary key, v varchar(3), n numeric(3,2), f float8, v2 varchar(9), ia int[]);
insert into t(v) values ('x');
