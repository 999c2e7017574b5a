//! Rows that have no representation: what each policy leaves out, what it says of it, and that nothing goes missing silently.

use crate::bench::{Bench, Run, free_port, get};

/// A table whose every second row cannot be written: the last is beyond what microseconds in 64 bits hold, the numeric is none.
const TABLE: &str =
    "CREATE TABLE far (id int PRIMARY KEY, at timestamp NOT NULL, n numeric NOT NULL, soft timestamp)";
const GOOD: &str = "'2024-01-02', 1, NULL";
const BEYOND: &str = "'294276-12-31 23:59:59', 1, NULL";
const NAN: &str = "'2024-01-02', 'NaN', NULL";
/// In a column that allows null a value becomes that, and the row stays.
const SOFT: &str = "'2024-01-02', 1, '294276-12-31 23:59:59'";

fn insert(bench: &Bench, id: i32, values: &str) {
    bench.sql(&format!("INSERT INTO far VALUES ({id}, {values})"));
}

/// The configuration with a policy for rows, written as YAML.
fn start<'a>(bench: &'a Bench, port: u16, policy: &str) -> Run<'a> {
    let dir = bench.dir.path().display();
    let config = format!(
        "source:\n  url: '{}'\n  retry: {{attempts: 0}}\n  slot: {{name: {}}}\n  tables: {{include: ['public\\.far']}}\n\
         format: {{topic_prefix: srv, key_schemas: false, value_schemas: false{policy}}}\nlog: {{format: text}}\n\
         http: {{listen: '127.0.0.1:{port}'}}\n\
         output: {{type: ndjson, path: '{dir}/out'}}\noffsets: {{type: file, path: '{dir}/offsets'}}\n",
        bench.url(),
        bench.sql("SELECT current_database()").unwrap(),
    );
    bench.run(&config)
}

/// A metric's value; none if the program does not serve it.
fn metric(port: u16, name: &str) -> Option<f64> {
    let text = get(port, "/metrics")?;
    let line = text.lines().find(|l| l.starts_with(name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// Rows in snapshot and stream, with the ones that cannot be written left out and counted.
fn left_out(name: &'static str, policy: &str, told: bool) {
    let b = Bench::new(name);
    let port = free_port();
    b.sql(TABLE);
    for (id, values) in [(1, GOOD), (2, BEYOND), (3, NAN), (4, SOFT)] {
        insert(&b, id, values);
    }
    let run = start(&b, port, policy).streaming();
    for (id, values) in [(11, GOOD), (12, BEYOND), (13, NAN), (14, SOFT), (15, GOOD)] {
        insert(&b, id, values);
    }
    b.expect(&[("r", 1), ("r", 4), ("c", 11), ("c", 14), ("c", 15)]);
    b.until("the count of what is left out", |_| {
        metric(port, "pgcdc_records_skipped_total") == Some(4.0)
    });
    assert_eq!(metric(port, "pgcdc_values_lost_total"), Some(2.0), "{}", b.log());
    let log = b.log();
    let said = log.lines().filter(|l| l.contains("a row is left out")).count();
    assert_eq!(said, if told { 4 } else { 0 }, "{log}");
    if told {
        for what in ["column at of table public.far", "column n of table public.far"] {
            assert!(log.contains(what), "{what} is not in {log}");
        }
    }
    // A null that stands for a value is said once a column, whatever becomes of rows.
    assert!(log.contains("becomes null") && log.contains("\"soft\""), "{log}");
    // The slot moves on over what was left out.
    let end = b.sql("SELECT pg_current_wal_lsn()").unwrap();
    b.until("the slot behind the last row", |b| {
        b.sql(&format!(
            "SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE database = current_database()"
        ))
        .as_deref()
            == Some("t")
    });
    run.stop();
}

#[test]
fn warn_leaves_rows_out_and_names_each() {
    left_out("row_warn", ", on_event_error: warn", true);
}

#[test]
fn skip_leaves_rows_out_and_counts_them() {
    left_out("row_skip", ", on_event_error: skip", false);
}

#[test]
fn fail_stops_before_the_row_of_a_snapshot() {
    let b = Bench::new("row_fail_snapshot");
    b.sql(TABLE);
    insert(&b, 1, NAN);
    let said = start(&b, free_port(), "").fails();
    assert!(
        said.contains("column n of table public.far cannot be represented"),
        "{said}"
    );
    assert!(said.contains("format.on_event_error"), "what can be done: {said}");
    assert!(b.rows().is_empty());
}

#[test]
fn fail_stops_before_the_row_of_a_stream_and_does_not_acknowledge_it() {
    let b = Bench::new("row_fail_stream");
    b.sql(TABLE);
    insert(&b, 1, GOOD);
    let run = start(&b, free_port(), "").streaming();
    b.expect(&[("r", 1)]);
    insert(&b, 2, BEYOND);
    let said = run.fails();
    assert!(
        said.contains("column at of table public.far cannot be represented"),
        "{said}"
    );
    assert!(!said.contains("294276"), "no data of rows in errors: {said}");
    b.expect(&[("r", 1)]);
    // After a change of mind the stream goes on with this very row.
    insert(&b, 3, GOOD);
    let run = start(&b, free_port(), ", on_event_error: warn");
    b.expect(&[("r", 1), ("c", 3)]);
    assert!(b.log().contains("a row is left out"), "{}", b.log());
    run.stop();
}

#[test]
fn fail_for_values_stops_at_a_column_that_allows_null() {
    let b = Bench::new("row_value_fail");
    b.sql(TABLE);
    insert(&b, 1, SOFT);
    let said = start(&b, free_port(), ", on_value_error: fail").fails();
    assert!(
        said.contains("column soft of table public.far cannot be represented"),
        "{said}"
    );
    assert!(b.rows().is_empty());
}

#[test]
fn debezium_s_words_mean_the_same_policies() {
    for (word, policy) in [
        ("warn", "warn"),
        ("skip", "skip"),
        ("ignore", "skip"),
        ("fail", "fail"),
    ] {
        let line = format!("event.processing.failure.handling.mode={word}\n");
        let imported = crate::import::import(&(crate::import::LEAST.to_owned() + &line));
        let yaml = imported.yaml(true);
        assert!(yaml.contains(&format!("on_event_error: {policy}")), "{yaml}");
    }
}
