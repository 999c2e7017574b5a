insert into sig values ('one', 'execute-snapshot', '{"data-collections": ["public.t"]}');
select pg_sleep(4);
delete from t where "A" = -1;
