create table n(id int primary key, n numeric, p numeric(1000,500), f real, d double precision, i bigint, m money);
insert into n values (1, repeat('9', 131072)::numeric, -(repeat('8', 500) || '.' || repeat('7', 500))::numeric, '3.4028235e38', '1.7976931348623157e308', 9223372036854775807, '92233720368547758.07');
