create table zones(id int primary key, at timestamptz);
create table dates(id int primary key, at timestamp);
create table hoisted(id int primary key);
create table box(id int primary key, aggregatetype varchar(255) not null, aggregateid varchar(255) not null, type varchar(255), payload text);
insert into zones values (1,'2024-01-02 03:04:05+00');
insert into dates values (1,'2041-01-04 16:45:58.79');
insert into hoisted values (1);
insert into box values (1,'order','1','Created','{"a":1}');
