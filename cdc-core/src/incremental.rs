//! How far an incremental snapshot has come: the part of a checkpoint that lets it go on after a restart.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A table that an incremental snapshot is to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRequest {
    /// Schema, unquoted.
    pub schema: String,
    /// Name, unquoted.
    pub name: String,
    /// SQL condition on the rows that are wanted; none: all of them.
    pub condition: Option<String>,
    /// Column that takes the place of the key by which the table is read in chunks.
    pub surrogate_key: Option<String>,
}

impl TableRequest {
    /// `schema.table`.
    #[must_use]
    pub fn identifier(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// The values of a key's columns as PostgreSQL writes them; none is SQL's NULL.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyValues(pub Vec<Option<String>>);

/// Shows the number of values and never a value, which does not belong in logs.
impl fmt::Debug for KeyValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyValues({} columns)", self.0.len())
    }
}

/// An incremental snapshot that is not done. It holds at the checkpoint that it is stored with: rows up to `last` of the
/// first table were sent before it, and a chunk of which only a part was sent is read again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncrementalProgress {
    /// Id of the newest signal that asked for it.
    pub signal: String,
    /// Tables that are still to be read, the one under way first; never empty.
    pub tables: VecDeque<TableRequest>,
    /// Key of the last row of the first table that was sent; none: none was.
    pub last: Option<KeyValues>,
    /// Highest key of the first table when its reading began; none: it has not begun.
    pub maximum: Option<KeyValues>,
    /// Whether a signal has asked it to pause.
    pub paused: bool,
}

impl IncrementalProgress {
    /// Adds tables that are not there yet.
    pub fn add(&mut self, signal: &str, tables: impl IntoIterator<Item = TableRequest>) {
        signal.clone_into(&mut self.signal);
        for table in tables {
            if !self.tables.contains(&table) {
                self.tables.push_back(table);
            }
        }
    }

    /// Goes on behind a chunk of the first table.
    pub fn advance(&mut self, last: KeyValues, maximum: KeyValues) {
        self.last = Some(last);
        self.maximum = Some(maximum);
    }

    /// The first table is done, or cannot be read.
    pub fn drop_first(&mut self) {
        self.tables.pop_front();
        (self.last, self.maximum) = (None, None);
    }

    /// Leaves out the tables that `unwanted` picks; says whether the first one is among them.
    pub fn remove(&mut self, unwanted: impl Fn(&TableRequest) -> bool) -> bool {
        let first = self.tables.front().is_some_and(&unwanted);
        if first {
            self.drop_first();
        }
        self.tables.retain(|t| !unwanted(t));
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> TableRequest {
        TableRequest {
            schema: "s".into(),
            name: name.into(),
            condition: None,
            surrogate_key: None,
        }
    }

    #[test]
    fn a_table_waits_once_and_leaves_with_its_place() {
        let mut p = IncrementalProgress::default();
        p.add("one", [table("a"), table("b"), table("a")]);
        p.add("two", [table("b"), table("c")]);
        assert_eq!(p.tables, [table("a"), table("b"), table("c")]);
        assert_eq!(p.signal, "two");
        let key = |v: &str| KeyValues(vec![Some(v.into())]);
        p.advance(key("5"), key("9"));
        assert!(!p.remove(|t| t.name == "c"));
        assert_eq!(p.last, Some(key("5")));
        assert!(p.remove(|t| t.name == "a"));
        assert_eq!((p.tables.len(), &p.last, &p.maximum), (1, &None, &None));
        assert!(!format!("{:?}", key("secret")).contains("secret"));
    }
}
