//! The snapshot section.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::signals::IncrementalConfig;

/// Snapshots.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotConfig {
    /// When rows that exist already are read.
    pub mode: SnapshotMode,
    /// Connections that read tables at the same time.
    pub max_threads: u16,
    /// Captured tables whose rows are read: regular expressions on `schema.table`; all when empty.
    pub include: Vec<String>,
    /// SELECT to use instead of the whole table, by `schema.table`. It must return every column in the table's order;
    /// NULL will do for one that is left out.
    pub overrides: BTreeMap<String, String>,
    /// Incremental snapshots, which signals ask for.
    pub incremental: IncrementalConfig,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self {
            mode: SnapshotMode::Initial,
            max_threads: 2,
            include: Vec::new(),
            overrides: BTreeMap::new(),
            incremental: IncrementalConfig::default(),
        }
    }
}

/// When rows that exist already are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotMode {
    /// When no offset is stored; then the stream follows.
    #[default]
    Initial,
    /// At each start; then the stream follows.
    Always,
    /// Never: only the stream.
    NoData,
    /// When no offset is stored; then the program ends.
    InitialOnly,
    /// When no offset is stored, or what follows the stored one is gone from the server.
    WhenNeeded,
}
