//! Snapshots, signals, notifications.

use super::super::draft::Draft;
use super::super::parse;
use super::row::{Given, Row, list, no_meaning, number, refused, refused_unless, text, with, word};

const BY_TABLE: &str = "signals come by the signal table alone";
const BY_STREAM: &str = "signals come with the stream: nothing is polled";
const BY_RESTART: &str = "a mark that cannot be written for now starts the pipeline again from its stored offset, as errors.max.retries says";
const CONFIGURED: &str = "source.snapshot.mode";

pub(super) const ROWS: &[Row] = &[
    with("snapshot.mode", "initial", "source.snapshot.mode", mode),
    refused(
        "snapshot.mode.custom.name",
        "there is no Java class to load: use another snapshot.mode",
    ),
    with(
        "snapshot.mode.configuration.based.snapshot.data",
        "false",
        CONFIGURED,
        configured,
    ),
    with(
        "snapshot.mode.configuration.based.snapshot.schema",
        "false",
        CONFIGURED,
        configured,
    ),
    with(
        "snapshot.mode.configuration.based.start.stream",
        "false",
        CONFIGURED,
        configured,
    ),
    with(
        "snapshot.mode.configuration.based.snapshot.on.schema.error",
        "false",
        CONFIGURED,
        configured,
    ),
    with(
        "snapshot.mode.configuration.based.snapshot.on.data.error",
        "false",
        CONFIGURED,
        configured,
    ),
    refused_unless(
        "snapshot.isolation.mode",
        &["serializable", "repeatable_read"],
        "a snapshot reads the state of the slot's starting point, neither less nor more: remove it",
    ),
    refused_unless(
        "snapshot.locking.mode",
        &["none"],
        "a snapshot takes no locks: set it to none",
    ),
    refused(
        "snapshot.locking.mode.custom.name",
        "there is no Java class to load: remove it",
    ),
    no_meaning("snapshot.lock.timeout.ms", "10000", "a snapshot takes no locks"),
    refused_unless(
        "snapshot.query.mode",
        &["select_all"],
        "there is no Java class to load: use snapshot.select.statement.overrides",
    ),
    refused(
        "snapshot.query.mode.custom.name",
        "there is no Java class to load: remove it",
    ),
    list("snapshot.include.collection.list", "source.snapshot.include"),
    with(
        "snapshot.select.statement.overrides",
        "",
        "source.snapshot.overrides",
        overridden,
    ),
    with(
        "snapshot.select.statement.overrides.<table>",
        "",
        "source.snapshot.overrides",
        select,
    ),
    no_meaning(
        "snapshot.fetch.size",
        "10240",
        "COPY streams rows at the pace at which they are taken",
    ),
    number("snapshot.max.threads", "1", "source.snapshot.max_threads").always(),
    no_meaning(
        "snapshot.max.threads.multiplier",
        "1",
        "a table is read by one connection",
    ),
    no_meaning(
        "snapshot.max.threads.multiplier.<table>",
        "1",
        "a table is read by one connection",
    ),
    no_meaning(
        "legacy.snapshot.max.threads",
        "false",
        "a table is read by one connection",
    ),
    no_meaning(
        "internal.legacy.snapshot.max.threads",
        "false",
        "a table is read by one connection",
    ),
    refused_unless(
        "snapshot.tables.order.by.row.count",
        &["disabled"],
        "tables are read in the order of table.include.list: set it to disabled and order that list",
    ),
    refused_unless(
        "snapshot.delay.ms",
        &["0"],
        "the snapshot starts at once: start the program later",
    ),
    refused_unless(
        "streaming.delay.ms",
        &["0"],
        "the stream starts right after the snapshot: set it to 0",
    ),
    no_meaning(
        "internal.snapshot.scan.all.columns.force",
        "false",
        "the catalog is read with the captured tables",
    ),
    text("signal.data.collection", "", "source.signals.table"),
    refused_unless(
        "signal.enabled.channels",
        &["source"],
        "signals come by the signal table alone: set it to source, and insert signals into the table that signal.data.collection names",
    ),
    no_meaning("signal.poll.interval.ms", "5000", BY_STREAM),
    no_meaning("signal.emit.failure.max.retries", "0", BY_RESTART),
    no_meaning("signal.emit.failure.backoff.ms", "10000", BY_RESTART),
    no_meaning("signal.kafka.<setting>", "", BY_TABLE),
    no_meaning("signal.consumer.<setting>", "", BY_TABLE),
    no_meaning("signal.file", "file-signals.txt", BY_TABLE),
    number(
        "incremental.snapshot.chunk.size",
        "1024",
        "source.snapshot.incremental.chunk_rows",
    ),
    word(
        "incremental.snapshot.watermarking.strategy",
        "INSERT_INSERT",
        "source.snapshot.incremental.watermarks",
        &[
            ("INSERT_INSERT", "insert_insert"),
            ("INSERT_DELETE", "insert_delete"),
        ],
    ),
    no_meaning(
        "incremental.snapshot.allow.schema.changes",
        "false",
        "a chunk whose table is altered meanwhile is read again",
    ),
    refused(
        "notification.enabled.channels",
        "notifications are not sent: remove it; metrics and `/status` show the snapshot's progress",
    ),
    no_meaning("notification.sink.topic.name", "", "notifications are not sent"),
];

