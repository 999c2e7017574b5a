create table t(id int primary key, a int default 5, s text default 's');
insert into t values (1,null,null),(2,2,'x');
