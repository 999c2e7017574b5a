//! Incremental snapshots, asked for by signals: against a real server, with records in a file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use cdc_core::wire::{ConnectOptions, Purpose, Session};
use serde_json::{Value, json};

use crate::bench::{Bench, Gate, NO_DATA, free_port, get};

/// Lines of the source section: signals in `public.sig`, chunks of so many rows.
fn signals(chunk_rows: u32, more: &str) -> String {
    format!(
        "  signals: {{table: public.sig}}\n  snapshot: {{mode: no_data, incremental: {{chunk_rows: {chunk_rows}{more}}}}}\n"
    )
}

fn bench(name: &'static str) -> Bench {
    let b = Bench::new(name);
    b.sql("CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))");
    b
}

fn signal(b: &Bench, id: &str, kind: &str, data: &str) {
    let data = data.replace('\'', "''");
    b.sql(&format!("INSERT INTO sig VALUES ('{id}', '{kind}', '{data}')"));
}

fn execute(b: &Bench, id: &str, data: &str) {
    signal(b, id, "execute-snapshot", data);
}

/// Asks for the rows of `t` that meet a condition.
fn execute_where(b: &Bench, id: &str, filter: &str) {
    let conditions = json!([{"data-collection": "public.t", "filter": filter}]);
    let data = json!({"data-collections": ["public.t"], "additional-conditions": conditions});
    execute(b, id, &data.to_string());
}

/// What a row of the output is, in a word: operation and id, signals and marks by their type.
fn told(v: &Value) -> String {
    let op = v["op"].as_str().unwrap_or_default();
    let row = if v["after"].is_null() {
        &v["before"]
    } else {
        &v["after"]
    };
    if v["source"]["table"] == "sig" {
        return row["type"].as_str().unwrap_or_default().to_owned();
    }
    format!("{op} {}", row["id"])
}

/// All that was written, but signals and marks.
fn rows(b: &Bench) -> Vec<String> {
    let all = b.values();
    let rows = all.iter().filter(|v| v["source"]["table"] != "sig");
    rows.map(told).collect()
}

fn ended(b: &Bench, times: usize) {
    b.until("the end of the snapshot", |b| {
        b.log().matches("the incremental snapshot has ended").count() == times
    });
}

/// Changes rows of `t` until told to stop, each change in a transaction of its own.
struct Writer {
    stop: Arc<AtomicBool>,
    changes: Arc<AtomicU32>,
    thread: std::thread::JoinHandle<()>,
}

