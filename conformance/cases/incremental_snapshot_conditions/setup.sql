create table sig(id varchar(42) primary key, type varchar(32) not null, data varchar(2048));
create table t(id int primary key, v text, n int);
insert into t select g, 'v' || g, g % 3 from generate_series(1, 10) g;
