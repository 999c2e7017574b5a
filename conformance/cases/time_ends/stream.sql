insert into t select id+10,d,t,t0,ttz,ttz0,ta,ttza,da from t order by id; delete from t where id=1; delete from t where id in (2,3);
