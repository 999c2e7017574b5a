//! How the program begins, goes on after a stop, and ends: against a real server, with records in a file.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::{Bench, NO_DATA, PAUSE};

#[test]
fn a_snapshot_that_was_interrupted_begins_again() {
    let b = Bench::new("run_interrupted");
    b.sql(
        "INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (3); \
         CREATE TABLE pause (seconds int); INSERT INTO pause VALUES (60)",
    );
    let slow = "  tables: {include: ['public\\.t', 'public\\.u']}\n  snapshot:\n    max_threads: 1\n    overrides:\n      \
                public.u: 'SELECT id FROM u, (SELECT pg_sleep((SELECT seconds FROM pause))) AS w'\n";
    let run = b.start(slow);
    b.until("reading the second table", |b| {
        b.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND wait_event = 'PgSleep' AND datname = current_database()")
            .as_deref()
            != Some("0")
    });
    drop(run);
    b.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database(); \
         UPDATE pause SET seconds = 0; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (4, 'new')",
    );
    let before = b.rows().len();
    let run = b.start(slow).streaming();
    b.until("the stream", |b| b.values().iter().any(|v| v["op"] == "d"));
    let rows = b.rows().split_off(before);
    let read: Vec<i64> = rows
        .iter()
        .filter(|(op, _)| op == "r")
        .map(|(_, id)| *id)
        .collect();
    assert_eq!(read, [1, 4, 3], "from the first table on");
    let markers: Vec<String> = b.values()[before..]
        .iter()
        .filter(|v| v["op"] == "r")
        .map(|v| v["source"]["snapshot"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(markers, ["first", "last_in_data_collection", "last"]);
    // The deleted row may have been sent by the first attempt: its delete must follow.
    assert!(
        b.values()
            .iter()
            .any(|v| v["op"] == "d" && v["before"]["id"] == 2)
    );
    run.stop();
}

#[test]
fn initial_only_reads_once_and_needs_neither_slot_nor_publication() {
    let b = Bench::new("run_initial_only");
    b.sql("INSERT INTO t VALUES (1, 'x')");
    for _ in 0..2 {
        let mut run = b.start("  snapshot: {mode: initial_only}\n");
        assert_eq!(run.end(), Some(0), "{}", b.log());
        b.expect(&[("r", 1)]);
    }
    let made = "SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())";
    assert_eq!(b.sql(made).as_deref(), Some("0"));
    let said = b.start("").fails();
    assert!(
        said.contains("initial_only") && said.contains("offsets clear"),
        "{said}"
    );
}

#[test]
fn a_snapshot_leaves_no_transaction_open() {
    let b = Bench::new("run_closed");
    b.sql("INSERT INTO t VALUES (1, 'x')");
    let run = b.start("").streaming();
    b.sql("INSERT INTO t VALUES (2, 'y')");
    b.expect(&[("r", 1), ("c", 2)]);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgcdc%' AND datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(b.sql(open).as_deref(), Some("0"));
    run.stop();
}

#[test]
fn without_its_offset_it_goes_on_where_the_slot_stands() {
    let b = Bench::new("run_offset_lost");
    let run = b.start(NO_DATA).streaming();
    b.sql("INSERT INTO t VALUES (1, 'x')");
    b.expect(&[("c", 1)]);
    run.stop();
    b.sql("INSERT INTO t VALUES (2, 'x')");
    b.sql("INSERT INTO t VALUES (3, 'x'), (4, 'x')");
    std::fs::remove_file(b.dir.path().join("offsets")).unwrap();
    let run = b.start(NO_DATA);
    b.expect(&[("c", 1), ("c", 2), ("c", 3), ("c", 4)]);
    run.stop();
}

#[test]
fn what_is_gone_from_the_server_is_said_and_when_needed_reads_again() {
    let b = Bench::new("run_slot_gone");
    let run = b.start("").streaming();
    b.sql("INSERT INTO t VALUES (1, 'x')");
    b.expect(&[("c", 1)]);
    run.stop();
    b.sql("SELECT pg_drop_replication_slot('run_slot_gone')");
    for mode in ["initial", "always", "no_data"] {
        let said = b.start(&format!("  snapshot: {{mode: {mode}}}\n")).fails();
        assert!(
            said.contains("slot \"run_slot_gone\" is missing"),
            "{mode}: {said}"
        );
    }
    let run = b.start("  snapshot: {mode: when_needed}\n").streaming();
    b.expect(&[("c", 1), ("r", 1)]);
    run.stop();
    // Somebody else reads from the slot: what it has taken is lost to us.
    b.sql("INSERT INTO t VALUES (2, 'x'); INSERT INTO t VALUES (3, 'x')");
    b.sql("SELECT pg_replication_slot_advance('run_slot_gone', pg_current_wal_lsn())");
    let said = b.start("").fails();
    assert!(said.contains("ahead of the stored offset"), "{said}");
}

#[test]
fn a_clean_stop_drops_the_slot_only_if_asked() {
    let b = Bench::new("run_slot_dropped");
    let count = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
    b.start(NO_DATA).streaming().stop();
    assert_eq!(b.sql(count).as_deref(), Some("1"));
    b.start(&format!(
        "  slot: {{name: run_slot_dropped, drop_on_stop: true}}\n{NO_DATA}"
    ))
    .streaming()
    .stop();
    assert_eq!(b.sql(count).as_deref(), Some("0"));
}

#[test]
fn a_slot_may_have_a_number_for_a_name() {
    let b = Bench::new("run_numbers");
    let run = b
        .start(&format!("  slot: {{name: '12345'}}\n{NO_DATA}"))
        .streaming();
    b.sql("INSERT INTO t VALUES (1, 'x')");
    b.expect(&[("c", 1)]);
    run.stop();
}

#[test]
fn a_terminated_walsender_is_followed_by_another() {
    let b = Bench::new("run_terminated");
    let run = b.start(NO_DATA).streaming();
    b.sql("INSERT INTO t VALUES (1, 'x')");
    b.expect(&[("c", 1)]);
    b.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database()");
    b.sql("INSERT INTO t VALUES (2, 'x')");
    b.expect(&[("c", 1), ("c", 2)]);
    run.stop();
}

#[test]
fn a_role_that_may_no_longer_log_in_ends_the_run() {
    let b = Bench::new("run_nologin");
    b.at(
        "postgres",
        "DROP ROLE IF EXISTS run_nologin; CREATE ROLE run_nologin LOGIN REPLICATION",
    );
    b.sql("GRANT SELECT ON t TO run_nologin; CREATE PUBLICATION pgcdc FOR TABLE t");
    let run = b.start_as("user=run_nologin", NO_DATA).streaming();
    b.sql("INSERT INTO t VALUES (1, 'x')");
    b.expect(&[("c", 1)]);
    b.at("postgres", "ALTER ROLE run_nologin NOLOGIN");
    b.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'run_nologin'");
    let said = run.fails();
    assert!(
        said.contains("run_nologin") && said.contains("not permitted to log in"),
        "{said}"
    );
    b.sql("DROP OWNED BY run_nologin");
    b.at("postgres", "DROP ROLE run_nologin");
}

#[test]
fn a_column_that_is_left_out_is_not_read() {
    let b = Bench::new("run_narrow");
    b.at(
        "postgres",
        "DROP ROLE IF EXISTS run_narrow; CREATE ROLE run_narrow LOGIN REPLICATION",
    );
    b.sql("GRANT SELECT (id) ON t TO run_narrow; CREATE PUBLICATION pgcdc FOR TABLE t; INSERT INTO t VALUES (1, 'secret')");
    let narrow = "  columns: {exclude: ['public\\.t\\.v']}\n";
    let run = b.start_as("user=run_narrow", narrow).streaming();
    b.sql("INSERT INTO t VALUES (2, 'secret')");
    b.expect(&[("r", 1), ("c", 2)]);
    assert!(
        b.values().iter().all(|v| v["after"].get("v").is_none()),
        "{:?}",
        b.values()
    );
    run.stop();
    b.sql("DROP OWNED BY run_narrow");
    b.at("postgres", "DROP ROLE run_narrow");
}

#[test]
fn every_commit_is_confirmed() {
    let b = Bench::new("run_confirmed");
    let run = b.start(NO_DATA).streaming();
    let mut seen = std::collections::BTreeSet::new();
    for id in 1..=11 {
        let before = b.confirmed();
        b.sql(&format!("INSERT INTO t VALUES ({id}, 'x')"));
        // Less than it takes until a slot is confirmed without any commit.
        let deadline = Instant::now() + Duration::from_secs(8);
        while b.confirmed() == before && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
        }
        seen.insert(b.confirmed());
    }
    assert!(seen.len() >= 9, "{seen:?}");
    run.stop();
}

