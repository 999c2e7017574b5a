insert into "ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß"."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü" values (2,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14);
update "ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß"."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü" set "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" = 99 where id = 2;
delete from "ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß"."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü" where id = 2;
update "dot.ted"."a.b" set "c.d" = 'y';
update public.ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt set kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk = 2;
