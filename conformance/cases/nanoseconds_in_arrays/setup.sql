create table t(id int primary key, a timestamp[], b timestamp(3)[]);
insert into t values (1,'{2010-10-16 00:00:00,3244-11-11 23:56:32,NULL}','{1969-12-31 23:59:59.999,0001-01-01 00:00:00}');
