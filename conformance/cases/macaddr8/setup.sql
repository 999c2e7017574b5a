create table m(id int primary key, m macaddr8, v varbit(1), b bit); insert into m values (1,'08:00:2b:01:02:03:04:05','1','0'),(2,null,null,null);
