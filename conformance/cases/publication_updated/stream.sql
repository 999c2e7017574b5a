call show('live'); insert into a values (2); insert into b values (2);
