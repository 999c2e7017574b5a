create table sig(id varchar(42) primary key, type varchar(32) not null, data varchar(2048));
create table t1(id int primary key, v text default 'x');
create table t2(id uuid primary key, at timestamptz, n numeric(5,2));
create table keyless(v text);
create table by_columns(a int, b int, v text);
insert into t1 select g, 'v' || g from generate_series(1, 4) g;
insert into t2 select ('00000000-0000-0000-0000-00000000000' || g)::uuid, '2024-05-06 07:08:09+00', g + 0.5 from generate_series(1, 4) g;
insert into keyless values ('a'), ('b');
insert into by_columns values (1, 2, 'x'), (2, 1, 'y'), (3, 0, 'z'), (0, 3, 'w'), (5, 3, 'u');
