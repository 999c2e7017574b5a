select pg_drop_replication_slot(current_database()); insert into t values (3,'z'); delete from t where id=1;