#[test]
fn heartbeats_keep_their_interval_and_run_their_query() {
    let b = Bench::new("run_heartbeats");
    b.sql("CREATE TABLE beat (id serial, at timestamptz DEFAULT now()); CREATE TABLE other (v text)");
    let run = b
        .start(&format!(
            "  tables: {{include: ['public\\.t']}}\n  heartbeat: {{interval: 300ms, action_query: 'INSERT INTO beat DEFAULT VALUES'}}\n{NO_DATA}"
        ))
        .streaming();
    let beats = |b: &Bench| {
        let is_beat = |v: &&Value| v.get("op").is_none() && v["ts_ms"].is_i64();
        b.values().iter().filter(is_beat).count()
    };
    let (had, began) = (beats(&b), Instant::now());
    let before = b.confirmed();
    // Nothing of ours changes.
    while began.elapsed() < Duration::from_secs(2) {
        b.sql("INSERT INTO other VALUES ('x')");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (count, elapsed) = (beats(&b) - had, began.elapsed().as_millis() / 300);
    assert!(count >= 2 && count as u128 <= elapsed + 2, "{count} beats");
    assert!(
        b.sql("SELECT count(*) FROM beat")
            .unwrap()
            .parse::<usize>()
            .unwrap()
            + 1
            >= count
    );
    b.until("WAL without changes of ours is confirmed", |b| {
        b.confirmed() != before
    });
    run.stop();
    assert!(b.rows().is_empty());
}

#[test]
fn a_heartbeat_query_that_leaves_a_failed_transaction_harms_nothing() {
    let b = Bench::new("run_beat_fails");
    let run = b
        .start(&format!(
            "  heartbeat: {{interval: 100ms, action_query: 'BEGIN; SELECT 1 / 0; COMMIT'}}\n{NO_DATA}"
        ))
        .streaming();
    b.until("the failure", |b| b.log().contains("heartbeat query failed"));
    assert!(b.log().contains("division by zero"), "{}", b.log());
    // The catalog is asked about the table again.
    b.sql("ALTER TABLE t ADD n int DEFAULT 7; INSERT INTO t VALUES (1, 'x')");
    b.until("the row", |b| b.rows() == [("c".to_owned(), 1)]);
    assert_eq!(
        b.values().iter().rfind(|v| v.get("op").is_some()).unwrap()["after"]["n"],
        7
    );
    run.stop();
}

#[test]
fn what_cannot_be_published_is_said() {
    let b = Bench::new("run_publication");
    let said = b
        .start(&format!(
            "  publication: {{name: missing, autocreate: disabled}}\n{NO_DATA}"
        ))
        .fails();
    assert!(said.contains("publication \"missing\" does not exist"), "{said}");
    let said = b
        .start(&format!(
            "  tables: {{include: ['no\\.such']}}\n  publication: {{autocreate: filtered}}\n{NO_DATA}"
        ))
        .fails();
    assert!(said.contains("no table matches the filters"), "{said}");
    assert_eq!(b.sql("SELECT count(*) FROM pg_publication").as_deref(), Some("0"));
}

#[test]
fn an_offset_is_stored_after_the_snapshot() {
    let b = Bench::new("run_offset_stored");
    b.sql("INSERT INTO t VALUES (1, 'x')");
    let run = b.start("").streaming();
    b.expect(&[("r", 1)]);
    // Killed before anything was streamed: it must not read the tables again.
    drop(run);
    let run = b.start("").streaming();
    b.sql("INSERT INTO t VALUES (2, 'y')");
    b.expect(&[("r", 1), ("c", 2)]);
    run.stop();
}

#[test]
fn what_was_not_confirmed_comes_again() {
    let b = Bench::new("run_again");
    let run = b.start(NO_DATA).streaming();
    b.sql("INSERT INTO t VALUES (1, 'x')");
    b.expect(&[("c", 1)]);
    run.stop();
    b.sql("INSERT INTO t VALUES (2, 'y')");
    // An offset of before the second row, although it was delivered: a crash between sending and storing.
    let stored = std::fs::read(b.dir.path().join("offsets")).unwrap();
    let slot = "SELECT pg_copy_logical_replication_slot('run_again', 'run_again_kept')";
    b.sql(slot);
    let run = b.start(NO_DATA).streaming();
    b.expect(&[("c", 1), ("c", 2)]);
    run.stop();
    b.sql("SELECT pg_drop_replication_slot('run_again'); SELECT pg_copy_logical_replication_slot('run_again_kept', 'run_again'); SELECT pg_drop_replication_slot('run_again_kept')");
    std::fs::write(b.dir.path().join("offsets"), stored).unwrap();
    let run = b.start(NO_DATA).streaming();
    b.expect(&[("c", 1), ("c", 2), ("c", 2)]);
    run.stop();
    // Confirmed and stored: nothing comes again.
    let run = b.start(NO_DATA).streaming();
    b.sql("INSERT INTO t VALUES (3, 'z')");
    b.expect(&[("c", 1), ("c", 2), ("c", 2), ("c", 3)]);
    run.stop();
}

#[test]
fn snapshots_by_several_connections_are_whole() {
    let b = Bench::new("run_parallel");
    b.sql(
        "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int); CREATE TABLE c (id int, k int, PRIMARY KEY (k, id)); \
         INSERT INTO a SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g; INSERT INTO b SELECT g FROM generate_series(1, 500) g; \
         INSERT INTO c SELECT g, g % 7 FROM generate_series(1, 5000) g; INSERT INTO t VALUES (1, 'x')",
    );
    let run = b.start("  snapshot: {max_threads: 3}\n");
    b.until("the snapshot", |b| b.log().contains("reading the tables"));
    // While the tables are read or wait to be read, or right after.
    b.sql("INSERT INTO a VALUES (0, 'live'); INSERT INTO t VALUES (0, 'live')");
    let run = run.streaming();
    b.until("the last change", |b| {
        b.rows().iter().filter(|(op, _)| op == "c").count() == 2
    });
    let mut read = std::collections::BTreeMap::<String, Vec<i64>>::new();
    let mut markers = std::collections::BTreeMap::<String, usize>::new();
    for v in b.values().iter().filter(|v| v["op"] == "r") {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        read.entry(text(&v["source"]["table"]))
            .or_default()
            .push(v["after"]["id"].as_i64().unwrap());
        *markers.entry(text(&v["source"]["snapshot"])).or_default() += 1;
    }
    for (table, rows) in [("a", 20_000), ("b", 500), ("c", 5_000), ("t", 1)] {
        let mut ids = read.remove(table).unwrap();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(1..=rows), "{table}");
    }
    assert_eq!((markers["first"], markers["last"]), (1, 1), "{markers:?}");
    run.stop();
}

