insert into t values (2, 'x', 1, ' ');
update t set v = 'y' where id = 1;
update t set id = 9 where id = 2;
delete from t where id = 1;
truncate t;
