create table i(id int primary key, v interval, d interval default '00:00:07.89242');
insert into i values (1,'15 years -20 mons -55 days 50:42:01.5035'), (2,'00:00:01.5035'), (3,'50:42:01.5035'), (4,'-50:42:01.5035'), (5,'00:00:07.89242'), (6,'61:08:43.462');
