create table t(id int primary key, v text); create table log(id serial primary key, w text); insert into t values (1,'x');
