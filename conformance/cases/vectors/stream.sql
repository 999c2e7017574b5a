insert into v select id+10,v,hv,sv from v order by id; update v set v='[9,8]' where id=11; delete from v where id=13;
