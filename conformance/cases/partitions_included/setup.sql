create table p(id int, r text, v int, primary key(id,r)) partition by list(r);
create table p_eu partition of p for values in ('eu'); create table p_us partition of p for values in ('us'); create table p_rest partition of p default;
insert into p select g,'eu',g from generate_series(1,10) g; insert into p select g,'us',g from generate_series(1,20) g; insert into p values (1,'x',1);
