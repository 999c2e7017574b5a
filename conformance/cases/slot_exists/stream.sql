insert into t values (3,'live');
