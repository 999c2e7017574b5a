insert into t values (3,'äöü','äöüäöü','x','y','\x00ff00ff','00000000-0000-0000-0000-000000000003');
delete from t where id=1;
