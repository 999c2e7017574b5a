create table m(id int primary key, csh money, nn money not null); insert into m values (1,'$1.25',-0.05),(2,null,0.15);
