create table sig(id varchar(42) primary key, type varchar(32) not null, data varchar(2048));
create type size as enum ('small', 'middle', 'large');
create table by_enum(k size primary key, v int);
insert into by_enum values ('large', 3), ('small', 1), ('middle', 2);
create table by_numeric(k numeric(8,2) primary key, v int);
insert into by_numeric values (10.5, 4), (-1, 1), (9, 3), (2, 2);
create table nullable(a int, b text, v int);
insert into nullable values (1, 'x', 1), (1, null, 2), (null, 'y', 3), (2, 'z', 4), (null, null, 5), (1, 'a', 6);
