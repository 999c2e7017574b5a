create table a(id int primary key); insert into a values (1); select pg_create_logical_replication_slot(current_database(),'pgoutput');
