insert into outbox values ('00000000-0000-0000-0000-000000000001','User','10711','UserCreated','{"email": "a@b.c", "n": 1, "big": 12345678901, "d": 1.5, "b": true, "nothing": null, "list": [1, 2], "empty": [], "deep": {"x": "y", "l": [{"k": 1}]}}',1,'2019-03-24 22:10:59.123456',false,'acme',0);
insert into outbox values ('00000000-0000-0000-0000-000000000003','User','30711','UserCreated',null,1,'2019-03-24 22:10:59.123456',false,'acme',0);
insert into outbox values ('00000000-0000-0000-0000-000000000004','User','40711','UserCreated','{"x": 1}',1,'2019-03-24 22:10:59.123456',false,'acme',0);
