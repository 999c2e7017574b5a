insert into p values (11,'eu',1),(21,'us',2),(2,'x',3);
