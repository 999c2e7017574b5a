create table t(id int primary key, a int, b text, c text default 'c'); alter table t replica identity full; insert into t values (1,1,'x');
