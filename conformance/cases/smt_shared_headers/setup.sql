create table a (id int primary key, v text);
create table b (id int primary key, v text);
create table c (id int primary key, v text);
alter table a replica identity full;
insert into a values (1, 'x'), (2, 'y');
insert into b values (1, 'x'), (2, 'y');
insert into c values (1, 'x'), (2, 'y');
