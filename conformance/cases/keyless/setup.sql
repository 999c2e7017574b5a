create table t1(a int, b text); create table t2(pk int, uk int not null, v text); create unique index t2_uk on t2(uk); create table t3(a int, u int); create unique index t3_u on t3(u) where a>0; create table t4(a int, b text); alter table t4 replica identity full;
insert into t1 values (1,'x'),(2,null); insert into t2 values (1,10,'x'); insert into t3 values (1,2); insert into t4 values (1,'x');
