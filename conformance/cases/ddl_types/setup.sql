create table c(id int primary key, v varchar(50), n numeric(8,4), x numeric);
