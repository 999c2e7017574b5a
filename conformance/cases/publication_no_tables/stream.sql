insert into a values (2); select pg_logical_emit_message(true,'pfx','only messages');
