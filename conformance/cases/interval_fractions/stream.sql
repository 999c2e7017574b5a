insert into i select id + 10, v from i order by id;
