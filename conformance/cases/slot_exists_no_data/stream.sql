commit prepared 'case_slot_exists_no'; insert into t values (3,'live');
