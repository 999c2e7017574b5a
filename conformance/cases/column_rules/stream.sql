insert into m select id+10,a,b,c,d,i,nn,j from m order by id; update m set a='changed' where id=11; delete from m where id=12;
