insert into sig values ('1', 'execute-snapshot', '{"data-collections": ["public.by_enum"]}');
select pg_sleep(3);
insert into sig values ('2', 'execute-snapshot', '{"data-collections": ["public.by_numeric"]}');
select pg_sleep(3);
insert into sig values ('3', 'execute-snapshot', '{"data-collections": ["public.nullable"]}');
select pg_sleep(4);
update by_enum set v = 0 where k = 'middle';
