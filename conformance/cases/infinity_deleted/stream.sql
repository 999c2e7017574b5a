delete from t where id=1; update t set iv='0' where id=2; delete from t where id=2;
