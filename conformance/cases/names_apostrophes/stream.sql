insert into q values (2,'c','d'); update q set "'quoted'"=null where id=1;