impl Writer {
    fn start(url: &str, seed: u32) -> Self {
        let (stop, changes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (url, until, done) = (url.to_owned(), Arc::clone(&stop), Arc::clone(&changes));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let options = ConnectOptions::parse(&url).unwrap();
                let mut session = Session::connect(&options, Purpose::Sql, "writer").await.unwrap();
                let (mut n, mut x) = (0, seed);
                while !until.load(Ordering::Relaxed) {
                    n += 1;
                    x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let id = (x >> 8) % 2400;
                    // Ids of two writers differ, so that neither waits for the other's row, nor fails on its key.
                    let (id, fresh) = (id * 2 + seed % 2, 100_000 + n * 2 + seed % 2);
                    let sql = match x % 5 {
                        0 => format!("INSERT INTO public.t VALUES ({fresh}, 'new {n}')"),
                        1 => format!("DELETE FROM public.t WHERE id = {id}"),
                        2 => format!("UPDATE public.t SET id = {fresh} WHERE id = {id}"),
                        _ => format!("UPDATE public.t SET v = 'changed {seed} {n}' WHERE id = {id}"),
                    };
                    session.query(&sql).await.unwrap();
                    done.store(n, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        });
        Self {
            stop,
            changes,
            thread,
        }
    }

    fn changes(&self) -> u32 {
        self.changes.load(Ordering::Relaxed)
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// The state that a consumer has of `t` once it has read everything.
fn consumed(b: &Bench) -> BTreeMap<i64, String> {
    let text = std::fs::read_to_string(b.dir.path().join("out")).unwrap();
    let mut state = BTreeMap::new();
    for line in text.lines() {
        // The line that a killed run has not finished comes again.
        let Ok(record) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        if record["topic"] != "srv.public.t" {
            continue;
        }
        let parsed = |v: &Value| match v {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            other => other.clone(),
        };
        let (key, value) = (parsed(&record["key"]), parsed(&record["value"]));
        let id = key["id"].as_i64().unwrap();
        match value["after"]["v"].as_str() {
            Some(v) => state.insert(id, v.to_owned()),
            None => state.remove(&id),
        };
    }
    state
}

#[test]
fn a_table_that_changes_is_read_in_chunks_across_a_kill() {
    let b = bench("incremental_kill");
    // Analyzed, so that a chunk is read by the index, and no row that it does not need meets the gate.
    b.sql("INSERT INTO t SELECT g, 'old ' || g FROM generate_series(0, 4799) g; ANALYZE t");
    let config = signals(100, "");
    let run = b.start(&config).streaming();
    let writers = [Writer::start(&b.url(), 1), Writer::start(&b.url(), 2)];
    let changes = || writers.iter().map(Writer::changes).sum::<u32>();
    let gate = Gate::closed(&b);
    execute_where(
        &b,
        "one",
        &format!("id NOT BETWEEN 2400 AND 2500 OR {}", Gate::IS_OPEN),
    );
    gate.reached(&b);
    let here = changes();
    b.until("changes while a chunk is read", |_| changes() > here + 500);
    // What was read so far is stored as read.
    let at = b.sql("SELECT pg_current_wal_lsn()").unwrap();
    let stored = format!(
        "SELECT 1 FROM pg_replication_slots WHERE database = current_database() AND confirmed_flush_lsn >= '{at}'"
    );
    b.until("the progress is stored", |b| b.sql(&stored).is_some());
    drop(run);
    let before = std::fs::read_to_string(b.dir.path().join("out"))
        .unwrap()
        .lines()
        .count();
    assert!(
        !b.log().contains("snapshot has ended"),
        "the kill must come in the middle"
    );
    let run = b.start(&config).streaming();
    drop(gate);
    ended(&b, 1);
    writers.into_iter().for_each(Writer::stop);
    b.sql("INSERT INTO t VALUES (-1, 'last')");
    b.until("the last change", |b| consumed(b).contains_key(&-1));
    run.stop();
    let rows = b.sql("SELECT json_object_agg(id, v)::text FROM t").unwrap();
    let table: BTreeMap<i64, String> = serde_json::from_str::<BTreeMap<String, String>>(&rows)
        .unwrap()
        .into_iter()
        .map(|(id, v)| (id.parse().unwrap(), v))
        .collect();
    let state = consumed(&b);
    let wrong: Vec<_> = table
        .iter()
        .filter(|(id, v)| state.get(id) != Some(v))
        .map(|(id, v)| (id, v, state.get(id)))
        .take(5)
        .collect();
    assert!(wrong.is_empty(), "id, in the table, in the output: {wrong:?}");
    let ghosts: Vec<_> = state
        .keys()
        .filter(|id| !table.contains_key(id))
        .take(5)
        .collect();
    assert!(ghosts.is_empty(), "{ghosts:?}");
    // It went on, and did not begin again.
    let text = std::fs::read_to_string(b.dir.path().join("out")).unwrap();
    let again = text
        .lines()
        .skip(before)
        .filter(|l| l.contains("\"r\\\"") || l.contains("\"op\":\"r\""));
    assert!(again.count() < 2500, "the whole table was read again");
}

#[test]
fn what_changes_while_a_chunk_is_read_is_not_sent_again() {
    let b = bench("incremental_window");
    b.sql("INSERT INTO t SELECT g, 'old' FROM generate_series(1, 4) g");
    let run = b.start(&signals(10, "")).streaming();
    // The chunk cannot be read while rows are changed between the marks.
    let gate = Gate::closed(&b);
    execute_where(&b, "slow", &format!("id < 9 AND (id <> 3 OR {})", Gate::IS_OPEN));
    b.until("the opening mark", |b| {
        b.values().iter().any(|v| told(v) == "snapshot-window-open")
    });
    b.sql("UPDATE t SET v = 'new' WHERE id = 2");
    b.sql("DELETE FROM t WHERE id = 1");
    b.sql("UPDATE t SET id = 7 WHERE id = 4");
    drop(gate);
    ended(&b, 1);
    b.sql("INSERT INTO t VALUES (8, 'end')");
    b.until("the end", |b| rows(b).last().is_some_and(|r| r == "c 8"));
    let all: Vec<String> = b.values().iter().map(told).collect();
    assert_eq!(
        all,
        [
            "execute-snapshot",
            "snapshot-window-open",
            "u 2",
            "d 1",
            "d 4",
            "c 7",
            "r 3",
            "snapshot-window-close",
            "c 8"
        ]
    );
    run.stop();
}

#[test]
fn a_snapshot_pauses_goes_on_after_a_restart_and_stops() {
    let b = bench("incremental_pause");
    b.sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 6) g");
    let port = free_port();
    let config = format!("{}http: {{listen: '127.0.0.1:{port}'}}\n", signals(2, ""));
    let stands = || {
        let status = get(port, "/status").unwrap_or_default();
        let status: Value = serde_json::from_str(&status).unwrap_or_default();
        status["source"]["incremental_snapshot"].clone()
    };
    let paused =
        |rows: u32| json!({"rows": rows, "signal": "a", "table": "public.t", "tables": 1, "paused": true});
    let run = b.start(&config).streaming();
    b.sql(
        r#"INSERT INTO sig VALUES ('a', 'execute-snapshot', '{"data-collections": ["public.t"]}'), ('b', 'pause-snapshot', '{"type": "incremental"}')"#,
    );
    b.until("the first chunk", |b| rows(b) == ["r 1", "r 2"]);
    b.until("its rows in the status", |_| stands() == paused(2));
    run.stop();
    let run = b.start(&config).streaming();
    b.sql("INSERT INTO t VALUES (7, 'later')");
    b.until("a change", |b| rows(b) == ["r 1", "r 2", "c 7"]);
    assert_eq!(stands(), paused(0));
    signal(&b, "c", "resume-snapshot", "{}");
    ended(&b, 1);
    b.until("the rest", |b| rows(b)[3..] == ["r 3", "r 4", "r 5", "r 6"]);
    assert_eq!(stands(), json!({"rows": 4}));
    let metrics = get(port, "/metrics").unwrap();
    for line in [
        "pgcdc_incremental_rows_total{slot=\"incremental_pause\"} 4",
        "pgcdc_incremental_tables{slot=\"incremental_pause\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    b.sql(
        r#"INSERT INTO sig VALUES ('d', 'execute-snapshot', '{"data-collections": ["public.t"]}'), ('e', 'stop-snapshot', '{"data-collections": ["public.t"], "type": "incremental"}')"#,
    );
    ended(&b, 2);
    b.sql("INSERT INTO t VALUES (8, 'end')");
    b.until("the end", |b| rows(b)[7..] == ["c 8"]);
    run.stop();
}

#[test]
fn chunks_need_no_right_to_columns_that_are_left_out() {
    let b = bench("incremental_narrow");
    let role = "incremental_narrow";
    b.at(
        "postgres",
        &format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN REPLICATION"),
    );
    b.sql(&format!(
        "GRANT SELECT (id) ON t TO {role}; GRANT SELECT, INSERT ON sig TO {role}; CREATE PUBLICATION pgcdc FOR TABLE t, sig; \
         INSERT INTO t SELECT g, 'secret' FROM generate_series(1, 5) g"
    ));
    let narrow = format!("  columns: {{exclude: ['public\\.t\\.v']}}\n{}", signals(2, ""));
    let run = b.start_as(&format!("user={role}"), &narrow).streaming();
    execute(&b, "narrow", r#"{"data-collections": ["public.t"]}"#);
    ended(&b, 1);
    b.until("the rows", |b| rows(b) == ["r 1", "r 2", "r 3", "r 4", "r 5"]);
    assert!(!b.values().iter().any(|v| v.to_string().contains("secret")));
    run.stop();
    b.sql(&format!("DROP OWNED BY {role}"));
    b.at("postgres", &format!("DROP ROLE {role}"));
}

#[test]
fn what_is_wrong_with_a_signal_is_said_and_the_stream_goes_on() {
    let b = bench("incremental_wrong");
    b.sql("INSERT INTO t VALUES (1, 'x'); CREATE TABLE keyless (id int, k int); INSERT INTO keyless VALUES (1, 1)");
    let run = b.start(&signals(2, "")).streaming();
    execute(
        &b,
        "w-block",
        r#"{"data-collections": ["public.t"], "type": "blocking"}"#,
    );
    execute(&b, "w-json", r#"{"data-collections": ["#);
    execute(&b, "w-none", r#"{"data-collections": ["public.nowhere"]}"#);
    signal(&b, "w-kind", "schema-changes", "{}");
    signal(&b, "w-stop", "stop-snapshot", r#"{"type": "incremental"}"#);
    signal(&b, "w-log", "log", r#"{"message": "here: {}"}"#);
    execute(
        &b,
        "w-tables",
        r#"{"data-collections": ["public.keyless", "public.t"], "additional-conditions": [{"data-collection": "public.t", "filter": "nothing = 1"}]}"#,
    );
    ended(&b, 1);
    execute(
        &b,
        "w-key",
        r#"{"data-collections": ["public.t"], "surrogate-key": "nothing"}"#,
    );
    ended(&b, 2);
    b.sql("INSERT INTO t VALUES (2, 'y')");
    b.until("the stream", |b| rows(b) == ["c 2"]);
    let log = b.log();
    let said = |id: &str, what: &str| {
        assert!(
            log.lines().any(|l| l.contains(id) && l.contains(what)),
            "{id}: {what}\n{log}"
        );
    };
    said("w-block", "use the type incremental");
    said("w-json", "not valid JSON");
    said("w-none", "no captured table matches");
    said("w-kind", "schema-changes");
    said("w-stop", "no incremental snapshot is under way");
    said("w-log", "here: ");
    said("public.keyless", "has no key to read it by");
    said("public.t", "nothing");
    said("public.t", "the surrogate key");
    run.stop();
}

#[test]
fn keys_that_are_no_keys_lose_no_rows() {
    let b = bench("incremental_surrogate");
    b.sql(
        "CREATE TABLE loose (id int, k int); INSERT INTO loose SELECT g, g / 5 FROM generate_series(1, 12) g; \
         INSERT INTO loose VALUES (13, NULL), (14, NULL), (15, NULL); \
         CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE names (id citext PRIMARY KEY); \
         INSERT INTO names VALUES ('B'), ('a'), ('C'), ('_'), ('b2'); \
         CREATE TABLE odd (id int PRIMARY KEY, n numeric); INSERT INTO odd VALUES (1, -1), (2, 'NaN'), (3, 5), (4, 'NaN'), (5, NULL)",
    );
    let run = b.start(&signals(2, "")).streaming();
    execute(
        &b,
        "one",
        r#"{"data-collections": ["public.loose"], "surrogate-key": "k"}"#,
    );
    ended(&b, 1);
    b.until("the loose rows", |b| rows(b).len() >= 15);
    let mut read = rows(&b);
    read.sort_by_key(|r| r[2..].parse::<i64>().unwrap());
    let want: Vec<String> = (1..=15).map(|i| format!("r {i}")).collect();
    assert_eq!(read, want);
    // An extension's type sorts by operators of its own.
    execute(&b, "two", r#"{"data-collections": ["public.names"]}"#);
    ended(&b, 2);
    b.until("the names", |b| rows(b).len() >= 20);
    assert_eq!(
        rows(&b)[15..],
        [r#"r "_""#, r#"r "a""#, r#"r "B""#, r#"r "b2""#, r#"r "C""#]
    );
    execute(
        &b,
        "three",
        r#"{"data-collections": ["public.odd"], "surrogate-key": "n"}"#,
    );
    ended(&b, 3);
    b.until("the odd numbers", |b| rows(b).len() >= 25);
    assert_eq!(rows(&b)[20..22], ["r 1", "r 3"]);
    let mut ids: Vec<String> = rows(&b)[22..].to_vec();
    ids.sort();
    assert_eq!(
        ids,
        ["r 2", "r 4", "r 5"],
        "NaN is beyond all numbers, and NULL beyond it"
    );
    run.stop();
}

#[test]
fn partitions_are_read_by_themselves_and_as_a_whole() {
    let b = bench("incremental_partitions");
    b.sql(
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); \
         CREATE TABLE p_low PARTITION OF p FOR VALUES FROM (0) TO (10); \
         CREATE TABLE p_high PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p VALUES (1), (2), (3), (11), (12)",
    );
    let run = b.start(&signals(2, "")).streaming();
    execute(
        &b,
        "one",
        r#"{"data-collections": ["public.p_high", "public.p"]}"#,
    );
    ended(&b, 1);
    b.until("both", |b| rows(b).len() >= 7);
    assert_eq!(rows(&b), ["r 11", "r 12", "r 1", "r 2", "r 3", "r 11", "r 12"]);
    // A table of which the stream knows nothing yet.
    b.sql("CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (7)");
    execute(&b, "two", r#"{"data-collections": ["public.later"]}"#);
    ended(&b, 2);
    b.until("the new table", |b| rows(b).last().is_some_and(|r| r == "r 7"));
    run.stop();
}

#[test]
fn marks_that_may_not_be_written_end_the_snapshot_and_deleted_ones_leave_nothing() {
    let b = bench("incremental_marks");
    b.sql("INSERT INTO t SELECT g, repeat('x', 40000) FROM generate_series(1, 6) g");
    let config = signals(5, ", chunk_bytes: 64KiB, watermarks: insert_delete");
    let run = b.start(&config).streaming();
    execute(&b, "one", r#"{"data-collections": ["public.t"]}"#);
    ended(&b, 1);
    b.until("all rows", |b| rows(b).len() == 6);
    assert_eq!(rows(&b), ["r 1", "r 2", "r 3", "r 4", "r 5", "r 6"]);
    assert_eq!(
        b.sql("SELECT string_agg(id, ',') FROM sig").as_deref(),
        Some("one")
    );
    run.stop();
    b.sql("CREATE OR REPLACE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE insufficient_privilege; END $$; \
           CREATE TRIGGER no BEFORE INSERT ON sig FOR EACH ROW WHEN (new.type = 'snapshot-window-open') EXECUTE FUNCTION no()");
    let run = b.start(&config).streaming();
    execute(&b, "two", r#"{"data-collections": ["public.t"]}"#);
    ended(&b, 2);
    b.sql("UPDATE t SET v = 'y' WHERE id = 1");
    b.until("the stream", |b| rows(b)[6..] == ["u 1"]);
    assert!(
        b.log()
            .contains("its marks cannot be written into the signal table")
    );
    run.stop();
}

#[test]
fn a_signal_table_must_be_one() {
    let b = Bench::new("incremental_table");
    let config = signals(2, "");
    let said = b.start(&config).fails();
    assert!(
        said.contains("the signal table public.sig does not exist"),
        "{said}"
    );
    b.sql("CREATE TABLE sig (id text PRIMARY KEY, type text, data text, more text)");
    let said = b.start(&config).fails();
    assert!(said.contains("public.sig has 4 columns"), "{said}");
    b.sql("ALTER TABLE sig DROP COLUMN more");
    // It is captured whatever the filters say, and never read by the initial snapshot.
    b.sql("INSERT INTO sig VALUES ('old', 'log', '{}'); INSERT INTO t VALUES (1, 'x')");
    let run = b
        .start("  tables: {include: ['public\\.t']}\n  signals: {table: public.sig}\n")
        .streaming();
    signal(&b, "new", "log", r#"{"message": "hello"}"#);
    b.until("the signal", |b| b.values().len() == 2);
    let all: Vec<String> = b.values().iter().map(told).collect();
    assert_eq!(all, ["r 1", "log"]);
    run.stop();
    b.start(NO_DATA).streaming().stop();
}
