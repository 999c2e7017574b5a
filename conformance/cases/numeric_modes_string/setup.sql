create table d(id int primary key, d numeric(3,2) default 1.10, z numeric(4) default 10, v numeric default 10.1111, nd numeric(3,2) default null, nn numeric(3,2) not null default 0.10, plain numeric(8,3), m money default 7.5);
insert into d(id) values (1); insert into d values (2,null,null,null,null,2.5,1.5,null);
