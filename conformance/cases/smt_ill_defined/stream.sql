insert into zones values (2,'2024-06-02 03:04:05+00');
insert into dates values (2,'1970-01-01 00:00:00.005');
insert into dates values (3,'2041-01-04 16:45:58.79');
delete from hoisted where id=1;
insert into box values (2,'order','2','Created','{"a":12345678901234567890123}');
insert into box values (3,'order','3','Created','{"a":1} and more');
insert into box values (4,'order','4','Created','{"a":1,"b":[]}');
insert into box select 5,'order','5','Created','{"a":' || repeat('[', 130) || '1' || repeat(']', 130) || '}';
insert into box values (6,'order','6','Created','{"a":2}');
