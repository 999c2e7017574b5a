create table t(id int primary key, v text default 'dflt', n int default 7, route text); alter table t replica identity full;
insert into t values (1, null, null, 'left');
