insert into m select id+10,csh,nn from m order by id; delete from m where id=12; delete from m where id=15; update m set csh=-7 where id=13; delete from k;
