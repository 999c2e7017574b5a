insert into e values (2,'V2','V2','x','O1','{V2}','{x}','{V1}'); update e set a='{V1}' where id=2; update e set a=null, q=null where id=2; delete from e where id=2; delete from e where id=1;
