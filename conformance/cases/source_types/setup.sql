create type mood as enum('a'); create domain price as numeric(8,3);
create table t(pk serial primary key, s smallserial, b bigserial, v varchar(3), n numeric(3,2), nv numeric, c char(5), t text, ti time(3), ts timestamp(2), tz timestamptz, d date, iv interval, bo bool, r real, f float8, i2 smallint, i8 bigint, bi bit(5), vb varbit(7), u uuid, ia int[], na numeric(5,1)[], va varchar(7)[], m mood, p price, j jsonb, by bytea, mo money, x numeric(6,2) default 1.5);
create table u(id int primary key, v varchar(3), n numeric(3,2), f float8);
insert into t(v) values ('x'); insert into u values (1,'x',1,1);