#[test]
fn a_stop_ends_the_waiting_for_a_server() {
    let b = Bench::new("run_waits");
    let run = b.start_as("port=1", NO_DATA);
    b.until("waiting for the server", |b| b.log().contains("starting again"));
    run.stop();
    assert!(b.log().contains("cannot reach server 127.0.0.1:1"), "{}", b.log());
}

#[test]
fn a_transaction_that_is_open_while_the_snapshot_begins_is_not_lost() {
    for (name, made) in [("run_open_new_slot", false), ("run_open_old_slot", true)] {
        let b = Bench::new(name);
        b.sql("INSERT INTO t VALUES (1, 'x'); CREATE PUBLICATION pgcdc FOR TABLE t");
        if made {
            b.sql(&format!(
                "SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')"
            ));
        }
        b.sql(&format!(
            "BEGIN; INSERT INTO t VALUES (2, 'open'); PREPARE TRANSACTION '{name}'"
        ));
        let run = b.start("");
        let waits = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE_REPLICATION_SLOT%' AND wait_event_type = 'Lock' AND datname = current_database()";
        b.until("waiting for its end", |b| b.sql(waits).is_some());
        b.sql(&format!("COMMIT PREPARED '{name}'"));
        let run = run.streaming();
        b.sql("INSERT INTO t VALUES (3, 'z')");
        b.until("the last row", |b| b.rows().iter().any(|(_, id)| *id == 3));
        let ids: std::collections::BTreeSet<i64> = b.rows().into_iter().map(|(_, id)| id).collect();
        assert!(ids.into_iter().eq(1..=3), "{:?}", b.rows());
        run.stop();
    }
}

#[test]
fn a_table_without_columns_does_no_harm() {
    let b = Bench::new("run_no_columns");
    b.sql("CREATE TABLE none (); INSERT INTO none DEFAULT VALUES; INSERT INTO t VALUES (1, 'x')");
    let run = b.start("").streaming();
    b.sql("INSERT INTO none DEFAULT VALUES; INSERT INTO t VALUES (2, 'y')");
    b.expect(&[("r", 1), ("c", 2)]);
    run.stop();
}
