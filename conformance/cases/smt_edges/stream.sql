insert into prefixes values (2,'y');
delete from prefixes where id=1;
insert into headers values (2,2);
delete from headers where id=1;
insert into outbox values (2,'customer','2','Created','p','n');
insert into times select id+10,z,d,t from times order by id;
