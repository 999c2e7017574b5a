create type t as enum('c','b'); alter type t add value 'a' after 'c';
create table e(id int primary key, v t default 'b'); insert into e values (1,'c'),(2,'a');
