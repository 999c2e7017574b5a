insert into a select id+10,t,tz,ts,tsz,d from a; update a set t='{}' where id=11;
