create table m(id int primary key, a varchar(255), b varchar(20), c text, d char(6), i int, nn varchar(10) not null default 'dflt', j json);
insert into m values (1,'hello','test','test','abc',5,'n','{}'),(2,null,null,null,null,null,'nn',null);
