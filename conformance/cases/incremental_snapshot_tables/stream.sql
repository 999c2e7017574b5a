insert into sig values ('one', 'execute-snapshot', '{"data-collections": ["public.t[12]", "public.keyless", "public.nowhere", "public.by_columns"], "type": "incremental"}');
select pg_sleep(6);
insert into t1 values (9, 'after');
insert into t2 values ('00000000-0000-0000-0000-000000000009', null, null);
