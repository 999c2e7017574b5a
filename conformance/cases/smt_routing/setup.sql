create table orders_1(id int primary key, region text, at timestamp(3), tz timestamptz, n numeric(6,2), v text); alter table orders_1 replica identity full;
create table orders_2(id int primary key, region text, at timestamp(3), tz timestamptz, n numeric(6,2), v text); alter table orders_2 replica identity full;
insert into orders_1 values (1, 'eu', '2024-07-02 03:04:05.5', '2024-01-02 03:04:05+00', 1.5, 'a');
