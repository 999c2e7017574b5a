create table "a	b"(id int primary key, "tab	bed" int, "1digit" int, "_under" int, "é😀" text);
insert into "a	b" values (1,1,2,3,'x');
