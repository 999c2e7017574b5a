create table q(id int primary key, "'quoted'" text, "it's" text); insert into q values (1,'a','b');
