insert into c select id+10,i,i13,e,n,l,la from c order by id; delete from c where id=11;
