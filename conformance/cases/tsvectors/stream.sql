insert into s values (3,to_tsvector('english','another test'),'b'); update s set t='z' where id=1; delete from s where id=3; update f set t='q' where id=1; delete from f;
