//! What a snapshot is told.

use std::collections::BTreeMap;

/// Options of the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Tables read at the same time, each on a connection of its own (`snapshot.max.threads`).
    pub threads: usize,
    /// Regular expressions on `schema.table`: only these captured tables are read
    /// (`snapshot.include.collection.list`); empty: all.
    pub include: Vec<String>,
    /// `schema.table` to the SELECT that takes the place of reading it whole
    /// (`snapshot.select.statement.overrides`). It must return every column of the table in its order; NULL will do for one that is left out.
    pub overrides: BTreeMap<String, String>,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            include: Vec::new(),
            overrides: BTreeMap::new(),
        }
    }
}