fn mode(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let word = given.value.trim().to_ascii_lowercase();
    let ours = match word.as_str() {
        "initial" | "always" | "no_data" | "initial_only" | "when_needed" => word.as_str(),
        "schema_only" | "never" => {
            draft.note(given.name, "an older name of no_data, which is used");
            "no_data"
        }
        "exported" => {
            draft.note(given.name, "an older name of initial, which is used");
            "initial"
        }
        "configuration_based" => return Ok(()),
        "custom" => return Err("there is no Java class to load: use another mode".into()),
        other => {
            return Err(format!(
                "`{other}` is none of initial, always, no_data, initial_only, when_needed"
            ));
        }
    };
    draft.set("source.snapshot.mode", ours);
    Ok(())
}

/// One of the five switches of `configuration_based`; together they are one of our modes, or none.
fn configured(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if !given
        .all
        .get("snapshot.mode")
        .is_some_and(|m| m.eq_ignore_ascii_case("configuration_based"))
    {
        return Ok(());
    }
    let switch = |name: &str| {
        let value = given
            .all
            .get(&format!("snapshot.mode.configuration.based.{name}"));
        value.map_or(Ok(false), parse::flag)
    };
    if switch("snapshot.on.schema.error")? {
        return Err("there is no schema history that could fail: set it to false".into());
    }
    let ours = match (
        switch("snapshot.data")?,
        switch("start.stream")?,
        switch("snapshot.on.data.error")?,
    ) {
        (true, true, false) => "initial",
        (true, false, false) => "initial_only",
        (false, true, false) => "no_data",
        (true, true, true) => "when_needed",
        _ => {
            return Err(
                "this combination of switches is none of initial, initial_only, no_data, when_needed".into(),
            );
        }
    };
    draft.set("source.snapshot.mode", ours);
    Ok(())
}

fn overridden(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    for table in parse::list(given.value) {
        let name = format!("{}.{table}", given.name);
        if given.all.get(&name).is_none() {
            return Err(format!("lists {table}, but there is no property {name}"));
        }
    }
    Ok(())
}

fn select(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let table = given.captures.first().copied().unwrap_or_default();
    let listed = given
        .all
        .get("snapshot.select.statement.overrides")
        .map(parse::list)
        .unwrap_or_default();
    if !listed.iter().any(|t| t == table) {
        return Err(format!(
            "is not used, as snapshot.select.statement.overrides does not list {table}: add it there"
        ));
    }
    draft.set_under("source.snapshot.overrides", table, given.value);
    Ok(())
}
