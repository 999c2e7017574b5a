insert into w(id,c1599) values (2,7);
update w set c2=9 where id=1;
delete from w where id=2;
