insert into t values (2,1,'(1,2)',1.5);
