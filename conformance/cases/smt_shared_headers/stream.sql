update a set v = 'z' where id = 1;
delete from a where id = 1;
update a set id = 3 where id = 2;
delete from b where id = 1;
update b set id = 3 where id = 2;
delete from c where id = 1;
update c set id = 3 where id = 2;
