create table sig(id varchar(42) primary key, type varchar(32) not null, data varchar(2048));
create table t(v text, b text, "A" int, primary key ("A", b));
insert into t select 'v' || g, chr(96 + g % 3), g / 3 from generate_series(1, 7) g;
insert into t values ('tab', E'x\ty\\', 2), ('quote', 'it''s', -1);
