insert into orders_2 values (1, 'us', '2024-01-02 03:04:05.25', '2024-07-02 23:04:05.123456+00', -2.25, null);
update orders_1 set region = 'é', n = null where id = 1;
update orders_2 set v = 'b' where id = 1;
delete from orders_2;
