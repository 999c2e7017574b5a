insert into outbox values ('00000000-0000-0000-0000-000000000001','User','10711','UserCreated','x',1,'2019-03-24 22:10:59.123456',false,'acme',0);
insert into outbox values ('00000000-0000-0000-0000-000000000002','User','20711','UserCreated',null,1,'2019-03-24 22:10:59.123456',false,'acme',0);
insert into outbox values ('00000000-0000-0000-0000-000000000003','User','30711','UserCreated','',1,'2019-03-24 22:10:59.123456',false,'acme',0);
