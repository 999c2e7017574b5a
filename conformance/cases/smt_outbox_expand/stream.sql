insert into outbox values ('00000000-0000-0000-0000-000000000001','order','o-1','{"id": 1, "lines": [1, 2], "none": null, "empty": [], "deep": {"x": 1.5, "y": [{"a": 1}, {"a": 2}]}, "big": 3000000000, "ok": true}','2024-01-01 00:00:00.123456',1,0,'n');
insert into outbox values ('00000000-0000-0000-0000-000000000003','order',null,null,null,1,0,'x');
update outbox set note = 'changed' where aggregateid = 'o-1';
delete from outbox where aggregateid = 'o-1';
