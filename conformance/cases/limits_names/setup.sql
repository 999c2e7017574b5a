create schema "ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß"; create schema "dot.ted";
create table "ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß"."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü"(id int primary key, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" int, "ééééééééééééééééééééééééééééééé" int, "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀" int, "漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢" int, "q""'\x" int, ". .. .." int, " lead" int, "trail " int, "tab	bed" int, "%s{}$1" int, "__op" int, "before" int, "ts_ms" int, "UPPER" int, "select" int); alter table "ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß"."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü" replica identity full;
create table "dot.ted"."a.b"(id int primary key, "c.d" text);
create table public.ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt(kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk int primary key, v text);
insert into "ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß"."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü" values (1,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14);
insert into "dot.ted"."a.b" values (1,'x');
insert into public.ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt values (1,'x');
