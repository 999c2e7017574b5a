insert into m select id+10,m,v,b from m order by id;
