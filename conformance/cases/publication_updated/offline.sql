create table a2(id int primary key);
-- the new set shows only once the connector runs again
\setenv PGDATABASE :DBNAME
\! psql -Xq -c 'call await_a2()' -c "call show('restarted')" -c 'insert into a2 values (1)' >/dev/null 2>&1 &
