insert into s1.a(aa) values (2); insert into s1.b(aa) values (2); insert into s2.a(bbb,bb,b) values (3,4,null); insert into s2.b values (2); update s2.a set bb=7 where pk=2;
