//! The message key of a table: which columns, and how it is written.

use std::sync::Arc;

use super::column::{PlanColumn, RowImage};
use super::event::Image;
use super::schemas::Wrapper;
use super::script::{Compiler, Side};
use crate::connect::Schema;
use crate::filter::RegexList;
use crate::schema::Table;
use crate::{Error, ErrorKind};

use super::format::MessageKey;

/// Field that regex topic naming adds to keys: tables that share a topic keep their keys apart.
pub(super) const PHYSICAL_TABLE: &str = "__dbz__physicalTableIdentifier";

/// A compiled key.
#[derive(Debug)]
pub(super) struct KeyPlan {
    pub(super) columns: Vec<Arc<PlanColumn>>,
    /// What stands before the key in a record's key, if anything does, and behind it.
    pub(super) open: Box<[u8]>,
    pub(super) close: &'static [u8],
    /// What follows the last column: a constant field if any, the closing brace.
    pub(super) tail: Box<[u8]>,
    /// Wrapper of the key in header values.
    pub(super) header: Wrapper,
    pub(super) schema: Arc<Schema>,
}

impl KeyPlan {
    /// Begins a script with the key of a row.
    pub(super) fn script(&self, side: Side) -> Compiler {
        let end = [&self.tail, self.close].concat();
        Compiler::default()
            .text(&self.open)
            .row(side, &self.columns, &end)
    }

    /// Appends the key as a header value has it.
    pub(super) fn write_header(&self, row: RowImage<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend_from_slice(&self.header.open);
        if self.columns.is_empty() {
            out.push(b'{');
        }
        for column in &self.columns {
            column.write(row, out)?;
        }
        out.extend_from_slice(&self.tail);
        out.extend_from_slice(self.header.close);
        Ok(())
    }

    /// Whether all key columns hold the same bytes in both rows. If not, the keys may still be written alike.
    pub(super) fn same_bytes(&self, old: Image<'_>, new: Image<'_>) -> bool {
        let same = |c: &Arc<PlanColumn>| old.get(c.index, c.identity) == new.get(c.index, c.identity);
        self.columns.iter().all(same)
    }
}

/// The configured keys, compiled.
#[derive(Debug)]
pub(super) struct KeyRules {
    rules: Vec<(RegexList, Vec<String>)>,
}

impl KeyRules {
    pub(super) fn new(keys: &[MessageKey]) -> Result<Self, Error> {
        let compile = |k: &MessageKey| {
            if k.columns.is_empty() {
                let text = format!("message_keys: the rule for `{}` names no column", k.table);
                return Err(Error::new(ErrorKind::Config, text));
            }
            let list = RegexList::new("message_keys", std::slice::from_ref(&k.table))?;
            Ok((list, k.columns.clone()))
        };
        let rules = keys.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Indices of the key's columns in the order of the key: the first rule for the table, else the table's own key.
    pub(super) fn columns(&self, identifier: &str, table: &Table) -> Vec<usize> {
        let Some((_, names)) = self.rules.iter().find(|(list, _)| list.is_match(identifier)) else {
            return table.key.clone();
        };
        names.iter().filter_map(|name| column_of(table, name)).collect()
    }

    /// Tells of columns in the rule for the table that it does not have.
    pub(super) fn warn_of_missing(&self, identifier: &str, table: &Table) {
        let rule = self.rules.iter().find(|(list, _)| list.is_match(identifier));
        for name in rule.map_or(&[][..], |(_, names)| names) {
            if column_of(table, name).is_none() {
                tracing::warn!(table = identifier, column = %name, "message_keys names a column that the table does not have");
            }
        }
    }
}

/// Index of a column by the name that a rule gives it, in any case if there is none of just this name.
fn column_of(table: &Table, name: &str) -> Option<usize> {
    let exact = table.columns.iter().position(|c| c.name == *name);
    exact.or_else(|| {
        table
            .columns
            .iter()
            .position(|c| c.name.eq_ignore_ascii_case(name))
    })
}
