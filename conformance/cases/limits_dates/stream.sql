insert into d select id+10,d,t,z,a from d order by id;
insert into d values (21,null,'4713-11-24 00:00:00 BC','4713-11-24 00:00:00+00 BC',null),(22,null,'0001-12-31 23:59:59.999 BC','0001-12-31 23:59:59.999999+00 BC',null);
