create table old(id int primary key, v text); insert into old values (1,'x');
