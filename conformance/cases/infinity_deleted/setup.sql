create table t(id int primary key, ts3 timestamp(3), ts timestamp, tz timestamptz, iv interval not null);
alter table t replica identity full;
insert into t values (1,'infinity','infinity','infinity','1 mon'),(2,'-infinity','-infinity','-infinity','-1 mon');
