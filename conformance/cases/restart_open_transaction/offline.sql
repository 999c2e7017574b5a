begin; insert into t values (22,'tx-2-2'); insert into t values (23,'tx-2-3'); commit; commit prepared 'case_restart_open'; insert into t values (24,'last');
