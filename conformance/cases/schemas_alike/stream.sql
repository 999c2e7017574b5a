insert into test_.t values (2,'y'); insert into test1.t values (2,3);
