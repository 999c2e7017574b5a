//! The signals section, and what incremental snapshots are told.

use bytesize::ByteSize;
use cdc_core::engine::{SignalOptions, Watermarks};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Problem;
use super::source::{Size, SourceConfig};

/// Signals: rows that are inserted into a table of the source and ask for incremental snapshots, as in Debezium.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalsConfig {
    /// The signal table, as `schema.table`. It has three columns: id, type, data. It is captured whatever the filters say, and
    /// the role needs INSERT on it.
    pub table: String,
}

/// Incremental snapshots, which signals ask for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IncrementalConfig {
    /// Rows that are read at once.
    pub chunk_rows: u32,
    /// Bytes of column values that are read at once; a chunk with more has fewer rows.
    #[schemars(with = "Size")]
    pub chunk_bytes: ByteSize,
    /// How the end of each chunk is marked in the signal table.
    pub watermarks: WatermarksConfig,
}

impl Default for IncrementalConfig {
    fn default() -> Self {
        Self {
            chunk_rows: SignalOptions::CHUNK_ROWS,
            chunk_bytes: ByteSize::mib(4),
            watermarks: WatermarksConfig::default(),
        }
    }
}

/// How the end of each chunk is marked in the signal table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WatermarksConfig {
    /// By a second row. The rows stay in the table.
    #[default]
    InsertInsert,
    /// By deleting the row that marks the beginning. The role also needs SELECT and DELETE on the table.
    InsertDelete,
}

impl SourceConfig {
    /// What the engine is told of signals; none if there is no signal table, or none that `check` lets pass.
    #[must_use]
    pub fn signal_options(&self) -> Option<SignalOptions> {
        let (schema, table) = split(&self.signals.as_ref()?.table)?;
        let incremental = &self.snapshot.incremental;
        Some(SignalOptions {
            watermarks: match incremental.watermarks {
                WatermarksConfig::InsertInsert => Watermarks::InsertInsert,
                WatermarksConfig::InsertDelete => Watermarks::InsertDelete,
            },
            chunk_rows: incremental.chunk_rows,
            chunk_bytes: usize::try_from(incremental.chunk_bytes.as_u64()).unwrap_or(usize::MAX),
            ..SignalOptions::new(schema, table)
        })
    }
}

/// Schema and table.
fn split(name: &str) -> Option<(&str, &str)> {
    let (schema, table) = name.split_once('.')?;
    (!schema.is_empty() && !table.is_empty() && !name.contains(',') && !table.contains('.'))
        .then_some((schema, table))
}

/// Checks both sections.
pub(super) fn check(config: &SourceConfig, problems: &mut Vec<Problem>) {
    if let Some(signals) = &config.signals
        && split(&signals.table).is_none()
    {
        problems.push(Problem::new(
            "source.signals.table",
            "must name one table as schema.table",
        ));
    }
    let incremental = &config.snapshot.incremental;
    if !(1..=1_000_000).contains(&incremental.chunk_rows) {
        problems.push(Problem::new(
            "source.snapshot.incremental.chunk_rows",
            "must be 1 to 1000000",
        ));
    }
    let mib = 1 << 20;
    if !(mib / 16..=256 * mib).contains(&incremental.chunk_bytes.as_u64()) {
        problems.push(Problem::new(
            "source.snapshot.incremental.chunk_bytes",
            "must be 64KiB to 256MiB",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_table_is_one_table() {
        assert_eq!(split("public.sig"), Some(("public", "sig")));
        for bad in ["sig", ".sig", "public.", "db.public.sig", "a.b,c", ""] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
