insert into t select id+10,ts,ts3,tz,d from t order by id;
