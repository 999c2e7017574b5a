//! The signal table.

use cdc_core::Error;
use cdc_core::engine::{SignalOptions, SourceOptions, Watermarks};
use cdc_core::schema::Table;
use cdc_core::wire::{Session, quote_ident, quote_literal};

use super::report::Report;
use super::server::{first, text};

/// Whether it is there, has its three columns, and may be written.
pub(super) async fn examine(
    sql: &mut Session,
    o: &SourceOptions,
    tables: &[Table],
    report: &mut Report,
) -> Result<(), Error> {
    let Some(signals) = &o.signals else { return Ok(()) };
    let name = format!("{}.{}", signals.schema, signals.table);
    let Some(table) = tables.iter().find(|t| signals.is(&t.schema, &t.name)) else {
        let advice = format!(
            "CREATE TABLE {} (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))",
            quoted(signals)
        );
        report.fail(
            "signals",
            format!("the signal table {name} does not exist"),
            Some(advice),
        );
        return Ok(());
    };
    if table.columns.len() != 3 {
        let said = format!(
            "the signal table {name} has {} columns, and must have three: id, type, data",
            table.columns.len()
        );
        report.fail("signals", said, Some("make another table for signals".into()));
        return Ok(());
    }
    let missing = missing(sql, signals).await?;
    if missing.is_empty() {
        report.ok(
            "signals",
            format!("incremental snapshots can write their marks into {name}"),
        );
    } else {
        let said = format!(
            "no {} on the signal table {name}: incremental snapshots cannot write their marks",
            missing.join(", ")
        );
        report.fail("signals", said, Some("run the GRANTs below".into()));
    }
    Ok(())
}

async fn missing(sql: &mut Session, signals: &SignalOptions) -> Result<Vec<&'static str>, Error> {
    let mut missing = Vec::new();
    for privilege in privileges(signals) {
        let query = format!(
            "SELECT pg_catalog.has_table_privilege({}, {})",
            quote_literal(&quoted(signals)),
            quote_literal(privilege)
        );
        if text(&first(sql, &query).await?, 0) != "t" {
            missing.push(*privilege);
        }
    }
    Ok(missing)
}

/// What the role needs on the signal table besides what it needs on every table.
pub(super) fn privileges(signals: &SignalOptions) -> &'static [&'static str] {
    match signals.watermarks {
        Watermarks::InsertInsert => &["INSERT"],
        Watermarks::InsertDelete => &["INSERT", "SELECT", "DELETE"],
    }
}

pub(super) fn quoted(signals: &SignalOptions) -> String {
    format!("{}.{}", quote_ident(&signals.schema), quote_ident(&signals.table))
}
