insert into t values (3,null,null);
update t set a=null where id=2;
delete from t where id=1;
