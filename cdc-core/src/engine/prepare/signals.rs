//! The signal table: there, of the right shape, and published.

use crate::engine::incremental::{SignalOptions, Watermarks};
use crate::engine::options::SourceOptions;
use crate::schema::Table;
use crate::wire::{Session, quote_literal};
use crate::{Error, ErrorKind};

/// Fails if the table cannot be one of signals. `tables`: what is captured, the signal table included.
pub(super) fn check(signals: &SignalOptions, tables: &[Table]) -> Result<(), Error> {
    let name = format!("{}.{}", signals.schema, signals.table);
    let Some(table) = tables.iter().find(|t| signals.is(&t.schema, &t.name)) else {
        return Err(
            Error::new(ErrorKind::Config, format!("the signal table {name} does not exist")).with_hint(
                "create it with three columns: (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))",
            ),
        );
    };
    if table.columns.len() != 3 {
        let context = format!(
            "the signal table {name} has {} columns, and must have three: id, type, data",
            table.columns.len()
        );
        return Err(Error::new(ErrorKind::Config, context)
            .with_hint("make another table for signals, or drop the columns that are too many"));
    }
    Ok(())
}

/// Warns if the publication does not bring what is needed of the signal table.
pub(super) async fn warn_unpublished(
    sql: &mut Session,
    o: &SourceOptions,
    signals: &SignalOptions,
) -> Result<(), Error> {
    let query = format!(
        "SELECT p.pubinsert, p.pubdelete, EXISTS (SELECT FROM pg_catalog.pg_publication_tables t \
         WHERE t.pubname = p.pubname AND t.schemaname = {} AND t.tablename = {}) \
         FROM pg_catalog.pg_publication p WHERE p.pubname = {}",
        quote_literal(&signals.schema),
        quote_literal(&signals.table),
        quote_literal(&o.publication.name)
    );
    let rows = sql.query(&query).await?.rows;
    let row = rows.first().map(Vec::as_slice).unwrap_or_default();
    let says = |i: usize| row.get(i).and_then(Option::as_deref) == Some("t");
    let (table, publication) = (
        format!("{}.{}", signals.schema, signals.table),
        &o.publication.name,
    );
    if !says(2) {
        tracing::warn!(
            table,
            publication,
            advice = "ALTER PUBLICATION … ADD TABLE …",
            "the publication does not hold the signal table: signals will not be seen"
        );
    } else if !says(0) || signals.watermarks == Watermarks::InsertDelete && !says(1) {
        tracing::warn!(
            table,
            publication,
            advice = "ALTER PUBLICATION … SET (publish = 'insert, update, delete, truncate')",
            "the publication leaves out operations that signals need: incremental snapshots will not run"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::incremental::window_tests::column;

    #[test]
    fn it_must_be_there_with_three_columns() {
        let signals = SignalOptions::new("public", "sig");
        let table = |columns: usize| Table {
            schema: "public".into(),
            name: "sig".into(),
            columns: (0..columns).map(|i| column(&i.to_string(), true)).collect(),
            ..Table::default()
        };
        assert!(check(&signals, &[table(3)]).is_ok());
        let said = |tables: &[Table]| check(&signals, tables).unwrap_err().to_string();
        assert!(said(&[]).contains("public.sig does not exist"));
        assert!(said(&[table(4)]).contains("has 4 columns"));
    }
}
