insert into g(id,a) values (2,2);
update g set a=5 where id=1;
alter table g replica identity full;
update g set a=6 where id=1;
delete from g where id=2;
