create table m(id int primary key, csh money, nn money not null default 1.5); alter table m replica identity full;
create table k(id int primary key, csh money not null);
insert into m values (1,'$1234.11',0),(2,'-$0.01',3),(3,0,-3),(4,null,1),(5,'92233720368547758.07','-92233720368547758.08'); insert into k values (1,-5);
