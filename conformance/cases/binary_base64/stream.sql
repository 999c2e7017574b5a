insert into b select id+10,b,nn,ba,u,ua from b order by id; delete from b where id=11;
