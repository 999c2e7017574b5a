create schema "Quoted_"" . Schema"; create schema "схема";
create table "Quoted_"" . Schema"."Quoted_"" . Table" (pk serial, "Quoted_"" . Text Column" text, primary key(pk));
create table "схема"."таблица 表"("ключ" int primary key, "值" text, "café" text);
create table "back\slash"(id int primary key, "col\umn" text); create table "dbz_878_some|test@data"(id int primary key); create table "it's"(id int primary key, "it's" text);
create table "UPPER"(id int primary key, "Mixed" text);
insert into "Quoted_"" . Schema"."Quoted_"" . Table" values (1,'some text'); insert into "схема"."таблица 表" values (1,'значение','é'); insert into "back\slash" values (1,'x'); insert into "dbz_878_some|test@data" values (1); insert into "it's" values (1,'x'); insert into "UPPER" values (1,'x');
