create table g(id int primary key, a int, b int generated always as (a*2) stored, v int generated always as (a+1) virtual, c text default 'c');
insert into g(id,a) values (1,1);
create publication cdc for table g with (publish_generated_columns = stored);
