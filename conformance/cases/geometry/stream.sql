insert into g select id+10,p,ml,nn,pa,ga,gd from g order by id; delete from g where id=11;
