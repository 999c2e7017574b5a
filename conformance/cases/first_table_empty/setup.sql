create table a(id int primary key); create table b(id int primary key); create table c(id int primary key);
insert into b values (1),(2); insert into c values (1);
