insert into d select id+10,d,z,v,nd,nn,plain,m from d order by id;
