create table prefixes(id int primary key, v text);
create table headers(id int primary key, v int); alter table headers replica identity full;
create table outbox(id int primary key, aggregatetype varchar(255) not null, aggregateid varchar(255) not null, type varchar(255), payload text, note text);
create table times(id int primary key, z timestamptz, d timestamptz default '2049-10-06 06:03:57.89+00', t timestamp);
insert into prefixes values (1,'x');
insert into headers values (1,1);
insert into outbox values (1,'order','1','Created','p','n');
insert into times values (1,'132357-08-16 22:22:16.1+00',null,'290000-01-01 00:00:00'),(2,'0044-03-15 12:00:00+00 BC','9999-12-31 23:59:59+00','0044-03-15 12:00:00 BC');
