insert into t(v) values ('y'); insert into u values (2,'y',2,2); delete from u where id=1;
