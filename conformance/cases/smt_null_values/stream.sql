insert into n values (3,null);
delete from n where id=1;
