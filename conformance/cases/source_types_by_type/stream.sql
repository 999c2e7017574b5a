insert into t(v,n) values ('y',1);
