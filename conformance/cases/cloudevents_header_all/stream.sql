insert into t(id) values (2);
begin; update t set amount = -99.99, txt = 'é "q"' where id = 1; insert into keyless values ('x'); commit;
update t set id = 3 where id = 2;
delete from t where id = 1;
select pg_logical_emit_message(true, 'p', 'content');
truncate t;
