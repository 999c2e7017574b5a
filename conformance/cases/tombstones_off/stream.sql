update t set id=5 where id=1; delete from t where id=2; delete from t where id=5;
