//! Version, role, settings, slot.

use cdc_core::Error;
use cdc_core::engine::SourceOptions;
use cdc_core::wire::{Session, quote_literal};

use super::report::Report;

/// First and last major version that the tests run on.
const VERSIONS: (u32, u32) = (13, 18);

pub(super) fn version(sql: &Session, report: &mut Report) {
    let number = sql.server_version();
    let (major, minor) = (number / 10_000, number % 10_000);
    if major < VERSIONS.0 {
        let advice = format!("upgrade to PostgreSQL {} or later", VERSIONS.0);
        report.fail(
            "version",
            format!("PostgreSQL {major}.{minor} is too old"),
            Some(advice),
        );
    } else if major > VERSIONS.1 {
        let text = format!(
            "PostgreSQL {major}.{minor} is newer than what has been tested ({})",
            VERSIONS.1
        );
        report.warn("version", text, "try it with `pgcdc tail` first");
    } else {
        report.ok("version", format!("PostgreSQL {major}.{minor}"));
    }
}

/// The role in use.
pub(super) async fn role(sql: &mut Session, report: &mut Report) -> Result<String, Error> {
    let query =
        "SELECT rolname, rolsuper, rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let row = first(sql, query).await?;
    let name = text(&row, 0);
    match (text(&row, 1) == "t", text(&row, 2) == "t") {
        (true, _) => report.warn(
            "role",
            format!("\"{name}\" is a superuser, which is more than a pipeline needs"),
            "use a role of its own: the SQL below makes one",
        ),
        (false, true) => report.ok("role", format!("\"{name}\" may replicate and is no superuser")),
        (false, false) => report.fail(
            "role",
            format!("\"{name}\" has no REPLICATION attribute"),
            Some("run the ALTER ROLE below; on managed servers grant the provider's role, such as rds_replication".into()),
        ),
    }
    Ok(name)
}

pub(super) async fn settings(sql: &mut Session, o: &SourceOptions, report: &mut Report) -> Result<(), Error> {
    let query = format!(
        "SELECT current_setting('wal_level'), current_setting('max_replication_slots')::int, \
         (SELECT count(*) FROM pg_catalog.pg_replication_slots), \
         (SELECT count(*) FROM pg_catalog.pg_replication_slots WHERE slot_name = {}), \
         current_setting('max_wal_senders')::int, (SELECT count(*) FROM pg_catalog.pg_stat_replication), \
         current_setting('max_slot_wal_keep_size'), coalesce(current_setting('idle_replication_slot_timeout', true), '0')",
        quote_literal(&o.slot.name)
    );
    let row = first(sql, &query).await?;
    let number = |i: usize| text(&row, i).parse::<i64>().unwrap_or(0);
    match text(&row, 0).as_str() {
        "logical" => report.ok("wal_level", "logical"),
        other => report.fail(
            "wal_level",
            format!("is {other}, but logical decoding needs logical"),
            Some("ALTER SYSTEM SET wal_level = 'logical'; then restart the server".into()),
        ),
    }
    let (slots, used, ours) = (number(1), number(2), number(3));
    if ours == 0 && used >= slots {
        let advice = "drop a slot that is not used, or raise max_replication_slots and restart the server";
        report.fail(
            "slots",
            format!("all {slots} replication slots are in use"),
            Some(advice.into()),
        );
    } else {
        report.ok("slots", format!("{used} of {slots} in use"));
    }
    let (senders, busy) = (number(4), number(5));
    if busy >= senders {
        let advice = "end a replication connection, or raise max_wal_senders and restart the server";
        report.fail(
            "wal senders",
            format!("all {senders} are in use"),
            Some(advice.into()),
        );
    } else {
        report.ok("wal senders", format!("{busy} of {senders} in use"));
    }
    if text(&row, 6) == "-1" {
        report.warn(
            "max_slot_wal_keep_size",
            "is unlimited: a pipeline that is down for long can fill the server's disk",
            "set a limit that the disk can hold, such as 50GB; a slot beyond it is lost and needs a new snapshot",
        );
    }
    if !matches!(text(&row, 7).as_str(), "0" | "0s" | "0min") {
        let set = text(&row, 7);
        report.warn(
            "idle_replication_slot_timeout",
            format!("is {set}: a pipeline that is down for longer loses its slot"),
            "set it to 0, or see to it that the pipeline is never down that long",
        );
    }
    Ok(())
}

pub(super) async fn slot(sql: &mut Session, o: &SourceOptions, report: &mut Report) -> Result<(), Error> {
    let name = &o.slot.name;
    let query = format!(
        "SELECT coalesce(s.plugin, ''), coalesce(s.database, ''), s.active, coalesce(s.wal_status, ''), \
         coalesce(s.active_pid, 0), coalesce(s.confirmed_flush_lsn::text, ''), pg_catalog.to_jsonb(s) ->> 'two_phase' \
         FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = {}",
        quote_literal(name)
    );
    let Some(row) = sql.query(&query).await?.rows.into_iter().next() else {
        if !o.slot.create {
            let advice = "create it with `pgcdc slot create`, or leave slot.create at true";
            report.fail(
                "slot",
                format!("\"{name}\" does not exist, and slot.create is false"),
                Some(advice.into()),
            );
            return Ok(());
        }
        report.ok(
            "slot",
            format!("\"{name}\" does not exist yet: the first run creates it"),
        );
        return Ok(());
    };
    let database = o.connect.database();
    if text(&row, 0) != "pgoutput" || text(&row, 1) != database {
        let text = format!(
            "\"{name}\" is of plug-in {} in database {}",
            text(&row, 0),
            text(&row, 1)
        );
        report.fail("slot", text, Some("choose another slot name".into()));
    } else if text(&row, 6) == "true" {
        let text = format!("\"{name}\" was created with two_phase, which is not supported");
        let advice =
            "drop it with `pgcdc slot drop` and let the first run create it, or choose another slot name";
        report.fail("slot", text, Some(advice.into()));
    } else if text(&row, 3) == "lost" {
        let text = format!("\"{name}\" was invalidated: changes are missing");
        let advice = "run with snapshot mode when_needed: it makes a new slot and reads the tables again";
        report.fail("slot", text, Some(advice.into()));
    } else if text(&row, 2) == "t" {
        let text = format!("\"{name}\" is in use by the server process {}", text(&row, 4));
        report.warn(
            "slot",
            text,
            "stop the other reader before starting this pipeline, unless it is this pipeline",
        );
    } else {
        report.ok("slot", format!("\"{name}\" stands at {}", text(&row, 5)));
    }
    Ok(())
}

pub(super) async fn first(sql: &mut Session, query: &str) -> Result<Vec<Option<String>>, Error> {
    Ok(sql
        .query(query)
        .await?
        .rows
        .into_iter()
        .next()
        .unwrap_or_default())
}

pub(super) fn text(row: &[Option<String>], i: usize) -> String {
    row.get(i).cloned().flatten().unwrap_or_default()
}
