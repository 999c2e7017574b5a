create table n(id int primary key, v text);
insert into n values (1,'x'),(2,null);
