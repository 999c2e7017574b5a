insert into t(id) values (2);
update t set amount = -99.99, f = 0.1, d = -0.0, small = 127 where id = 1;
delete from t where id = 1;
