create schema s1; create schema s2; create table s1.a(pk serial primary key, aa int); create table s2.a(pk serial primary key, bb varchar(20), aa int); create table s1.b(aa int, bb text, cc int not null);
insert into s1.a(aa) values (1); insert into s2.a(bb,aa) values ('x',1); insert into s1.b values (1,'x',2),(null,null,3);
