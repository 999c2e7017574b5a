create table b(id int primary key, b bytea, nn bytea not null, ba bytea[], u tsquery, ua tsquery[]);
insert into b values (1,'\x0001fbff','\x2b2f3e3f','{"\\x0001fb","\\xff",NULL}','fat <-> cat',null),(2,null,'',null,null,null);
