-- A small shop, and what happens in it every 50 ms.
create table customers (id bigserial primary key, name text not null, email text not null, created_at timestamptz not null default now());
create table orders (id bigserial primary key, customer_id bigint not null references customers, status text not null default 'new',
                     total numeric(10,2) not null default 0, note jsonb, updated_at timestamptz not null default now());
create table items (order_id bigint not null references orders on delete cascade, line int not null, product text not null,
                    quantity int not null, price numeric(10,2) not null, primary key (order_id, line));

insert into customers (name, email)
  select format('Customer %s', g), format('customer%s@example.org', g) from generate_series(1, 1000) g;
insert into orders (customer_id, status, total, note)
  select 1 + g % 1000, (array['new', 'paid', 'shipped'])[1 + g % 3], (g % 50000) / 100.0, jsonb_build_object('gift', g % 7 = 0)
  from generate_series(1, 20000) g;
insert into items select g, l, format('Product %s', (g * 7 + l) % 200), 1 + l, (g % 900 + 99) / 100.0
  from generate_series(1, 20000) g, generate_series(1, 2) l;

create function tick() returns bigint language plpgsql as $$
declare placed bigint;
begin
  insert into orders (customer_id, note) values (1 + (random() * 999)::int, '{"gift": false}') returning id into placed;
  insert into items select placed, l, format('Product %s', (random() * 200)::int), 1 + (random() * 4)::int, (random() * 100)::numeric(10,2)
    from generate_series(1, 1 + (random() * 3)::int) l;
  update orders set total = (select sum(quantity * price) from items where order_id = placed) where id = placed;
  update orders set status = 'paid', updated_at = clock_timestamp() where id = placed - 20;
  update orders set status = 'shipped', updated_at = clock_timestamp() where id = placed - 60;
  delete from orders where id = placed - 200 and placed % 5 = 0;
  return placed;
end $$;
