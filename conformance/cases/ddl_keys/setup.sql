create table p(pk serial, a int not null, b int not null, v text, primary key(pk)); create table o(a int, b int, c int, d int, primary key(b,d,c,a)); insert into o values (1,2,3,4);
