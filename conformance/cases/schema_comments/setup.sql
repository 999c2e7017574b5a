create table t(id int primary key, a int, p point, n numeric); comment on column t.a is 'a comment'; comment on column t.p is 'place';
insert into t values (1,1,'(1,2)',1.5);
