create table flat(id int primary key, v text);
create table versions(id int primary key, aggregatetype varchar(255) not null, aggregateid varchar(255) not null, type varchar(255), payload jsonb, version int);
create table lists(id int primary key, aggregatetype varchar(255) not null, aggregateid varchar(255) not null, type varchar(255), payload jsonb);
create table bare(id int primary key, v text);
insert into flat values (1,'x');
insert into versions values (1,'order','1','Created','{"a":1}',1);
insert into lists values (1,'order','1',null,'{"a":[null],"b":null}');
insert into bare values (1,'x');
