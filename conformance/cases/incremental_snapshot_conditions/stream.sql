insert into sig values ('one', 'execute-snapshot', '{"data-collections": ["public.t"], "type": "INCREMENTAL", "additional-conditions": [{"data-collection": "public.t", "filter": "n = 1 or v = ''v5''"}]}');
select pg_sleep(4);
insert into t values (11, 'between', 1);
insert into sig values ('two', 'execute-snapshot', '{"data-collections": ["public.t"], "type": "incremental", "additional-conditions": [{"data-collection": "public.t", "filter": "id > 7"}], "surrogate-key": "v"}');
select pg_sleep(4);
update t set v = 'last' where id = 3;
