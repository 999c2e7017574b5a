insert into t values (3,'z'); delete from t where id=1;
