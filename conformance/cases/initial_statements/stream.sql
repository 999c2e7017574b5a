insert into t values (2,'y'); insert into t select 100 + count(*) / 1000, string_agg(distinct w, ',' order by w) from log;
