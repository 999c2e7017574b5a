insert into outbox values (2,'order','1','Created','p');
insert into good values (2,'x');
insert into routes values (2,1);
insert into arrays values (2,'{1}','x');
insert into good values (3,'x');
delete from envelopes where id=1;
delete from good where id=1;
