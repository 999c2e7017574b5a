create type test_type as enum('V1','V2'); create type "Mixed Type" as enum('x','y,z'); create schema other; create type other.test_type as enum('O1','O2');
create table e(id int primary key, v test_type not null default 'V1'::test_type, n test_type default null, q "Mixed Type", o other.test_type, a test_type[], qa "Mixed Type"[], an test_type[] not null default '{}');
alter table e replica identity full;
insert into e(id,q,o,a,qa) values (1,'y,z','O2','{V1,V2}','{"y,z"}');
