create table t(id int primary key, amount numeric(8,2) default 1.50, created timestamp, at timestamptz, flag bool default true, txt text default 'dflt', raw bytea, tags text[], doc jsonb);
create table keyless(v text);
insert into t values(1, 12.5, '2024-01-02 03:04:05.678901', '2024-07-02 03:04:05.5+02', null, null, '\x0102ff', array['a',null], '{"a": 1}');
insert into keyless values ('s');
