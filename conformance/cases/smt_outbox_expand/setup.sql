create table outbox(id uuid primary key, aggregatetype text not null, aggregateid text, payload jsonb, at timestamp, version int, part int, note text default 'dflt');
