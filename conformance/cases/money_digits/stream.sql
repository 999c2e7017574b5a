insert into m select id+10,csh,nn from m order by id; delete from m where id=11;
