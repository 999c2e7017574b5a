create table t(id int primary key, v text);
select pg_replication_origin_drop('case_origin') where pg_replication_origin_oid('case_origin') is not null; select pg_replication_origin_create('case_origin');
select pg_replication_origin_drop('case_origin2') where pg_replication_origin_oid('case_origin2') is not null; select pg_replication_origin_create('case_origin2');
