insert into "a	b" values (2,1,2,3,'y');
